"""What COPY and ADD take: from source words to the exact list of entries, and what of it goes into a step's key.

The rules are BuildKit's, as the Dockerfile reference tells them: sources are rooted in the tree and never leave it;
wildcards are Go's filepath.Match, component by component; a source that is a symbolic link is followed, links below a
copied directory are copied; a directory means its content. `--parents` keeps the path behind the pivot `/./`.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, NamedTuple

from mydocker.build.keys import digest_of
from mydocker.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mydocker.build.tree import Entry, Tree

# A part of a key that only serves explanations is cut short; the key itself holds the whole digest.
_SHORT = 16


class Picked(NamedTuple):
    """One source after wildcards: its root entry, the base name that a copy into a directory takes, what is below.

    `below` pairs each entry with its place relative to the root entry. `parents` (with --parents) are the directories
    between the pivot and the sources, with their places: they are made like their originals.
    """

    root: Entry
    name: str
    below: tuple[tuple[Entry, str], ...]
    keep_parents: bool = False


class Rules(NamedTuple):
    """How sources are taken: `matches(pattern, name)` as Go's filepath.Match, `excludes` says what is left out."""

    matches: Callable[[str, str], bool]
    excludes: Callable[[str], bool]
    includes: Callable[[str, str], bool]
    keep_parents: bool = False


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
    return [Picked(entry, name, tuple(_below(tree, entry, rules)))]


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


def _pick_with_parents(tree: Tree, source: str, rules: Rules) -> Picked:
    before, found, after = source.removeprefix("./").partition("/./")
    base, pattern = (before, after) if found else ("", before)
    pattern = posixpath.normpath("/" + pattern).lstrip("/")
    if not pattern:
        raise NotFound(
            f"--parents with '{source}' names nothing below {tree.name}", hint="write *, or leave --parents out"
        )
    root = tree.entry(tree.resolve(base))
    if root is None or not root.is_dir:
        raise NotFound(f"'{base or '/'}' is no directory in {tree.name}")
    kept = tuple(_wanted(tree, root, lambda place: rules.includes(pattern, place) and not rules.excludes(place)))
    if not kept and not has_wildcard(pattern):
        raise NotFound(f"'{pattern}' is not in {tree.name}")
    return Picked(root, "", kept, keep_parents=True)


def key_parts(tree: Tree, picked: Iterable[Picked], label: str = "file") -> tuple[str, dict[str, str]]:
    """Return the digest of all that was picked, and parts that name each file for explanations.

    Content, modes, owners, links and attributes count; times only in trees that the build made itself.
    """
    lines: list[str] = []
    parts: dict[str, str] = {}
    for one in picked:
        for entry, place in ((one.root, ""), *one.below):
            facts = _facts(tree, entry)
            lines += [one.name, place, facts]
            if not entry.is_dir:
                parts[f"{label} {entry.path}"] = digest_of([facts])[:_SHORT]
    return digest_of(lines), parts


def _facts(tree: Tree, entry: Entry) -> str:
    content = tree.hash_file(entry) if entry.is_file else entry.target
    attributes = "".join(f"{name}={value.hex()};" for name, value in tree.xattrs(entry)) if tree.owned else ""
    when = entry.stamp.mtime // 1_000_000_000 if tree.owned else 0  # a context's times are facts of one host
    return f"{entry.mode:o} {entry.uid} {entry.gid} {entry.rdev} {when} {content} {attributes}"
