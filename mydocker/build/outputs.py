"""What a build leaves besides the image in the store: its files in a directory or a tar, an archive for other tools."""

from __future__ import annotations

import os
from contextlib import contextmanager

from mydocker.build.placing import Manner, Placer
from mydocker.build.selection import EVERYTHING, pick
from mydocker.build.tree import Tree
from mydocker.image.target import STDOUT, write_root
from mydocker.runtime.rootfs import overlay_fd
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mydocker.build.cache import Cache
    from mydocker.build.request import Output
    from mydocker.image.image import Image
    from mydocker.image.store import ImageStore

_ARCHIVES = {"oci": "oci-archive", "docker": "docker-archive"}


def write(output: Output, image: Image, store: ImageStore, cache: Cache, names: tuple[str, ...]) -> None:
    """Write an image in the way asked for; the image itself is in the store already."""
    if output.type == "local":
        with _root(image, store) as root:
            _copy_out(root, output.destination, cache)
    elif output.type == "tar":
        with _root(image, store) as root:
            write_root(root, STDOUT if output.destination == "-" else output.destination)
    elif output.type in _ARCHIVES:
        target = STDOUT if output.destination == "-" else output.destination
        store.save(target, names or [str(image.id)], form=_ARCHIVES[output.type], compression=output.compression)


@contextmanager
def _root(image: Image, store: ImageStore) -> Iterator[int]:
    """Give the merged root directory of an image as a descriptor."""
    directories = store.snapshot_dirs(image)
    if directories:
        with overlay_fd(directories) as root:
            yield root
        return
    with store.layout.workspace("nothing") as empty:
        fd = os.open(empty, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield fd
        finally:
            os.close(fd)


def _copy_out(root: int, destination: str, cache: Cache) -> None:
    """Copy everything into a directory, which is made if missing; what is there already stays unless it is replaced."""
    os.makedirs(destination, exist_ok=True)
    into = os.open(destination, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with Tree(os.dup(root), "the image", cache, identity="image") as tree:
            for picked in pick(tree, "/", EVERYTHING):
                Placer(into, Manner()).place(tree, picked, "/")
    finally:
        os.close(into)
