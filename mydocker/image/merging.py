"""Merging: a stack of snapshots that is too high for overlayfs becomes a lower one with the same content.

overlayfs takes 500 layers, and before Linux 6.8 as many as fit into 255 characters. Images keep their layers; only the
snapshots at the bottom of a high stack are copied together, a block at a time, each block onto the one before, so that
a build of many steps merges every layer a bounded number of times. A merged snapshot is named by those it was made of.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mydocker.image.copy import copy_tree
from mydocker.image.digest import ChainID
from mydocker.image.locks import locked
from mydocker.image.walk import OPEN_DIRECTORY
from mydocker.linux import mounts

if TYPE_CHECKING:
    from mydocker.image.layout import Layout
    from mydocker.image.snapshots import Snapshots


def folded(layout: Layout, snapshots: Snapshots, directories: tuple[str, ...], most: int) -> tuple[str, ...]:
    """Return at most `most` directories that show the same as `directories` (topmost first), merging where needed."""
    if len(directories) <= most:
        return directories
    block = most // 2
    count = (len(directories) - block) // block * block
    bottom_first = directories[::-1]
    base: tuple[str, ...] = ()
    for begin in range(0, count, block):
        base = (_merge(layout, snapshots, (*base, *bottom_first[begin : begin + block])),)
    return (*directories[: len(directories) - count], *base)


def _merge(layout: Layout, snapshots: Snapshots, bottom_first: tuple[str, ...]) -> str:
    names = "\n".join(os.path.basename(path) for path in bottom_first)
    key = ChainID.of(f"merged\n{names}".encode())
    target = layout.snapshot(key)
    with locked(layout.lock(f"unpack-{key.hex[0]}")):
        if os.path.exists(target):
            return target
        with layout.workspace("merge") as place:
            os.mkdir(f"{place}/fs", 0o755)
            _copy_merged(bottom_first, f"{place}/fs")
            return snapshots.adopt(f"{place}/fs", key)


def _copy_merged(bottom_first: tuple[str, ...], directory: str) -> None:
    opened = [os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for path in reversed(bottom_first)]
    try:
        opened.append(mounts.overlay(opened, None, None))
        opened.append(os.open(".", OPEN_DIRECTORY, dir_fd=opened[-1]))
        opened.append(os.open(directory, OPEN_DIRECTORY))
        copy_tree(opened[-2], opened[-1])
    finally:
        for descriptor in reversed(opened):
            os.close(descriptor)
