"""Archives on their way in: a root file system, an image that docker saved, an OCI layout."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mydocker.errors import NotFound
from mydocker.image.compression import read_chunks

if TYPE_CHECKING:
    from mydocker.image.config import ImageConfig
    from mydocker.image.image import Image
    from mydocker.image.reference import Reference
    from mydocker.image.store import ImageStore


def import_rootfs(
    store: ImageStore,
    source: str | int,
    config: ImageConfig,
    references: tuple[Reference, ...],
    base: str,
    built: int,
) -> Image:
    """Make an image of one archive; see `ImageStore.import_tar`."""
    fd = open_archive(source)
    try:
        size = os.fstat(fd).st_size
        with store.holding():
            layer = store.layers.receive_tar(read_chunks(fd), "import", size)
            whole = config._replace(diff_ids=(layer.diff_id,))
            return store.add(whole, (layer,), references, base=base, built=built)
    finally:
        if isinstance(source, str):
            os.close(fd)


def open_archive(source: str | int) -> int:
    """Return a descriptor for reading an archive that is a path or already open."""
    if isinstance(source, int):
        return source
    try:
        return os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as failed:
        raise NotFound(f"no file {source}") from failed
