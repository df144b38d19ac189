"""Checking: is everything in the store what its name says (`fsck`), and what can be done where it is not."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, NamedTuple

from mydocker.errors import MydockerError
from mydocker.events import Progress
from mydocker.image import catalogue, documents
from mydocker.image.catalogue import Record
from mydocker.image.compression import read_chunks
from mydocker.image.config import ImageConfig
from mydocker.image.digest import Digest
from mydocker.image.layers import Expected
from mydocker.image.manifest import INDEXES, Descriptor, Index, Manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mydocker.image.image import Image
    from mydocker.image.store import ImageStore

_HEX = "0123456789abcdef"


class Problem(NamedTuple):
    """Something that is not as it should be: where, what is wrong, and what was done about it (empty: nothing yet)."""

    where: str
    why: str
    repair: str


class Report(NamedTuple):
    """What a check looked at, and what it found."""

    blobs: int
    images: int
    snapshots: int
    problems: tuple[Problem, ...]


def check(store: ImageStore, *, repair: bool = False) -> Report:
    """Read the whole store and compare it with its names; with `repair`, remove what cannot be trusted.

    A damaged blob is removed, and so is the listing of an image that needs it: it has to be pulled, loaded or built
    again. A damaged snapshot is removed too, and is unpacked again from its blob when it is needed. A list of images
    that cannot be read is begun anew with those that are whole; their names are lost. Other processes may go on
    meanwhile; only the collector waits.
    """
    with store.holding():
        checker = _Checker(store, repair)
        blobs = checker.blobs()
        images = checker.images() if checker.index() else 0
        snapshots = checker.snapshots(compare=images > 0)
        return Report(blobs, images, snapshots, tuple(checker.problems))


class _Checker:
    def __init__(self, store: ImageStore, repair: bool) -> None:
        self._store = store
        self._repair = repair
        self.problems: list[Problem] = []

    def blobs(self) -> int:
        """Hash every blob."""
        directory = self._store.layout.blobs
        names = sorted(os.listdir(directory))
        for at, name in enumerate(names):
            why = "its name is no digest" if not _is_hex(name) else _blob_fault(f"{directory}/{name}", name)
            if why:
                self._found(f"blob {name[:64]}", why, "removed")
                if self._repair:
                    os.unlink(f"{directory}/{name}")
            self._store.reporter(Progress("check blobs", at + 1, len(names)))
        return len(names)

    def index(self) -> bool:
        """Read the list of images; tell whether it can be used (again)."""
        layout = self._store.layout
        try:
            catalogue.read(layout)
        except MydockerError as failed:
            self._found("index.json", str(failed), "begun anew: all whole images, without their names")
            if not self._repair:
                return False
            layout.write_atomically(layout.index_file, Index(()).encode() + b"\n")
            with catalogue.changing(layout) as records:
                records += self._whole_images()
        return True

    def images(self) -> int:
        """Follow every image of the catalogue down to its layers."""
        broken: set[Digest] = set()
        records = catalogue.read(self._store.layout)
        for record in records:
            digest = record.manifest.digest
            if digest in broken or not record.is_image:
                continue
            if why := self._image_fault(digest):
                broken.add(digest)
                self._found(f"image {record.reference.familiar if record.reference else digest.short}", why, "unlisted")
        self._unlist(broken)
        return len({record.manifest.digest for record in records if record.manifest.media_type not in INDEXES})

    def snapshots(self, *, compare: bool) -> int:
        """Compare the content of every layer of an image with its diff ID, and its snapshot with that content."""
        there = sorted(os.listdir(self._store.layout.snapshots))
        for name in there:
            if not _is_hex(name):
                self._found(f"snapshot {name}", "its name is no digest", "removed")
                if self._repair:
                    self._store.snapshots.discard(name)
        checked: set[str] = set()
        for image in self._store.images() if compare else ():
            paths = self._store.snapshots.find(image.diff_ids)
            for at, path in enumerate(paths):
                key = path or image.diff_ids[at]
                if key in checked:
                    continue
                checked.add(key)
                self._store.reporter(Progress("check layers", len(checked), len(there)))
                if path is None:
                    self._content(image, at)
                else:
                    below = tuple(dict.fromkeys(each for each in paths[:at][::-1] if each))
                    self._snapshot(image, at, path, below)
        return len(there)

    def _content(self, image: Image, at: int) -> None:
        try:
            self._store.layers.check_blob(image.layers[at])
        except MydockerError as failed:
            self._found(f"image {image.title}", str(failed), "unlisted")
            self._unlist({image.digest})

    def _snapshot(self, image: Image, at: int, path: str, below: tuple[str, ...]) -> None:
        try:
            where = self._store.layers.damage(image.layers[at], Expected(below, image.diff_ids[: at + 1]), path)
            why = f"/{os.fsdecode(where)} differs from its blob" if where is not None else ""
        except MydockerError as failed:
            why = f"it cannot be compared with its blob: {failed}"
        if why:
            self._found(f"snapshot {os.path.basename(path)} of {image.title}", why, "removed")
            if self._repair:
                self._store.snapshots.discard(os.path.basename(path))

    def _image_fault(self, digest: Digest) -> str:
        try:
            manifest = Manifest.parse(self._store.blobs.read(digest))
            config = ImageConfig.parse(self._store.blobs.read(manifest.config.digest))
        except MydockerError as failed:
            return str(failed)
        if len(config.diff_ids) != len(manifest.layers):
            return "config and manifest list different numbers of layers"
        missing = [layer.digest for layer in manifest.layers if not self._store.blobs.has(layer)]
        return f"the layer {missing[0]} is missing or has another size" if missing else ""

    def _whole_images(self) -> Iterator[Record]:
        """Yield a record, without a name, for every manifest among the blobs whose image is whole."""
        for name in sorted(os.listdir(self._store.layout.blobs)):
            facts = os.stat(f"{self._store.layout.blobs}/{name}")
            if not _is_hex(name) or facts.st_size > documents.LARGEST:
                continue
            digest = Digest(f"sha256:{name}")
            data = self._store.blobs.read(digest)
            try:
                manifest = Manifest.parse(data)
            except MydockerError:
                continue  # a config, an index, or a small layer
            if not self._image_fault(digest):
                blob = Descriptor(manifest.media_type, digest, facts.st_size)
                yield Record(blob, manifest.config.digest, None, int(facts.st_mtime), "")

    def _unlist(self, broken: set[Digest]) -> None:
        if broken and self._repair:
            with catalogue.changing(self._store.layout) as listed:
                listed[:] = [record for record in listed if record.manifest.digest not in broken]

    def _found(self, where: str, why: str, repair: str) -> None:
        self.problems.append(Problem(where, why, repair if self._repair else ""))


def _is_hex(name: str) -> bool:
    return len(name) == 64 and not name.strip(_HEX)


def _blob_fault(path: str, name: str) -> str:
    running = hashlib.sha256()
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return ""
    try:
        for chunk in read_chunks(fd):
            running.update(chunk)
    finally:
        os.close(fd)
    found = running.hexdigest()
    return "" if found == name else f"its bytes have the digest sha256:{found}"
