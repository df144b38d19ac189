"""Lineage: which image stands on which, for `images --tree`. An image stands on another whose layers it begins with."""

from __future__ import annotations

from collections import Counter

from mydocker.cli.progress import size_text
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mydocker.image.image import Image

HEADER = ("NAME", "ID", "SIZE", "SHARED", "OWN")


class Kin(NamedTuple):
    """An image, what stands on it, and how many bytes of its layers other images have too, or it alone."""

    image: Image
    children: tuple[Kin, ...]
    shared: int
    own: int


def lineage(images: Iterable[Image]) -> tuple[Kin, ...]:
    """Return the images that stand on no other, each with those on it; one stands on the one that it has most from."""
    known = list({image.id: image for image in images}.values())
    users = Counter(digest for image in known for digest in {layer.blob.digest for layer in image.layers})
    parents = {image.id: _parent(image, known) for image in known}

    def kin(image: Image) -> Kin:
        own = sum(layer.blob.size for layer in image.layers if users[layer.blob.digest] == 1)
        children = tuple(kin(each) for each in known if parents[each.id] is image)
        return Kin(image, children, image.size - own, own)

    return tuple(kin(image) for image in known if parents[image.id] is None)


def _parent(image: Image, known: list[Image]) -> Image | None:
    shorter = [each for each in known if 0 < len(each.diff_ids) < len(image.diff_ids)]
    below = [each for each in shorter if each.diff_ids == image.diff_ids[: len(each.diff_ids)]]
    return max(below, key=lambda each: len(each.diff_ids)) if below else None


def rows(kin: Iterable[Kin]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table, names drawn as a tree."""
    for each in kin:
        yield _row(each, "")
        yield from _rows_below(each, "")


def _rows_below(parent: Kin, stem: str) -> Iterator[tuple[str, ...]]:
    for each in parent.children:
        is_last = each is parent.children[-1]
        yield _row(each, stem + ("└─ " if is_last else "├─ "))
        yield from _rows_below(each, stem + ("   " if is_last else "│  "))


def _row(kin: Kin, branch: str) -> tuple[str, ...]:
    name = ", ".join(reference.familiar for reference in kin.image.references) or "(no name)"
    return branch + name, kin.image.id.short, *map(size_text, (kin.image.size, kin.shared, kin.own))


def facts(kin: Iterable[Kin]) -> list[dict[str, object]]:
    """Return the tree as JSON values, sizes in bytes."""
    return [
        {
            "id": each.image.id,
            "names": [reference.familiar for reference in each.image.references],
            "size": each.image.size,
            "shared": each.shared,
            "own": each.own,
            "children": facts(each.children),
        }
        for each in kin
    ]
