"""Checking: is everything in the store what its name says (`fsck`), and what can be done where it is not."""

from __future__ import annotations

import hashlib
import os
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from mydocker.errors import MydockerError
from mydocker.events import Progress
from mydocker.image import catalogue
from mydocker.image import entry as tar
from mydocker.image.compression import decompressed, read_chunks
from mydocker.image.config import ImageConfig
from mydocker.image.manifest import INDEXES, Manifest
from mydocker.image.pipes import ahead
from mydocker.image.tar_reader import TarReader
from mydocker.linux import files

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mydocker.image.digest import Digest
    from mydocker.image.image import Image
    from mydocker.image.manifest import Layer
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
    again. A damaged snapshot is removed too, and is unpacked again from its blob when it is needed. Other processes may
    go on meanwhile; only the collector waits.
    """
    with store.holding():
        checker = _Checker(store, repair)
        blobs = checker.blobs()
        images = checker.images()
        snapshots = checker.snapshots()
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
        if broken and self._repair:
            with catalogue.changing(self._store.layout) as listed:
                listed[:] = [record for record in listed if record.manifest.digest not in broken]
        return len({record.manifest.digest for record in records if record.manifest.media_type not in INDEXES})

    def snapshots(self) -> int:
        """Compare every snapshot of an image's layer with the blob that it was made of."""
        layout = self._store.layout
        there = sorted(os.listdir(layout.snapshots))
        for name in there:
            if not _is_hex(name):
                self._found(f"snapshot {name}", "its name is no digest", "removed")
                if self._repair:
                    self._store.snapshots.discard(name)
        checked: set[str] = set()
        for image in self._store.images():
            for layer, path in zip(image.layers, self._store.snapshots.find(image.diff_ids), strict=True):
                if path is None or path in checked:
                    continue
                checked.add(path)
                self._store.reporter(Progress("check snapshots", len(checked), len(there)))
                self._snapshot(image, layer, path)
        return len(there)

    def _snapshot(self, image: Image, layer: Layer, path: str) -> None:
        try:
            why = _snapshot_fault(self._store, layer, path)
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


def _snapshot_fault(store: ImageStore, layer: Layer, path: str) -> str:
    """Return the first file in which a snapshot differs from its blob; only what an archive's last word is counts."""
    root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    blob = store.blobs.open(layer.blob.digest)
    wanted: dict[bytes, str] = {}
    try:
        with closing(ahead(decompressed(read_chunks(blob), store.limits))) as plain:
            reader = TarReader(plain, store.limits)
            for each in reader:
                wanted.pop(each.name, None)
                if each.kind == tar.FILE and b".wh." not in each.name and reader.extents == ((0, each.size),):
                    wanted[each.name] = _digest_of(reader.pieces())
        for name, digest in wanted.items():
            if _file_digest(root, name) != digest:
                return f"{os.fsdecode(name)} differs from its blob"
    finally:
        os.close(blob)
        os.close(root)
    return ""


def _file_digest(root: int, name: bytes) -> str:
    try:
        fd = files.openat2(root, name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    try:
        return _digest_of(read_chunks(fd))
    finally:
        os.close(fd)


def _digest_of(chunks: Iterable[bytes | memoryview]) -> str:
    running = hashlib.sha256()
    for chunk in chunks:
        running.update(chunk)
    return running.hexdigest()
