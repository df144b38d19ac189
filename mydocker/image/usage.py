"""Usage: what images take on the disk, and how much of it a prune would free."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from mydocker.image.collect import collect, disk_usage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mydocker.image.store import ImageStore


class Usage(NamedTuple):
    """One kind of thing in the store: how many there are, and their bytes on the disk; `free` of them need nobody."""

    kind: str
    number: int
    size: int
    free: int


def usage(store: ImageStore, pins: Iterable[str] | None = None) -> tuple[Usage, Usage]:
    """Return what blobs and snapshots take, each inode counted once; `pins` are as in `ImageStore.prune`."""
    layout = store.layout
    unneeded = collect(store, dry_run=True, pins=pins)
    blobs = [f"{layout.blobs}/{name}" for name in os.listdir(layout.blobs)]
    snapshots = [f"{layout.snapshots}/{name}" for name in os.listdir(layout.snapshots)]
    free_blobs = _size(f"{layout.blobs}/{name}" for name in unneeded.blobs)
    return (
        Usage("blobs", len(blobs), _size(blobs), free_blobs),
        Usage("snapshots", len(snapshots), _size(snapshots), unneeded.size - free_blobs),
    )


def _size(paths: Iterable[str]) -> int:
    return sum(disk_usage(path) for path in paths)
