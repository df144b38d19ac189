"""Anatomy: which instruction of an image brought which files, read from the archives of its layers.

The layers are read one after the other, bottom first, with what is below them in mind, so that a file is known to be
new, changed or taken away (whiteouts: OCI image-spec, layer.md). Nothing is unpacked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mydocker.image.entry import FILE, HARDLINK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mydocker.image.image import Image
    from mydocker.image.layers import Layers
    from mydocker.image.manifest import Layer

_WHITEOUT = b".wh."
_OPAQUE = b".wh..wh..opq"


class Change(NamedTuple):
    """What a layer does to one path: `A` adds, `C` changes, `D` deletes it; `size` in bytes, of the file it brings."""

    kind: str
    path: bytes
    size: int = 0


class Stratum(NamedTuple):
    """One layer of an image: its number from 1 at the bottom, the instruction that made it, and its changes.

    `hidden` are the bytes of files further down that it replaces or deletes: they stay in the image, unseen.
    """

    number: int
    layer: Layer
    created_by: str
    changes: tuple[Change, ...]
    hidden: int

    @property
    def size(self) -> int:
        """The bytes of the files that it brings."""
        return sum(change.size for change in self.changes)

    def count(self, kind: str) -> int:
        """Return how many of its changes are of a kind."""
        return sum(change.kind == kind for change in self.changes)


def strata(image: Image, layers: Layers) -> Iterator[Stratum]:
    """Yield the layers of an image with what they bring, bottom first; each is read when it is asked for."""
    steps = [step.created_by for step in image.config.history if not step.empty_layer]
    steps += [""] * (len(image.layers) - len(steps))
    seen = _Tree()
    for number, layer in enumerate(image.layers, 1):
        changes, hidden = seen.apply(layers, layer)
        yield Stratum(number, layer, steps[number - 1], changes, hidden)


class _Tree:
    """The paths that the layers so far show, each with the size of its file."""

    def __init__(self) -> None:
        self._sizes: dict[bytes, int] = {}

    def apply(self, layers: Layers, layer: Layer) -> tuple[tuple[Change, ...], int]:
        """Put a layer on top; return its changes by path, and the bytes of files below that nobody sees any more."""
        below, brought, gone = self._sizes, dict[bytes, int](), set[bytes]()
        for entry in layers.entries(layer):
            folder, _, name = entry.name.rpartition(b"/")
            if name == _OPAQUE:
                gone |= self._below(folder, itself=False)
            elif name.startswith(_WHITEOUT):
                gone |= self._below(_join(folder, name.removeprefix(_WHITEOUT)), itself=True)
            elif entry.name:
                brought[entry.name] = entry.size if entry.kind == FILE else 0
                # A hard link in the archive may lead to a file further down: nothing is replaced then.
                if entry.name in below and entry.kind != HARDLINK:
                    gone.add(entry.name)
        changes = [Change("C" if path in below else "A", path, size) for path, size in brought.items()]
        changes += [Change("D", path) for path in gone if path not in brought]
        hidden = sum(below[path] for path in gone)
        self._sizes = {path: size for path, size in below.items() if path not in gone} | brought
        return tuple(sorted(changes, key=lambda change: change.path)), hidden

    def _below(self, folder: bytes, *, itself: bool) -> set[bytes]:
        prefix = folder + b"/" if folder else b""
        return {path for path in self._sizes if path.startswith(prefix) or (itself and path == folder)}


def _join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name
