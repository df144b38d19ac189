"""Out of the store: a container's root file system as a tar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mydocker.image.target import STDOUT, write_root

if TYPE_CHECKING:
    from mydocker.runtime.containers import Containers

# What the runtime mounts over the container's own root: another file system's content is no part of it.
_MOUNTED = frozenset({b"proc", b"sys", b"dev"})


def save_container(containers: Containers, reference: str, output: str | None) -> None:
    """Write a container's root file system, running or stopped, as a plain tar. A file appears when it is whole."""
    with containers.rootfs_fd(reference) as root:
        write_root(root, STDOUT if output is None else output, _MOUNTED)
