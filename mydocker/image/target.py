"""Target: the file that somebody wants an archive in. It has its name only when it is whole."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mydocker.image.layout import store_error
from mydocker.image.pack import PackRules, pack
from mydocker.linux import files

if TYPE_CHECKING:
    from collections.abc import Iterator

STDOUT = 1


@contextmanager
def writing(target: str | int) -> Iterator[int]:
    """Give a descriptor to write `target` with: a path's is that of a temporary beside it, a descriptor is itself.

    The temporary is synced and takes the path at the end of the block; when the block fails, it is removed. What the
    disk refuses is a `StoreError` for a path, and stays an `OSError` for a descriptor, which is the caller's.
    """
    if isinstance(target, int):
        yield target
        return
    unfinished = f"{target}.{os.urandom(6).hex()}.part"
    try:
        fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except OSError as failed:
        raise store_error(f"write {target}", failed) from failed
    try:
        yield fd
        os.fsync(fd)
        os.rename(unfinished, target)
    except OSError as failed:
        os.unlink(unfinished)
        raise store_error(f"write {target}", failed) from failed
    except BaseException:
        os.unlink(unfinished)
        raise
    finally:
        os.close(fd)


def write_root(root: int, target: str | int, skip: frozenset[bytes] = frozenset()) -> None:
    """Write everything below an open root directory but the paths `skip` as a plain tar."""
    with writing(target) as fd:
        pack(root, lambda data: files.write_all(fd, data), PackRules(whiteouts=False, skip=skip))
