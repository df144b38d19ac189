"""Contents: what a step takes from a tree, as one digest, looked at again only where something may have changed.

What was found out is kept in the cache with what it was seen by: the name of a tree that cannot change (layers), or the
fingerprint of a directory. While that stays the same, no file is opened and no list of files is made.
"""

from __future__ import annotations

from mydocker.build.fingerprint import Fingerprint, fingerprint
from mydocker.build.keys import digest_of
from mydocker.build.selection import Rules, describe, pick, roots
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mydocker.build.tree import Tree
    from mydocker.build.trees import Trees


class Wanted(NamedTuple):
    """What a step takes from a tree: source words, under rules; `words` tell these rules from others.

    `slot` names the place that asks (a step, one of its mounts), so that its next build finds what this one learned.
    """

    step: str
    slot: str
    sources: tuple[str, ...]
    rules: Rules
    words: tuple[str, ...] = ()


def content_of(tree: Tree, wanted: Wanted, trees: Trees) -> str:
    """Return the digest of everything that is taken; equal content gives equal digests, whatever the files' times.

    A directory is watched from then on: `trees.insist` compares it with what the digest was made of. Raises `NotFound`
    for a source that is not there.
    """
    name = digest_of([trees.slot, wanted.slot, tree.name, *wanted.sources, "", *wanted.words])
    seen = Fingerprint(tree.identity, True) if tree.identity else _seen(tree, wanted)
    if not tree.identity:
        trees.watch(wanted.step, lambda: _seen(tree, wanted).digest == seen.digest)
    known = trees.cache.selection(name, seen.digest) if seen.lasts else None
    if known:
        return known
    picked = (one for source in wanted.sources for one in pick(tree, source, wanted.rules))
    digest, files = describe(tree, picked)
    trees.cache.put_selection(name, seen.digest if seen.lasts else "", digest, files)
    return digest


def _seen(tree: Tree, wanted: Wanted) -> Fingerprint:
    """Return what tells this state of a directory, as far as it is wanted, from others."""
    prints: list[str] = []
    lasts = True
    for source in wanted.sources:
        for root in roots(tree, source, wanted.rules):
            seen = fingerprint(tree, root)
            lasts = lasts and seen.lasts
            prints += [root, seen.digest]
        prints.append("")
    return Fingerprint(digest_of(prints), lasts)
