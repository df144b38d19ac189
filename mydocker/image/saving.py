"""Saving: images as one archive for other tools, or for this one on another machine.

Archives are as deterministic as layers: fixed order, no times, no owners. Blobs that may stay as they are go from file
to file inside the kernel.
"""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING

from mydocker.errors import StoreError, UsageError
from mydocker.events import Progress
from mydocker.image import documents, recompress
from mydocker.image.catalogue import REF_NAME
from mydocker.image.digest import Digest
from mydocker.image.entry import BLOCK_SIZE, END, FILE, Entry, encode, padding
from mydocker.image.manifest import OCI_CONFIG, OCI_MANIFEST, Descriptor, Index, Manifest
from mydocker.image.pipes import Feeder
from mydocker.image.target import writing
from mydocker.linux import files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mydocker.image.image import Image
    from mydocker.image.manifest import Layer
    from mydocker.image.reference import Reference
    from mydocker.image.store import ImageStore

FORMS = ("docker-archive", "oci-archive")
_CONTAINERD_NAME = "io.containerd.image.name"
_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'

Selection = list[tuple["Image", "Reference | None"]]


def save(store: ImageStore, target: str | int, images: Selection, form: str, compression: str) -> None:
    """Write the archive; see `ImageStore.save`."""
    if form not in FORMS:
        raise UsageError(f"--format {form}", f"expected {' or '.join(FORMS)}")
    if compression and compression not in recompress.KINDS:
        raise UsageError(f"--compression {compression}", f"expected {', '.join(recompress.KINDS)}")
    with store.holding(), writing(target) as fd:
        out = _TarFile(fd, store)
        if form == "docker-archive":
            _save_docker(store, out, images, compression or "none")
        else:
            _save_oci(store, out, images, compression)
        out.finish()


def _save_docker(store: ImageStore, out: _TarFile, images: Selection, compression: str) -> None:
    """Write manifest.json, and beside it configs and layers named by their ids (moby, "docker save" format 1.2)."""
    items: list[documents.Object] = [
        {
            "Config": f"{image.id.hex}.json",
            "RepoTags": [name.familiar for name in names],
            "Layers": [f"{layer.diff_id.hex}.tar" for layer in image.layers],
        }
        for image, names in _by_image(images)
    ]
    out.add("manifest.json", b"[" + b",".join(documents.encode(item) for item in items) + b"]")
    for image, _ in images:
        out.add(f"{image.id.hex}.json", store.read_config(image))
    for layer in _distinct(images):
        out.add_layer(store, layer, compression, _always(f"{layer.diff_id.hex}.tar"))


def _save_oci(store: ImageStore, out: _TarFile, images: Selection, compression: str) -> None:
    """Write an OCI image layout (image-spec, image-layout.md); docker's manifest.json is left out on purpose."""
    out.add("oci-layout", _LAYOUT)
    blobs: dict[Digest, Descriptor] = {}
    for layer in _distinct(images):
        blobs[layer.blob.digest] = out.add_layer(store, layer, compression, lambda d: f"blobs/sha256/{d.hex}")
    listed = []
    for image, names in _by_image(images):
        raw, media_type = store.read_manifest(image), image.manifest_type
        manifest = Manifest.parse(raw)
        layers = tuple(blobs[layer.digest] for layer in manifest.layers)
        if layers != manifest.layers:
            config = manifest.config._replace(media_type=OCI_CONFIG)
            raw, media_type = (
                manifest._replace(media_type=OCI_MANIFEST, config=config, layers=layers).encode(),
                OCI_MANIFEST,
            )
        out.add(f"blobs/sha256/{image.id.hex}", store.read_config(image))
        target = Descriptor(media_type, Digest.of(raw), len(raw))
        out.add(f"blobs/sha256/{target.digest.hex}", raw)
        notes = [{REF_NAME: name.familiar, _CONTAINERD_NAME: str(name)} for name in names]
        listed += [target._replace(annotations=note) for note in notes] or [target]
    out.add("index.json", Index(tuple(listed)).encode())


def _by_image(images: Selection) -> Iterable[tuple[Image, list[Reference]]]:
    """Return each image once, with all the names that it was asked for by."""
    found: dict[Digest, tuple[Image, list[Reference]]] = {}
    for image, name in images:
        names = found.setdefault(image.digest, (image, []))[1]
        if name and name not in names:
            names.append(name)
    return found.values()


