"""Contents: what a step takes from a tree, as one digest, looked at again only where something may have changed.

What was found out is kept in the cache with what it was seen by: the name of a tree that cannot change (layers), or the
fingerprint of a directory. While that stays the same, no file is opened and no list of files is made.
"""

from __future__ import annotations

from mydocker.build.fingerprint import fingerprint
from mydocker.build.keys import digest_of
from mydocker.build.selection import Rules, describe, pick, roots
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mydocker.build.cache import Cache
    from mydocker.build.tree import Tree


class Wanted(NamedTuple):
    """What is taken from a tree: source words, under rules; `words` tell these rules from others.

    `slot` names the place that asks, so that its next build finds what this one learned.
    """

    slot: str
    sources: tuple[str, ...]
    rules: Rules
    words: tuple[str, ...] = ()


def content_of(tree: Tree, wanted: Wanted, cache: Cache) -> str:
    """Return the digest of everything that is taken; equal content gives equal digests, whatever the files' times.

    Raises `NotFound` for a source that is not there.
    """
    name = digest_of([wanted.slot, tree.name, *wanted.sources, "", *wanted.words])
    seen = tree.identity or _seen(tree, wanted)
    known = cache.selection(name, seen) if seen else None
    if known:
        return known
    picked = (one for source in wanted.sources for one in pick(tree, source, wanted.rules))
    digest, files = describe(tree, picked)
    cache.put_selection(name, seen, digest, files)
    return digest


def _seen(tree: Tree, wanted: Wanted) -> str:
    """Return what tells this state of a directory from others, or "" where stamps cannot be relied on."""
    prints = [wanted.slot]
    for source in wanted.sources:
        for root in roots(tree, source, wanted.rules):
            seen = fingerprint(tree, root)
            if seen is None:
                return ""
            prints += [root, seen]
        prints.append("")
    return digest_of(prints)
