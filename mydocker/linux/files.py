"""System calls about files that `os` lacks: paths resolved inside a directory, sync of one file system, clones."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import sys

from mydocker.linux import libc

# openat2(2). The number is the same on every machine.
_OPENAT2 = 437
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

# ioctl_ficlone(2)
_FICLONE = 0x40049409

# ioctl_iflags(2): their numbers hold the size of a long, and they pass an int.
_LONG = ctypes.sizeof(ctypes.c_long) << 16
_GET_FLAGS = 2 << 30 | _LONG | ord("f") << 8 | 1
_SET_FLAGS = 1 << 30 | _LONG | ord("f") << 8 | 2
_TOPDIR = 0x00020000

# The kernel answers EAGAIN when a rename elsewhere raced with `..`; after this many the caller should know.
_RACES = 128
# A walk that began without locks and has to begin anew counts the links of both (fs/namei.c, total_link_count): ELOOP
# may mean 20 links and bad luck. True loops stay loops.
_LOOPS = 8

_OpenHow = ctypes.c_uint64 * 3


def openat2(dir_fd: int, path: str | bytes, flags: int, mode: int = 0, resolve: int = RESOLVE_IN_ROOT) -> int:
    """Open `path` below `dir_fd`, close-on-exec, under the `resolve` rules of the kernel; return the descriptor.

    With `RESOLVE_IN_ROOT` (the default) `dir_fd` is the root for absolute symlinks and for `..`, so nothing that a path
    or a link says leads outside. Magic links (as in /proc) are refused in any case.
    """
    how = _OpenHow(flags | os.O_CLOEXEC, mode, resolve | RESOLVE_NO_MAGICLINKS)
    name = libc.encode(path)
    for attempt in range(_RACES):
        try:
            return libc.syscall(_OPENAT2, "openat2", dir_fd, name, ctypes.byref(how), ctypes.sizeof(how), path=path)
        except OSError as failed:
            passing = failed.errno in (errno.EAGAIN, errno.EINTR)
            if not passing and not (failed.errno == errno.ELOOP and attempt < _LOOPS):
                raise
    raise OSError(errno.EAGAIN, "openat2: the path keeps changing", path)


def syncfs(fd: int) -> None:
    """Write out everything of the file system that `fd` lies on."""
    libc.call("syncfs", ctypes.c_int(fd), path=fd)


def clone(source: int, target: int) -> bool:
    """Let the file `target` share the extents of `source`; False where the file system cannot (ioctl_ficlone(2))."""
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as failed:
        if failed.errno in (errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS):
            return False
        raise
    return True


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write all of `data`, in as many calls as it takes; nearly always that is one."""
    done = os.write(fd, data)
    if done < len(data):
        rest = memoryview(data)[done:]
        while rest:
            rest = rest[os.write(fd, rest) :]


def spread(directory: int) -> bool:
    """Let ext4 choose a block group for every new subdirectory of an open directory; tell whether it will.

    Otherwise they stay near it. Where thousands of files were just removed, the place for each new one is looked for
    past all of them, since ext4 does not use an inode again within minutes (FS_TOPDIR_FL, ioctl_iflags(2)).
    """
    try:
        flags = int.from_bytes(fcntl.ioctl(directory, _GET_FLAGS, bytes(4)), sys.byteorder)
        fcntl.ioctl(directory, _SET_FLAGS, (flags | _TOPDIR).to_bytes(4, sys.byteorder))
    except OSError as failed:
        if failed.errno in (errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.EPERM, errno.ENOSYS):
            return False
        raise
    return True


def entry_path(dir_fd: int, name: bytes) -> bytes:
    """Return a path to `name` in an open directory for calls that take no descriptor (xattrs of links and devices).

    The way to the directory is the kernel's own link, so only the last component is looked up; use it with
    `follow_symlinks=False`.
    """
    return b"/proc/self/fd/%d/%b" % (dir_fd, name)


def remove_tree(dir_fd: int, name: bytes) -> None:
    """Remove `name` in the directory and all below it; links are removed, never followed. A missing one is fine.

    Takes two descriptors however deep the tree is, so that a tree made to be deep can be removed as well.
    """
    try:
        os.unlink(name, dir_fd=dir_fd)
        return
    except FileNotFoundError:
        return
    except OSError as failed:
        if failed.errno not in (errno.EISDIR, errno.EPERM):
            raise
    here = os.open(name, _DIRECTORY, dir_fd=dir_fd)
    path = [(name, _unlink_files(here))]
    try:
        while True:
            if path[-1][1]:
                below = path[-1][1].pop()
                there = os.open(below, _DIRECTORY, dir_fd=here)
                os.close(here)
                here = there
                path.append((below, _unlink_files(here)))
                continue
            emptied, _ = path.pop()
            if not path:
                os.rmdir(emptied, dir_fd=dir_fd)
                return
            there = os.open(b"..", _DIRECTORY, dir_fd=here)
            os.close(here)
            here = there
            os.rmdir(emptied, dir_fd=here)
    finally:
        os.close(here)


_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def _unlink_files(fd: int) -> list[bytes]:
    """Unlink everything in the directory that is no directory; return the names of those that are."""
    below = []
    with os.scandir(fd) as entries:
        found = [(os.fsencode(entry.name), entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, directory in found:
        if directory:
            below.append(name)
        else:
            os.unlink(name, dir_fd=fd)
    return below


def is_whiteout(facts: os.stat_result) -> bool:
    """Tell whether this is how overlayfs marks a removed name: a character device 0:0 (kernel: overlayfs.rst)."""
    return facts.st_rdev == 0 and (facts.st_mode & 0o170000) == 0o020000
