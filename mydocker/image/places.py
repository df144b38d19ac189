"""Places: directories below a target, by descriptor. Whatever path an archive says, nothing outside can be reached.

Paths are resolved by the kernel with the target as root (openat2, RESOLVE_IN_ROOT): an absolute symlink, `..`, a chain
of links or a race all end inside. No path is ever checked as a string for that.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, NamedTuple, Self

from mydocker.errors import ImageError, UnsafeArchive
from mydocker.image.limits import DEEPEST, LONGEST_PATH
from mydocker.image.walk import OPEN_DIRECTORY
from mydocker.linux import files

if TYPE_CHECKING:
    from collections.abc import Callable

# Archives come directory by directory, so few are in use at a time.
_MOST_OPEN = 64
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Implied(NamedTuple):
    """What a directory gets that an archive uses but does not describe."""

    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    mtime_ns: int = 0


class Places:
    """Open directories below `root`. Close it (or use `with`); `root` itself stays open."""

    def __init__(self, root: int, implied: Callable[[bytes], Implied]) -> None:
        self._root = root
        self._implied = implied
        self._open: dict[bytes, int] = {}
        self._times: dict[bytes, int] = {}
        self.made_up = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        self.forget()

    def forget(self) -> None:
        """Close every cached directory, because a path may have come to mean another one."""
        for fd in self._open.values():
            os.close(fd)
        self._open.clear()

    def directory(self, path: bytes) -> int:
        """Return the directory at `path`, made with all above it where it is missing; valid until the next call."""
        if not path:
            return self._root
        fd = self._open.get(path)
        if fd is None:
            if len(self._open) >= _MOST_OPEN:
                self.forget()
            fd = self._find(path)
            self._open[path] = fd
        return fd

    def existing(self, path: bytes) -> int:
        """Return the directory at `path`, newly opened, for the caller to close, or raise `OSError`."""
        return files.openat2(self._root, path or b".", _OPEN)

    def set_time(self, path: bytes, nanoseconds: int) -> None:
        """Note the time that the directory at `path` shall have in the end, when nothing changes in it any more."""
        self._times[path] = nanoseconds

    def apply_times(self) -> None:
        """Give every directory its noted time, but for those that something else has replaced meanwhile."""
        for path, nanoseconds in reversed(self._times.items()):
            try:
                fd = files.openat2(self._root, path or b".", OPEN_DIRECTORY)
            except OSError as failed:
                if failed.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                    continue
                raise
            try:
                os.utime(fd, ns=(nanoseconds, nanoseconds))
            finally:
                os.close(fd)

    def _find(self, path: bytes) -> int:
        if len(path) > LONGEST_PATH or path.count(b"/") >= DEEPEST:
            raise UnsafeArchive(f"unpack {show(path)}", "the path is too long or too deep")
        try:
            return files.openat2(self._root, path, _OPEN)
        except OSError as failed:
            if failed.errno == errno.ENOENT:
                return self._make(path)
            if told := unusable(path, failed):
                raise told from failed
            raise

    def _make(self, path: bytes) -> int:
        """Make a directory that the archive takes for granted, as `implied` says it should be."""
        above, _, name = path.rpartition(b"/")
        parent = self.directory(above)
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
            fd = os.open(name, OPEN_DIRECTORY, dir_fd=parent)
        except OSError as failed:
            if told := unusable(path, failed):
                raise told from failed
            raise
        from mydocker.image import xattrs

        self.made_up = True
        wanted = self._implied(path)
        os.fchown(fd, wanted.uid, wanted.gid)
        os.fchmod(fd, wanted.mode)
        xattrs.write(fd, wanted.xattrs, path)
        self.set_time(path, wanted.mtime_ns)
        return fd


def unusable(path: bytes, failed: OSError) -> ImageError | None:
    """Say why a path of an archive cannot be used; None where that is not the archive's fault."""
    reasons = {
        errno.ENOTDIR: "something on the way is no directory",
        errno.ELOOP: "it goes through a loop of symlinks",
        errno.EEXIST: "it goes through a dangling symlink",
        errno.ENAMETOOLONG: "a name in it is too long",
        errno.EINVAL: "it is no valid path",
    }
    why = reasons.get(failed.errno or 0)
    return ImageError(f"unpack {show(path)}", why) if why else None


def show(path: bytes) -> str:
    """Return a path from an archive for a message: shortened, control characters escaped."""
    return os.fsdecode(path[:200]).encode("unicode_escape", "replace").decode() if path else "/"
