"""Locks between processes: flock(2) on files of the store. The kernel drops them when their owner dies."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from contextlib import contextmanager

from mydocker.errors import Busy
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PAUSE = 0.02


@contextmanager
def locked(path: str, *, shared: bool = False, wait: float | None = None) -> Iterator[None]:
    """Hold the lock on `path` (made if missing) inside the block, alone or shared.

    Waits for others at most `wait` seconds (None: as long as it takes), then raises `Busy`. The file stays: removing
    it would let two processes lock two files of one name.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        _take(fd, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, wait, path)
        yield
    finally:
        os.close(fd)


def try_lock(fd: int) -> bool:
    """Take the lock on an open file if nobody has it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as failed:
        if failed.errno == errno.EWOULDBLOCK:
            return False
        raise
    return True


def _take(fd: int, kind: int, wait: float | None, path: str) -> None:
    if wait is None:
        fcntl.flock(fd, kind)
        return
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(fd, kind | fcntl.LOCK_NB)
            return
        except OSError as failed:
            if failed.errno != errno.EWOULDBLOCK:
                raise
        if time.monotonic() >= deadline:
            raise Busy(
                f"lock {path}",
                f"another process has held it for {wait:g} seconds",
                "wait for the build, load or pull that is running, then try again",
            )
        time.sleep(_PAUSE)
