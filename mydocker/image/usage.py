"""Usage: what the store takes on the disk, and how much of it a prune would free (`df`)."""

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


def usage(store: ImageStore) -> tuple[Usage, ...]:
    """Return what blobs, snapshots, containers and the build cache take, each inode counted once."""
    layout = store.layout
    unneeded = collect(store, dry_run=True)
    blobs = [f"{layout.blobs}/{name}" for name in os.listdir(layout.blobs)]
    snapshots = [f"{layout.snapshots}/{name}" for name in os.listdir(layout.snapshots)]
    free_blobs = _size(f"{layout.blobs}/{name}" for name in unneeded.blobs)
    return (
        Usage("blobs", len(blobs), _size(blobs), free_blobs),
        Usage("snapshots", len(snapshots), _size(snapshots), unneeded.size - free_blobs),
        Usage("containers", _count(layout.containers), disk_usage(layout.containers), 0),
        Usage("build cache", int(os.path.exists(layout.cache)), _size([layout.cache]), 0),
    )


def _count(directory: str) -> int:
    with os.scandir(directory) as entries:
        return sum(1 for entry in entries if len(entry.name) == 64 and entry.is_dir(follow_symlinks=False))


def _size(paths: Iterable[str]) -> int:
    total = 0
    for path in paths:
        try:
            facts = os.stat(path, follow_symlinks=False)
        except FileNotFoundError:
            continue
        total += disk_usage(path) if os.path.isdir(path) else facts.st_blocks * 512
    return total