def _always(name: str) -> Callable[[Digest], str]:
    return lambda digest: name


def _distinct(images: Selection) -> Iterable[Layer]:
    return {layer.diff_id: layer for image, _ in images for layer in image.layers}.values()


class _TarFile:
    """A tar archive being written, each name once."""

    def __init__(self, fd: int, store: ImageStore) -> None:
        self._fd = fd
        self._store = store
        self._seekable = stat.S_ISREG(os.fstat(fd).st_mode)
        self._names: set[str] = set()

    def add(self, name: str, data: bytes) -> None:
        """Write a small file."""
        if name not in self._names:
            self._names.add(name)
            self._write(_header(name, len(data)) + data + padding(len(data)))

    def add_layer(
        self, store: ImageStore, layer: Layer, compression: str, name_of: Callable[[Digest], str]
    ) -> Descriptor:
        """Write a layer, compressed as asked, under the name that `name_of` gives for its digest; return what it is."""
        fd = store.blobs.open(layer.blob.digest)
        try:
            if os.fstat(fd).st_size != layer.blob.size:
                raise StoreError(f"save the layer {layer.blob.digest}", "its blob is damaged", "run `mydocker fsck`")
            if not compression or recompress.kind_of(fd) == compression:
                self._copy(fd, name_of(layer.blob.digest), layer.blob.size)
                return layer.blob
            chunks = recompress.converted(fd, compression, store.limits)
            written = (self._stream if self._seekable else self._spool)(chunks, compression, name_of)
            if compression == "none" and written.digest.hex != layer.diff_id.hex:
                raise StoreError(f"save the layer {layer.blob.digest}", "its blob is damaged", "run `mydocker fsck`")
            return written
        finally:
            os.close(fd)

    def finish(self) -> None:
        """Write the end of the archive."""
        self._write(END)

    def _copy(self, source: int, name: str, size: int) -> None:
        if name in self._names:
            return
        self._names.add(name)
        self._write(_header(name, size))
        at = 0
        while at < size:
            sent = os.sendfile(self._fd, source, at, min(size - at, 2**30))
            if not sent:
                raise StoreError(f"save {name}", "its blob has become shorter", "run `mydocker fsck`")
            at += sent
            self._store.reporter(Progress(f"save {name[:32]}", at, size))
        self._write(padding(size))

    def _stream(self, chunks: Iterator[bytes], compression: str, name_of: Callable[[Digest], str]) -> Descriptor:
        """Write data of unknown size and digest; its header, which needs both, is put in front afterwards."""
        place = os.lseek(self._fd, 0, os.SEEK_CUR)
        self._write(bytes(BLOCK_SIZE))
        running = hashlib.sha256()
        size = 0
        with Feeder(running.update) as hashing:
            for chunk in chunks:
                hashing.put(chunk)
                self._write(chunk)
                size += len(chunk)
        digest = Digest.of_hash(running)
        header = _header(name_of(digest), size)
        if len(header) != BLOCK_SIZE:
            raise StoreError("save a layer", "a layer of more than 8 GiB cannot be written plain", _HINT)
        self._write(padding(size))
        os.pwrite(self._fd, header, place)
        self._names.add(name_of(digest))
        return Descriptor(recompress.MEDIA_TYPES[compression], digest, size)

    def _spool(self, chunks: Iterator[bytes], compression: str, name_of: Callable[[Digest], str]) -> Descriptor:
        """Write data of unknown size to a pipe: by way of a file, because the header comes first."""
        with self._store.layout.workspace("save") as place:
            fd = os.open(f"{place}/layer", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                running = hashlib.sha256()
                with open(fd, "wb", closefd=False) as file, Feeder(running.update) as hashing:
                    for chunk in chunks:
                        hashing.put(chunk)
                        file.write(chunk)
                digest, size = Digest.of_hash(running), os.fstat(fd).st_size
                self._copy(fd, name_of(digest), size)
            finally:
                os.close(fd)
        return Descriptor(recompress.MEDIA_TYPES[compression], digest, size)

    def _write(self, data: bytes) -> None:
        files.write_all(self._fd, data)


_HINT = "save with --format oci-archive or --compression zstd"


def _header(name: str, size: int) -> bytes:
    return encode(Entry(name.encode(), FILE, 0o644, size=size))
