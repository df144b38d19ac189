"""Collecting: removing blobs and snapshots that nothing needs any more.

The collector holds the `contents` lock alone, so no process is between storing a blob and naming it. What is needed:
everything the catalogue names, and what the store's `pins` say (the build cache, containers).
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from mydocker.errors import Busy, MydockerError, StoreError
from mydocker.events import Notice
from mydocker.image import catalogue
from mydocker.image.config import ImageConfig
from mydocker.image.digest import Digest, chain_ids
from mydocker.image.layout import store_error
from mydocker.image.locks import locked
from mydocker.image.manifest import INDEXES, Index, Manifest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mydocker.image.store import ImageStore


class Freed(NamedTuple):
    """What a collection removed, or would remove: names of blobs and snapshots, and their bytes on disk."""

    blobs: tuple[str, ...] = ()
    snapshots: tuple[str, ...] = ()
    size: int = 0


def collect(
    store: ImageStore,
    *,
    dry_run: bool = False,
    wait: float = 30.0,
    patient: bool = True,
    without: frozenset[Digest] = frozenset(),
    pins: Iterable[str] | None = None,
) -> Freed:
    """Remove every blob and snapshot that nothing needs; with `dry_run` only tell what they are.

    The manifests `without` are taken for gone already; `pins` stands for what the store's own would say.

    Waits (not for a dry run, which others may share) at most `wait` seconds for processes that are adding images, then
    raises `Busy`, or, when not `patient`, leaves the work for another time with a notice. Nothing is removed while an
    image is damaged (`StoreError`): what it needs cannot be known.
    """
    try:
        with locked(store.layout.lock("contents"), wait=None if dry_run else wait, shared=dry_run):
            return _collect(store, dry_run, reachable(store, without, store.pins() if pins is None else pins))
    except Busy:
        if patient:
            raise
        store.reporter(Notice("other processes are adding images: `mydocker prune` later frees what is left"))
        return Freed()
    except OSError as failed:
        raise store_error(f"free space in {store.layout.root}", failed) from failed


def prune(store: ImageStore, unwanted: frozenset[Digest], pins: Iterable[str] | None, *, dry_run: bool) -> Freed:
    """Remove the images with these manifests, then what nothing needs; see `ImageStore.prune`."""
    if dry_run:
        return collect(store, dry_run=True, without=unwanted, pins=pins)
    with catalogue.changing(store.layout) as records:
        records[:] = [record for record in records if record.manifest.digest not in unwanted]
    return collect(store, pins=pins)


def _collect(store: ImageStore, dry_run: bool, needed: set[str]) -> Freed:
    layout = store.layout
    blobs = [name for name in sorted(os.listdir(layout.blobs)) if name not in needed]
    snapshots = [name for name in sorted(os.listdir(layout.snapshots)) if name not in needed]
    size = sum(disk_usage(f"{layout.blobs}/{name}") for name in blobs)
    size += sum(disk_usage(f"{layout.snapshots}/{name}") for name in snapshots)
    if not dry_run:
        for name in snapshots:
            store.snapshots.discard(name)
        for name in blobs:
            os.unlink(f"{layout.blobs}/{name}")
    return Freed(tuple(blobs), tuple(snapshots), size)


def reachable(store: ImageStore, without: frozenset[Digest], pins: Iterable[str]) -> set[str]:
    """Return the hex digits of every digest, diff ID and chain ID that pins or images, but for some, need."""
    needed = {text.removeprefix("sha256:") for text in pins}
    for record in catalogue.read(store.layout):
        if record.manifest.digest in without:
            continue
        _follow(store, record.manifest.digest, record.manifest.media_type, needed)
    return needed


def _follow(store: ImageStore, digest: Digest, media_type: str, needed: set[str]) -> None:
    """Add what one manifest or index needs."""
    if digest.hex in needed:
        return
    needed.add(digest.hex)
    try:
        data = store.blobs.read(digest)
        if media_type in INDEXES:
            for each in Index.parse(data).manifests:
                _follow(store, each.digest, each.media_type, needed)
            return
        manifest = Manifest.parse(data)
        needed.update(blob.digest.hex for blob in (manifest.config, *manifest.layers))
        config = ImageConfig.parse(store.blobs.read(manifest.config.digest))
        needed.update(diff_id.hex for diff_id in config.diff_ids)
        needed.update(chain.hex for chain in chain_ids(config.diff_ids))
    except MydockerError as failed:
        why = f"{digest} is damaged, so what it needs cannot be known: {failed}"
        raise StoreError("free space", why, "run `mydocker fsck --repair`") from failed


def disk_usage(path: str) -> int:
    """Return the bytes that a file or a tree takes on the disk, each inode once; 0 for what is not there."""
    total = 0
    seen: set[int] = set()
    pending = [path]
    while pending:
        place = pending.pop()
        try:
            facts = os.stat(place, follow_symlinks=False)
            names = os.listdir(place) if stat.S_ISDIR(facts.st_mode) else []
        except FileNotFoundError:
            continue
        if facts.st_ino not in seen:
            seen.add(facts.st_ino)
            total += facts.st_blocks * 512
        pending += [f"{place}/{name}" for name in names]
    return total
