"""Step keys: a hash over everything a step can see, kept together with its parts so that a miss can be explained.

A key's parts are named plain strings: "instruction", "parent", "env PATH", "file src/a.c" ... The parent is named by
the content of its layers (diff IDs), never by its own key: when an early step runs again and gives the same bytes,
every later step is still a hit (early cut-off). Nothing in a part may be a secret, a time or a path of the host.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Part of every key: raise it when a step's meaning changes, so that no result of an older meaning is found.
SCHEMA = "1"


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


def explain(now: Iterable[tuple[str, str]], before: Iterable[tuple[str, str]]) -> str:
    """Say in a sentence how the parts `now` differ from those of the last time; empty when they do not."""
    new, old = dict(now), dict(before)
    for part in ("schema", "instruction", "base", "parent"):
        if new.get(part) != old.get(part):
            return _CHANGED[part]
    changed = [name for name in sorted(new.keys() | old.keys()) if new.get(name) != old.get(name)]
    # The digest over all files says less than the files' names, where those are known.
    named = [name for name in changed if not name.endswith("content")] or changed
    changes = [_describe(name, new.get(name), old.get(name)) for name in named]
    if len(changes) > _MOST_NAMED:
        changes = [*changes[:_MOST_NAMED], f"and {len(changes) - _MOST_NAMED} more"]
    return ", ".join(changes)


_MOST_NAMED = 3
_CHANGED = {
    "schema": "this version of mydocker builds such a step in another way",
    "instruction": "the instruction itself changed",
    "base": "the base image changed",
    "parent": "a step before it gave another result",
}


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
