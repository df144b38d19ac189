"""Step keys: a hash over everything a step can see, kept together with its parts so that a miss can be explained.

A key's parts are named plain strings: "instruction", "parent", "env PATH", "content" ... The parent is named by
the content of its layers (diff IDs), never by its own key: when an early step runs again and gives the same bytes,
every later step is still a hit (early cut-off). Nothing in a part may be a secret, a time or a path of the host.
"""

from __future__ import annotations

import hashlib
import json

from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# Part of every key: raise it when a step's meaning changes, so that no result of an older meaning is found.
SCHEMA = "2"
# What the names of parts end with that are digests over files; these are told one by one in explanations.
CONTENT = "content"


class Key(NamedTuple):
    """`digest` (64 hex digits) names a result in the cache; `parts` are what it was made of, sorted by name."""

    digest: str
    parts: tuple[tuple[str, str], ...]


def make_key(parts: Mapping[str, str]) -> Key:
    """Return the key over `parts`; their order does not matter."""
    ordered = tuple(sorted({**parts, "schema": SCHEMA}.items()))
    text = json.dumps(ordered, ensure_ascii=True, separators=(",", ":"))
    return Key(hashlib.sha256(text.encode()).hexdigest(), ordered)


def digest_of(values: Iterable[str]) -> str:
    """Return the hash of a sequence of strings, each with its length, so that no two sequences look alike."""
    running = hashlib.sha256()
    for value in values:
        data = value.encode("utf-8", "surrogateescape")
        running.update(b"%d:" % len(data))
        running.update(data)
    return running.hexdigest()


def explain(
    now: Iterable[tuple[str, str]],
    before: Iterable[tuple[str, str]],
    files: Callable[[str], Iterable[tuple[str, str]]],
) -> str:
    """Say in a sentence how the parts `now` differ from those of the last time; empty when they do not.

    `files(content)` lists what is behind the digest of some content, file by file; nothing where that is forgotten.
    """
    new, old = dict(now), dict(before)
    for part in ("schema", "instruction", "base", "parent"):
        if new.get(part) != old.get(part):
            both = part == "base" and part in new and part in old
            return _CHANGED[part] + (f" from {_short(old[part])} to {_short(new[part])}" if both else "")
    changes: list[str] = []
    for name in sorted(new.keys() | old.keys()):
        if new.get(name) == old.get(name):
            continue
        both = name.endswith(CONTENT) and name in new and name in old
        named = _file_changes(files, new[name], old[name]) if both else []
        changes += named or [_describe(name, new.get(name), old.get(name))]
    if len(changes) > _MOST_NAMED:
        changes = [*changes[:_MOST_NAMED], f"and {len(changes) - _MOST_NAMED} more"]
    return ", ".join(changes)


def _file_changes(files: Callable[[str], Iterable[tuple[str, str]]], now: str, before: str) -> list[str]:
    """Name the files that differ between two contents; the digest over all files says less."""
    new, old = dict(files(now)), dict(files(before))
    if not new or not old:
        return []
    names = sorted(name for name in new.keys() | old.keys() if new.get(name) != old.get(name))
    return [_describe(name, new.get(name), old.get(name)) for name in names]


_MOST_NAMED = 3
_CHANGED = {
    "schema": "this version of mydocker builds such a step in another way",
    "instruction": "the instruction itself changed",
    "base": "the base image changed",
    "parent": "a step before it gave another result",
}


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]


def _describe(name: str, new: str | None, old: str | None) -> str:
    kind, _, rest = name.partition(" ")
    thing = f"variable {rest}" if kind == "env" else name
    if old is None:
        return f"{thing} is new"
    if new is None:
        return f"{thing} is gone"
    if kind in ("env", "argument"):
        return f"{thing} changed from {old!r} to {new!r}"
    return f"{thing} changed"
