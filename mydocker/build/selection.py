"""What COPY and ADD take: from source words to the exact list of entries, and what of it goes into a step's key.

The rules are BuildKit's, as the Dockerfile reference tells them: sources are rooted in the tree and never leave it;
wildcards are Go's filepath.Match, component by component; a source that is a symbolic link is followed, links below a
copied directory are copied; a directory means its content. `--parents` keeps the path behind the pivot `/./`.
"""

from __future__ import annotations

import hashlib
import posixpath
from itertools import chain

from mydocker.dockerfile import globs
from mydocker.errors import NotFound
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mydocker.build.cache import Parts
    from mydocker.build.tree import Entry, Tree

# What only serves explanations is cut short; the key itself holds the whole digest.
_SHORT = 16


class Picked(NamedTuple):
    """One source after wildcards: its root entry, the base name that a copy into a directory takes, what is below.

    `below` pairs each entry with its place relative to the root entry, parents first; it is looked up as it is read,
    once: a large tree is never in memory as a whole.
    """

    root: Entry
    name: str
    below: Iterable[tuple[Entry, str]]


class Rules(NamedTuple):
    """How sources are taken: `matches(pattern, name)` as Go's filepath.Match, `excludes` says what is left out."""

    matches: Callable[[str, str], bool]
    excludes: Callable[[str], bool]
    includes: Callable[[str, str], bool]
    keep_parents: bool = False


EVERYTHING = Rules(globs.match, lambda path: False, lambda pattern, path: False)


def has_wildcard(path: str) -> bool:
    """Tell whether Go's filepath.Match would see anything but plain characters in `path`."""
    escaped = False
    for character in path:
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character in "*?[":
            return True
    return False


def pick(tree: Tree, source: str, rules: Rules) -> list[Picked]:
    """Return what the source word `source` means in `tree`, in byte order.

    A wildcard may match nothing; a plain name that is not there (or that the ignore file hides) raises `NotFound`.
    """
    if rules.keep_parents:
        return [_pick_with_parents(tree, source, rules)]
    cleaned = posixpath.normpath("/" + source).lstrip("/")
    if not has_wildcard(cleaned):
        return _pick_one(tree, cleaned, rules)
    return [one for match in _glob(tree, cleaned, rules) for one in _pick_one(tree, match, rules)]


def roots(tree: Tree, source: str, rules: Rules) -> list[str]:
    """Return paths that have below them everything that `pick` would look at."""
    if rules.keep_parents:
        return [_pivot(source)[0]]
    cleaned = posixpath.normpath("/" + source).lstrip("/")
    return _glob(tree, cleaned, rules) if has_wildcard(cleaned) else [cleaned]


def _pick_one(tree: Tree, path: str, rules: Rules) -> list[Picked]:
    followed = tree.resolve(path)
    entry = tree.entry(followed)
    if entry is None:
        raise NotFound(
            f"'{path or '/'}' is not in {tree.name}",
            "the ignore file excludes it" if tree.hides(followed) else "",
            "" if tree.hides(followed) else "paths are relative to the root of the context or of the image",
        )
    name = posixpath.basename(path)
    if not entry.is_dir:
        # Patterns of --exclude are relative to the source; a file's own place is its name.
        return [] if rules.excludes(name) else [Picked(entry, name, ())]
    return [Picked(entry, name, _below(tree, entry, rules))]


def _below(tree: Tree, root: Entry, rules: Rules) -> Iterator[tuple[Entry, str]]:
    return _wanted(tree, root, lambda place: not rules.excludes(place))


def _wanted(tree: Tree, root: Entry, wants: Callable[[str], bool]) -> Iterator[tuple[Entry, str]]:
    """Yield what `wants` takes below `root` with its place, each behind the directories that lead to it."""
    skip = len(root.path) + 1 if root.path else 0
    held: list[tuple[Entry, str]] = []  # directories on the way here that are not wanted for their own sake
    for entry in tree.walk(root.path):
        place = entry.path[skip:]
        while held and not place.startswith(held[-1][1] + "/"):
            held.pop()
        if wants(place):
            yield from held
            held = []
            yield entry, place
        elif entry.is_dir:
            held.append((entry, place))


def _glob(tree: Tree, pattern: str, rules: Rules) -> list[str]:
    """Return the paths that match, as filepath.Walk from the last plain directory finds them."""
    parts = pattern.split("/")
    plain = next(i for i, part in enumerate(parts) if has_wildcard(part))
    base = tree.resolve("/".join(parts[:plain]))
    wild = parts[plain:]
    found = [base] if base else [""]
    for i, part in enumerate(wild):
        below: list[str] = []
        for directory in found:
            for entry in tree.children(directory):
                name = entry.path.rpartition("/")[2]
                if rules.matches(part, name) and (entry.is_dir or i == len(wild) - 1):
                    below.append(entry.path)
        found = below
    return found


def _pivot(source: str) -> tuple[str, str]:
    """Return the directory that --parents starts from, and the pattern below it."""
    before, found, after = source.removeprefix("./").partition("/./")
    base, pattern = (before, after) if found else ("", before)
    return base, posixpath.normpath("/" + pattern).lstrip("/")


def _pick_with_parents(tree: Tree, source: str, rules: Rules) -> Picked:
    base, pattern = _pivot(source)
    if not pattern:
        raise NotFound(
            f"--parents with '{source}' names nothing below {tree.name}", hint="write *, or leave --parents out"
        )
    root = tree.entry(tree.resolve(base))
    if root is None or not root.is_dir:
        raise NotFound(f"'{base or '/'}' is no directory in {tree.name}")
    kept = _wanted(tree, root, lambda place: rules.includes(pattern, place) and not rules.excludes(place))
    first = next(kept, None)
    if first is None and not has_wildcard(pattern):
        raise NotFound(f"'{pattern}' is not in {tree.name}")
    return Picked(root, "", chain([first], kept) if first else ())


def describe(tree: Tree, picked: Iterable[Picked]) -> tuple[str, Parts]:
    """Return the digest of all that was picked, and a short digest for each of its names, for explanations.

    Content, modes, owners, links and attributes count; times only in trees that the build made itself.
    """
    running = hashlib.sha256()
    files: list[tuple[str, str]] = []
    linked: dict[tuple[int, int], int] = {}  # files with several names: which of all entries was the first
    for one in picked:
        for entry, place in chain([(one.root, "")], one.below):
            # A directory means its content: its own mode and owner go nowhere.
            facts = _facts(tree, entry) if place or not entry.is_dir else "directory"
            if entry.links > 1 and not entry.is_dir:
                facts += f" {linked.setdefault(entry.file, len(files))}"
            data = facts.encode("utf-8", "surrogateescape")
            # No name and no fact has a zero byte in it, so no two lists look alike.
            running.update(b"%b\0%b\0" % (f"{one.name}\0{place}".encode("utf-8", "surrogateescape"), data))
            kind = "directory" if entry.is_dir else "file"
            files.append((f"{kind} {entry.path or '/'}", hashlib.sha256(data).hexdigest()[:_SHORT]))
    return running.hexdigest(), tuple(files)


def _facts(tree: Tree, entry: Entry) -> str:
    content = tree.hash_file(entry) if entry.is_file else entry.target
    if not tree.owned:  # times and owners in a context are facts of one host
        return f"{entry.mode:o} {entry.rdev} {content}"
    attributes = "".join(f"{name}={value.hex()};" for name, value in tree.xattrs(entry))
    when = entry.mtime // 1_000_000_000
    return f"{entry.mode:o} {entry.uid} {entry.gid} {entry.rdev} {when} {attributes} {content}"
