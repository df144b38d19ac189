"""Snapshots: layers unpacked, each a directory that overlayfs takes as a lower one, and that never changes.

A snapshot is named by its layer's diff ID, so images that share a layer share it, whatever is below. The exception is
a layer that leans on what is below it (a hard link to a file of a lower layer, a directory it uses but does not
describe): its snapshot is named by the chain ID, because another stack would give another one.

Files of a snapshot are not synced one by one, which would cost more than making them. Instead an empty file in
`unsynced/`, named by the kernel's boot id, is there before the snapshot is; after a power cut it tells that the
snapshot may be hollow, and `settle` removes it, to be unpacked again from its blob. When the bytes have had time to
reach the disk, `settle` syncs and removes the mark.
"""

from __future__ import annotations

import errno
import os
import time

from mydocker.image.digest import ChainID, DiffID, chain_ids
from mydocker.image.layout import sync_directory
from mydocker.image.locks import locked
from mydocker.image.xattrs import OPAQUE
from mydocker.linux import files
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.image.layout import Layout

_BOOT_ID = "/proc/sys/kernel/random/boot_id"
# The kernel writes dirty pages out after 30 seconds; after a minute a sync has little left to do.
_SETTLED_AFTER = 60.0


class Snapshots:
    """The snapshots of one store."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def find(self, diff_ids: tuple[DiffID, ...]) -> tuple[str | None, ...]:
        """Return for each layer of a stack, bottom first, where its snapshot is, or None."""
        plain = [self._existing(diff_id) for diff_id in diff_ids]
        if None not in plain:
            return tuple(plain)
        chain = chain_ids(diff_ids)
        return tuple(path or self._existing(chain[at]) for at, path in enumerate(plain))

    def adopt(self, directory: str, key: DiffID | ChainID) -> str:
        """Make a finished directory of this store the snapshot `key` and return its path.

        Atomic. Where another process was faster, its snapshot stays and `directory` is left to the caller's workspace.
        """
        target = self._layout.snapshot(key)
        if os.path.exists(target):
            return target
        self._mark(key)
        try:
            os.rename(directory, target)
        except OSError as failed:
            if failed.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        return target

    def discard(self, name: str) -> None:
        """Remove the snapshot directory `name`: out of sight first, then piece by piece."""
        with self._layout.workspace("discard") as place:
            try:
                os.rename(f"{self._layout.snapshots}/{name}", f"{place}/{name}")
            except FileNotFoundError:
                return

    def _existing(self, key: DiffID | ChainID) -> str | None:
        path = self._layout.snapshot(key)
        return path if os.path.exists(path) else None

    def _mark(self, key: DiffID | ChainID) -> None:
        fd = os.open(f"{self._layout.unsynced}/{key.hex}.{boot_id()}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.close(fd)
        sync_directory(self._layout.unsynced)


def is_opaque_root(directory: str) -> bool:
    """Tell whether a snapshot hides everything below it: overlayfs does not look at that mark on a layer's root."""
    try:
        return os.getxattr(directory, OPAQUE[0]) == b"y"
    except OSError as failed:
        if failed.errno in (errno.ENODATA, errno.EOPNOTSUPP):
            return False
        raise


def boot_id() -> str:
    """Return what distinguishes this boot of the kernel from all others."""
    with open(_BOOT_ID, encoding="ascii") as file:
        return file.read().strip()


def settle(layout: Layout) -> None:
    """Go through the marks: snapshots of an earlier boot are removed; marks older than a minute are synced away."""
    boot = boot_id()
    old: list[str] = []
    for name in os.listdir(layout.unsynced):
        key, _, marked = name.partition(".")
        path = f"{layout.unsynced}/{name}"
        if marked != boot:
            with locked(layout.lock("settle")):
                if os.path.exists(path):
                    Snapshots(layout).discard(key)
                    os.unlink(path)
            continue
        try:
            if time.time() - os.stat(path).st_mtime > _SETTLED_AFTER:
                old.append(path)
        except FileNotFoundError:
            continue
    if old:
        _sync_away(layout, old)


def _sync_away(layout: Layout, marks: list[str]) -> None:
    fd = os.open(layout.snapshots, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        files.syncfs(fd)
    finally:
        os.close(fd)
    for path in marks:
        try:
            os.unlink(path)
        except FileNotFoundError:
            continue
