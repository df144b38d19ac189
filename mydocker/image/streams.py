"""Streams: what a tar archive is read from, chunk by chunk as it comes, or from a file that can be skipped through."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mydocker.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1024 * 1024


class ByteStream:
    """Chunks of bytes as one stream to take from."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._chunk = b""
        self._at = 0

    def take(self, size: int) -> bytes:
        """Return exactly `size` bytes; empty at a clean end, `ImageError` where the stream ends inside them."""
        at = self._at
        if at + size <= len(self._chunk):
            self._at = at + size
            return self._chunk[at : at + size]
        parts = [bytes(piece) for piece in self.pieces(size, allow_end=True)]
        data = b"".join(parts)
        if data and len(data) < size:
            raise cut_short()
        return data

    def pieces(self, size: int, *, allow_end: bool = False) -> Iterator[memoryview]:
        """Yield the next `size` bytes as they lie in memory."""
        while size:
            if self._at == len(self._chunk):
                self._chunk, self._at = next(self._chunks, b""), 0
                if not self._chunk:
                    if allow_end:
                        return
                    raise cut_short()
            step = min(size, len(self._chunk) - self._at)
            piece = memoryview(self._chunk)[self._at : self._at + step]
            self._at += step
            size -= step
            yield piece

    def skip(self, size: int) -> None:
        """Pass over the next `size` bytes."""
        if self._at + size <= len(self._chunk):
            self._at += size
            return
        for _ in self.pieces(size):
            pass

    def drain(self) -> None:
        """Take all the rest, so that whoever counts or hashes the stream sees every byte of it."""
        self._at = len(self._chunk)
        for _ in self._chunks:
            pass


class FileStream(ByteStream):
    """An open, seekable file as a stream; what is skipped is not read. `position` is where the next byte lies."""

    def __init__(self, fd: int) -> None:
        super().__init__(iter(()))
        self._fd = fd
        self._size = os.fstat(fd).st_size
        self.position = 0

    def take(self, size: int) -> bytes:
        """Return exactly `size` bytes; empty at a clean end, `ImageError` where the file ends inside them."""
        data = os.pread(self._fd, size, self.position)
        self.position += len(data)
        if data and len(data) < size:
            raise cut_short()
        return data

    def pieces(self, size: int, *, allow_end: bool = False) -> Iterator[memoryview]:
        """Yield the next `size` bytes, a chunk at a time."""
        while size:
            data = os.pread(self._fd, min(size, _CHUNK), self.position)
            if not data:
                if allow_end:
                    return
                raise cut_short()
            self.position += len(data)
            size -= len(data)
            yield memoryview(data)

    def skip(self, size: int) -> None:
        """Pass over the next `size` bytes without reading them."""
        self.position += size
        if self.position > self._size:
            raise cut_short()

    def drain(self) -> None:
        """Go to the end."""
        self.position = self._size


def cut_short() -> ImageError:
    """Say that an archive ends too early."""
    return ImageError("read a tar archive", "it ends in the middle of a member", "was it copied whole?")
