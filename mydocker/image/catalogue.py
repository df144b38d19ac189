"""Catalogue: `index.json`, the list of which images there are and what they are called.

One lock for writers; readers take none and never see half a file, because it is replaced whole. An image appears here
last, when everything it needs is on the disk. What is only known here (when it was built, its FROM) stands in
annotations beside the reference, so it never touches a digest.
"""

from __future__ import annotations

from contextlib import contextmanager

from mydocker.errors import MydockerError
from mydocker.image.digest import Digest
from mydocker.image.layout import sync_directory
from mydocker.image.locks import locked
from mydocker.image.manifest import MANIFESTS, Descriptor, Index
from mydocker.image.reference import Reference
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from mydocker.image.layout import Layout

REF_NAME = "org.opencontainers.image.ref.name"
_BUILT = "io.mydocker.built"
_FROM = "io.mydocker.from"
_ID = "io.mydocker.id"
_LARGEST = 64 * 1024 * 1024


class Record(NamedTuple):
    """One line of the catalogue: a manifest, at most one reference to it, and what is known here alone."""

    manifest: Descriptor
    image_id: Digest | None
    reference: Reference | None
    built: int
    base: str

    @classmethod
    def of(cls, descriptor: Descriptor) -> Self:
        """Return the record that a descriptor of `index.json` holds; one that other tools wrote has less to say."""
        notes = descriptor.annotations
        built = notes.get(_BUILT, "")
        return cls(
            descriptor,
            _digest(notes.get(_ID)),
            _reference(notes.get(REF_NAME, "")),
            int(built) if built.isdecimal() and len(built) < 15 else 0,
            notes.get(_FROM, ""),
        )

    @classmethod
    def make(cls, manifest: Descriptor, image_id: Digest, reference: Reference | None, built: int, base: str) -> Self:
        """Return a record of our own."""
        return cls(manifest, image_id, reference, built, base)

    @property
    def is_image(self) -> bool:
        """Tell an image from other things that tools put into an index."""
        return self.manifest.media_type in MANIFESTS

    def descriptor(self) -> Descriptor:
        """Return the descriptor that stands in `index.json`; annotations of other tools are kept."""
        notes = {key: value for key, value in self.manifest.annotations.items() if key not in _OURS}
        written = self.manifest.annotations.get(REF_NAME, "")
        if self.reference:
            notes[REF_NAME] = written if _reference(written) == self.reference else self.reference.familiar
        elif written and _reference(written) is None:
            notes[REF_NAME] = written
        if self.image_id:
            notes[_ID] = self.image_id
        if self.built:
            notes[_BUILT] = str(self.built)
        if self.base:
            notes[_FROM] = self.base
        return self.manifest._replace(annotations=notes)


_OURS = frozenset({REF_NAME, _BUILT, _FROM, _ID})


def read(layout: Layout) -> tuple[Record, ...]:
    """Return all records, oldest first."""
    with open(layout.index_file, "rb") as file:
        index = Index.parse(file.read(_LARGEST + 1), largest=_LARGEST)
    return tuple(Record.of(each) for each in index.manifests)


@contextmanager
def changing(layout: Layout) -> Iterator[list[Record]]:
    """Give the records to change inside the block, under the lock; they are written at its end, unless it fails."""
    with locked(layout.lock("index")):
        records = list(read(layout))
        before = list(records)
        yield records
        if records != before:
            sync_directory(layout.blobs)
            index = Index(tuple(record.descriptor() for record in records))
            layout.write_atomically(layout.index_file, index.encode() + b"\n")


def _reference(text: str) -> Reference | None:
    """Return the reference that an annotation holds; what another tool wrote may be none of ours."""
    if not text:
        return None
    try:
        return Reference.parse(text)
    except MydockerError:
        return None


def _digest(text: str | None) -> Digest | None:
    if text is None:
        return None
    try:
        return Digest.parse(text)
    except MydockerError:
        return None
