"""Out of the store: a container's root file system as a tar."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mydocker.errors import MydockerError
from mydocker.image.pack import PackRules, pack

if TYPE_CHECKING:
    from collections.abc import Callable

    from mydocker.runtime.containers import Containers

# What the runtime mounts over the container's own root: another file system's content is no part of it.
_MOUNTED = frozenset({b"proc", b"sys", b"dev"})


def save_container(containers: Containers, reference: str, output: str | None) -> None:
    """Write a container's root file system, running or stopped, as a plain tar. A file appears when it is whole."""
    with containers.rootfs_fd(reference) as root:
        _whole_file(output, lambda fd: pack(root, _writer(fd), PackRules(whiteouts=False, skip=_MOUNTED)))


def _writer(fd: int) -> Callable[[bytes], None]:
    def write(data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]

    return write


def _whole_file(output: str | None, produce: Callable[[int], object]) -> None:
    """Let `produce` write to a file that takes its name only when it is complete, or to standard output."""
    if output is None:
        produce(1)
        return
    unfinished = f"{output}.{os.getpid()}.unfinished"
    try:
        fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise MydockerError(f"cannot write {output}", error.strerror or str(error)) from error
    try:
        try:
            produce(fd)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(unfinished, output)
    except BaseException:
        os.unlink(unfinished)
        raise
