"""Recompressing: a layer's blob in another compression, for releases that cannot read the one it has."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mydocker.image.compression import compressor, decompressed, read_chunks, sniff
from mydocker.image.manifest import OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD
from mydocker.image.pipes import ahead

if TYPE_CHECKING:
    import zlib
    from collections.abc import Iterator

    from mydocker.image.limits import Limits

MEDIA_TYPES = {"none": OCI_LAYER, "gzip": OCI_LAYER_GZIP, "zstd": OCI_LAYER_ZSTD}
KINDS = tuple(MEDIA_TYPES)

# zlib's default: gzip's own, and what registries are full of.
_GZIP_LEVEL = 6


def kind_of(fd: int) -> str:
    """Return how an open blob is compressed."""
    return sniff(os.pread(fd, 6, 0))


def converted(fd: int, kind: str, limits: Limits) -> Iterator[bytes]:
    """Yield an open blob's content compressed as `kind`; the same blob always gives the same bytes."""
    plain = ahead(decompressed(read_chunks(fd), limits))
    if kind == "none":
        return plain
    return _compressed(plain, kind)


def _compressed(plain: Iterator[bytes], kind: str) -> Iterator[bytes]:
    machine = compressor().compressobj() if kind == "zstd" else _gzip()
    for chunk in plain:
        if out := machine.compress(chunk):
            yield out
    yield machine.flush()


def _gzip() -> zlib._Compress:
    import zlib

    # 31: with a gzip header, whose time zlib leaves 0 (RFC 1952, 2.3.1, MTIME: "no time stamp is available").
    return zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 31)
