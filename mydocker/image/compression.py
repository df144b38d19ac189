"""Compression: streams of bytes in and out of gzip, zstd, bzip2 and xz, told apart by their first bytes.

Decompression never trusts its input: no step makes more than a chunk at a time, windows are bounded, a stream that
ends early or carries something after its end is refused, and `Limits` hold while it runs.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from mydocker.errors import ImageError, UnsafeArchive
from mydocker.image.frames import FrameWalker

if TYPE_CHECKING:
    from collections.abc import Iterator

    import zstandard

    from mydocker.image.limits import Limits

CHUNK = 1024 * 1024

# zstd's bytes are promised for one library version and one set of parameters only. All are fixed here: with one or more
# workers the output does not depend on their number, without any it would be another. Jobs of 2 MiB instead of 8 cost
# 1.3 % in size and save 40 MB of memory with two workers.
LEVEL = 3
_JOB_SIZE = 2 * 1024 * 1024
_MOST_WORKERS = 6

# What `zstd -d` accepts without --long, and a bound for xz that its highest preset (65 MiB) keeps.
_LARGEST_WINDOW = 2**27
_XZ_MEMORY = 128 * 2**20

_MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
)


def sniff(head: bytes) -> str:
    """Return `gzip`, `zstd`, `bzip2`, `xz`, or `none` by the first bytes of a stream."""
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    # A skippable frame (RFC 8878, 3.1.2) may come before the first one with data.
    return "zstd" if head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F else "none"


def zstd_versions() -> tuple[str, str]:
    """Return the versions of the zstd library and of the package that brings it: what a blob's bytes depend on."""
    import zstandard

    return ".".join(map(str, zstandard.ZSTD_VERSION)), zstandard.__version__


def compressor(workers: int = 0) -> zstandard.ZstdCompressor:
    """Return the one zstd compressor that layers are made with; `workers` (0: one per core) changes its speed alone."""
    import zstandard

    count = workers or min(_MOST_WORKERS, len(os.sched_getaffinity(0)))
    parameters = zstandard.ZstdCompressionParameters.from_level(
        LEVEL, threads=count, job_size=_JOB_SIZE, write_checksum=False, write_content_size=False
    )
    return zstandard.ZstdCompressor(compression_params=parameters)


def read_chunks(fd: int) -> Iterator[bytes]:
    """Yield what can be read from `fd`, in chunks; the caller closes it."""
    while chunk := os.read(fd, CHUNK):
        yield chunk


def decompressed(chunks: Iterator[bytes], limits: Limits) -> Iterator[bytes]:
    """Yield the uncompressed bytes of a stream; raise `ImageError` if damaged, `UnsafeArchive` if too much."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= 6:
            break
    source = _Counted(head, chunks)
    produced = 0
    for piece in _open(sniff(head), source):
        produced += len(piece)
        if produced > limits.size:
            raise UnsafeArchive("unpack a layer", f"it is larger than {limits.size} bytes", _HINT_SIZE)
        if produced > limits.ratio_from and produced > limits.ratio * source.count:
            why = f"it expands more than {limits.ratio} times"
            raise UnsafeArchive("unpack a layer", why, "raise MYDOCKER_MAX_LAYER_RATIO if you trust it")
        yield piece


_HINT_SIZE = "raise MYDOCKER_MAX_LAYER_SIZE if you trust it"


class _Counted:
    """Chunks, counted as they are taken."""

    def __init__(self, head: bytes, rest: Iterator[bytes]) -> None:
        self._head = head
        self._rest = rest
        self.count = 0

    def __iter__(self) -> Iterator[bytes]:
        if self._head:
            self.count += len(self._head)
            yield self._head
        for chunk in self._rest:
            self.count += len(chunk)
            yield chunk


def _open(name: str, source: _Counted) -> Iterator[bytes]:
    if name == "none":
        return iter(source)
    if name == "gzip":
        return _gunzip(source)
    if name == "zstd":
        return _unzstd(source)
    return _members(source, name)


def _gunzip(source: _Counted) -> Iterator[bytes]:
    """Inflate one or more gzip members (RFC 1952, 2.2). Zero bytes after the last are padding, all else is refused."""
    import zlib

    inflate = zlib.decompressobj(31)
    started = False
    for chunk in source:
        data = chunk
        while data:
            if not started:
                data = data.lstrip(b"\0") if inflate.eof else data
                inflate = zlib.decompressobj(31)
                if not data:
                    break
                started = True
            try:
                out = inflate.decompress(data, CHUNK)
            except zlib.error as failed:
                raise _damaged("gzip", str(failed)) from failed
            if out:
                yield out
            if inflate.eof:
                data, started = inflate.unused_data, False
            else:
                data = inflate.unconsumed_tail
    while started and not inflate.eof:
        # What is still inside although all input has been taken.
        if not (out := inflate.decompress(inflate.unconsumed_tail, CHUNK)):
            raise _damaged("gzip", "it ends early")
        yield out


class _Decompressor(Protocol):
    """What bz2 and lzma have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def _fresh(name: str) -> _Decompressor:
    if name == "bzip2":
        import bz2

        return bz2.BZ2Decompressor()
    import lzma

    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)


def _members(source: _Counted, name: str) -> Iterator[bytes]:
    """Decompress one or more bzip2 or xz streams; zero bytes between and after them are padding."""
    machine = _fresh(name)
    begun = False
    for chunk in source:
        data = chunk
        while data or (begun and not machine.needs_input and not machine.eof):
            if not begun:
                if not (data := data.lstrip(b"\0")):
                    break
                machine, begun = _fresh(name), True
            try:
                out = machine.decompress(data, CHUNK)
            except Exception as failed:  # OSError, ValueError, EOFError, lzma.LZMAError, MemoryError
                raise _damaged(name, str(failed)) from failed
            data = b""
            if out:
                yield out
            if machine.eof:
                data, begun = machine.unused_data, False
    if begun:
        raise _damaged(name, "it ends early")


class _Pull:
    """The source as a file to read from, with a look at how the frames are built on the way."""

    def __init__(self, source: _Counted, walker: FrameWalker) -> None:
        self._chunks = iter(source)
        self._walker = walker

    def read(self, size: int = -1) -> bytes:
        chunk = next(self._chunks, b"")
        self._walker.feed(chunk)
        return chunk


def _unzstd(source: _Counted) -> Iterator[bytes]:
    """Decompress zstd frames (RFC 8878). The library does not say when the last one is cut short; the walker does."""
    import zstandard

    walker = FrameWalker(_LARGEST_WINDOW)
    machine = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
    pull = _Pull(source, walker)
    # A file-like object with `read` is all that the library asks for.
    reader = machine.stream_reader(pull, read_size=CHUNK, read_across_frames=True)  # type: ignore[arg-type]
    try:
        while out := reader.read(CHUNK):
            yield out
    except zstandard.ZstdError as failed:
        raise _damaged("zstd", str(failed)) from failed
    if not walker.complete:
        raise _damaged("zstd", "it ends early")


def _damaged(name: str, why: str) -> ImageError:
    return ImageError(f"decompress a {name} stream", why or "it is damaged")
