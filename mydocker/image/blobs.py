"""Blobs: files named by the digest of their bytes, checked on the way in and on every small read."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager

from mydocker.errors import DigestMismatch, ImageError, NotFound
from mydocker.image.digest import Digest
from mydocker.image.documents import LARGEST
from mydocker.image.layout import store_error
from mydocker.linux import files
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mydocker.image.layout import Layout
    from mydocker.image.manifest import Descriptor


class BlobWriter:
    """A blob on its way in: hashed while written, visible only after `commit`."""

    def __init__(self, fd: int, unfinished: str, layout: Layout) -> None:
        import hashlib

        self._fd = fd
        self._unfinished = unfinished
        self._layout = layout
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes | memoryview) -> None:
        """Append `data`."""
        self._hash.update(data)
        self.size += len(data)
        files.write_all(self._fd, data)

    def commit(self, expected: Digest | None = None) -> Digest:
        """Sync the bytes, give them their name and return it; raise `DigestMismatch` when it is not `expected`.

        Idempotent: where the blob is there already, with its right size, that one stays.
        """
        digest = Digest.of_hash(self._hash)
        if expected is not None and digest != expected:
            raise DigestMismatch(f"store the blob {expected}", f"its {self.size} bytes have the digest {digest}")
        target = self._layout.blob(digest)
        if _size_of(target) != self.size:
            os.fchmod(self._fd, 0o644)
            os.fsync(self._fd)
            os.rename(self._unfinished, target)
        return digest


class Blobs:
    """The blobs of one store."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def path(self, digest: Digest) -> str:
        """Where the blob is, or would be."""
        return self._layout.blob(digest)

    def has(self, descriptor: Descriptor) -> bool:
        """Tell whether the blob is there with the size that the descriptor says."""
        return _size_of(self.path(descriptor.digest)) == descriptor.size

    def open(self, digest: Digest) -> int:
        """Return a descriptor for reading the blob or raise `NotFound`; the caller closes it."""
        try:
            return os.open(self.path(digest), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError as failed:
            raise NotFound(f"no blob {digest} in {self._layout.root}", hint="run `mydocker fsck`") from failed

    def read(self, digest: Digest, largest: int = LARGEST) -> bytes:
        """Return the whole of a small blob, verified against its name."""
        fd = self.open(digest)
        with open(fd, "rb") as file:
            data = file.read(largest + 1)
        if len(data) > largest:
            raise ImageError(f"read the blob {digest}", f"it has more than {largest} bytes")
        if Digest.of(data) != digest:
            raise DigestMismatch(
                f"read the blob {digest}", "its bytes have changed since it was stored", "run `mydocker fsck --repair`"
            )
        return data

    @contextmanager
    def writer(self) -> Iterator[BlobWriter]:
        """Give a writer for a new blob; what was not committed by the end of the block is gone."""
        with self._layout.workspace("blob") as place:
            unfinished = place + "/blob"
            fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                yield BlobWriter(fd, unfinished, self._layout)
            except OSError as failed:
                if failed.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
                    raise store_error(f"write a blob in {self._layout.root}", failed) from failed
                raise
            finally:
                os.close(fd)

    def put(self, chunks: Iterable[bytes], expected: Descriptor | None = None) -> Digest:
        """Store a stream of bytes and return its digest.

        With `expected`, reading stops as soon as there is a byte too many, and nothing is kept unless size and digest
        are right (`DigestMismatch`).
        """
        with self.writer() as writer:
            for chunk in chunks:
                writer.write(chunk)
                if expected is not None and writer.size > expected.size:
                    raise DigestMismatch(f"store the blob {expected.digest}", f"it has more than {expected.size} bytes")
            if expected is not None and writer.size != expected.size:
                why = f"it has {writer.size} bytes where {expected.size} were announced"
                raise DigestMismatch(f"store the blob {expected.digest}", why)
            return writer.commit(expected.digest if expected is not None else None)

    def put_bytes(self, data: bytes) -> Digest:
        """Store a small blob and return its digest."""
        digest = Digest.of(data)
        if _size_of(self.path(digest)) == len(data):
            return digest
        return self.put((data,))


def _size_of(path: str) -> int:
    try:
        return os.stat(path, follow_symlinks=False).st_size
    except FileNotFoundError:
        return -1
