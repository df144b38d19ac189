"""A shared build cache in a directory: an OCI image layout with one tag of ours (image-spec, image-layout.md)."""

from __future__ import annotations

import contextlib
import fcntl
import os

from mydocker.errors import DigestMismatch, ImageError, MydockerError, NotFound, StoreError
from mydocker.image import documents
from mydocker.image.digest import Digest
from mydocker.image.manifest import OCI_MANIFEST, Descriptor, Index, Manifest
from mydocker.image.target import writing
from mydocker.linux import files
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mydocker.image.store import ImageStore

_NAME = "org.opencontainers.image.ref.name"
_TAG = "mydocker-build-cache"
_LOCK = "mydocker-build-cache.lock"
_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}\n'
_CHUNK = 1 << 20
_LARGEST_INDEX = 64 * 1024 * 1024


class Directory:
    """The shared cache in the directory `path`, which is made when something is sent there."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __str__(self) -> str:
        return self._path

    def manifest(self) -> bytes:
        """Return the manifest, verified; raise `NotFound`, `ImageError`, `StoreError` where there is no right one."""
        for each in self._index():
            if each.annotations.get(_NAME) == _TAG and each.media_type == OCI_MANIFEST:
                return self._document(each)
        raise NotFound(f"there is no build cache in {self._path}")

    def fetch(self, store: ImageStore, blob: Descriptor) -> None:
        """Bring a blob into the store; raise `DigestMismatch` when its bytes are others than announced."""
        if not store.blobs.has(blob):
            store.blobs.put(self._chunks(blob), blob)

    def send(self, store: ImageStore, manifest: Manifest) -> None:
        """Put the manifest here, with its config and its layers, which are in the store; the index comes last.

        What only the cache that was here before needed is removed. Other tags of the layout stay as they are. Whoever
        else sends to the same directory waits: what one counts on would be taken away by the other.
        """
        os.makedirs(f"{self._path}/blobs/sha256", exist_ok=True)
        lock = os.open(f"{self._path}/{_LOCK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._send(store, manifest)
        finally:
            os.close(lock)

    def _send(self, store: ImageStore, manifest: Manifest) -> None:
        blobs = f"{self._path}/blobs/sha256"
        before = self._index()
        old = [each for each in before if each.annotations.get(_NAME) == _TAG]
        raw = manifest.encode()
        named = Descriptor(OCI_MANIFEST, Digest.of(raw), len(raw), {_NAME: _TAG})
        for blob in (manifest.config, *manifest.layers):
            self._copy(store, blob)
        self._write(f"{blobs}/{named.digest.hex}", raw)
        self._write(f"{self._path}/oci-layout", _LAYOUT)
        others = [each for each in before if each not in old]
        unneeded = set() if others else self._blobs_of(old)
        self._write(f"{self._path}/index.json", Index((*others, named)).encode())
        for digest in unneeded - {named.digest, manifest.config.digest, *(blob.digest for blob in manifest.layers)}:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{blobs}/{digest.hex}")

    def _index(self) -> tuple[Descriptor, ...]:
        try:
            with open(f"{self._path}/index.json", "rb") as file:
                return Index.parse(file.read(_LARGEST_INDEX + 1), largest=_LARGEST_INDEX).manifests
        except FileNotFoundError:
            return ()
        except OSError as failed:
            raise _unreadable(f"{self._path}/index.json", failed) from failed

    def _blobs_of(self, manifests: Iterable[Descriptor]) -> set[Digest]:
        found: set[Digest] = set()
        for each in manifests:
            with contextlib.suppress(MydockerError):  # what cannot be read names nothing
                manifest = Manifest.parse(self._document(each))
                found |= {each.digest, manifest.config.digest, *(blob.digest for blob in manifest.layers)}
        return found

    def _document(self, blob: Descriptor) -> bytes:
        if blob.size > documents.LARGEST:
            raise ImageError(f"read {blob.digest} in {self._path}", f"it has {blob.size} bytes, as the index says")
        data = b"".join(self._chunks(blob))
        if Digest.of(data) != blob.digest:
            raise DigestMismatch(f"read {blob.digest} in {self._path}", f"its content is {Digest.of(data)}")
        return data

    def _chunks(self, blob: Descriptor) -> Iterator[bytes]:
        """Yield a blob's bytes, at most one more than it should have."""
        path = f"{self._path}/blobs/sha256/{blob.digest.hex}"
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as failed:
            raise NotFound(f"no blob {blob.digest} in {self._path}", os.strerror(failed.errno or 0).lower()) from failed
        left = blob.size + 1
        try:
            while left and (chunk := os.read(fd, min(left, _CHUNK))):
                left -= len(chunk)
                yield chunk
        except OSError as failed:  # it is a directory, for one
            raise _unreadable(path, failed) from failed
        finally:
            os.close(fd)

    def _copy(self, store: ImageStore, blob: Descriptor) -> None:
        target = f"{self._path}/blobs/sha256/{blob.digest.hex}"
        with contextlib.suppress(FileNotFoundError):
            if os.stat(target, follow_symlinks=False).st_size == blob.size:
                return
        fd = store.blobs.open(blob.digest)
        with open(fd, "rb") as source, writing(target) as into:
            while chunk := source.read(_CHUNK):
                files.write_all(into, chunk)

    def _write(self, path: str, data: bytes) -> None:
        with writing(path) as into:
            files.write_all(into, data)


def _unreadable(path: str, failed: OSError) -> StoreError:
    return StoreError(f"cannot read {path}", os.strerror(failed.errno or 0).lower())
