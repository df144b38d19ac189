"""Copying: one file, or a whole tree, exactly: kind, owner, mode, times, xattrs of content, links, holes.

Source and target are open directories; no link is followed. Extents are shared where the file system can.
"""

from __future__ import annotations

import errno
import os
import stat

from mydocker.image import xattrs
from mydocker.image.walk import OPEN_DIRECTORY, Node, walk
from mydocker.linux import files

_BLOCK = 1 << 20
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def copy_node(source: int, path: bytes, target: int, name: bytes) -> None:
    """Copy one file, link, device or fifo, no directory, to a name that is free.

    `path` may have directories in front: the caller knows that none of them is a link.
    """
    facts = os.stat(path, dir_fd=source, follow_symlinks=False)
    if stat.S_ISREG(facts.st_mode):
        _copy_file(source, path, target, name)
        return
    if stat.S_ISLNK(facts.st_mode):
        os.symlink(os.readlink(path, dir_fd=source), name, dir_fd=target)
    else:
        os.mknod(name, stat.S_IFMT(facts.st_mode) | 0o600, facts.st_rdev, dir_fd=target)
    os.chown(name, facts.st_uid, facts.st_gid, dir_fd=target, follow_symlinks=False)
    if not stat.S_ISLNK(facts.st_mode):
        fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=target)
        try:
            os.chmod(f"/proc/self/fd/{fd}", stat.S_IMODE(facts.st_mode))
        finally:
            os.close(fd)
        attributes = xattrs.read(files.entry_path(source, path))
        xattrs.write(files.entry_path(target, name), attributes, path)
    os.utime(name, ns=(facts.st_mtime_ns, facts.st_mtime_ns), dir_fd=target, follow_symlinks=False)


def copy_tree(source: int, target: int) -> None:
    """Copy everything below the open directory `source` into the open and empty directory `target`.

    Hard links within the tree stay links; overlayfs' marks of opaque directories are copied as well, so that an upper
    directory can be copied. The root's own owner, mode and times are copied last.
    """
    links: dict[tuple[int, int], bytes] = {}
    directories: list[tuple[bytes, os.stat_result]] = []
    for node in walk(source):
        above, _, name = node.path.rpartition(b"/")
        parent = files.openat2(target, above or b".", OPEN_DIRECTORY, resolve=files.RESOLVE_NO_SYMLINKS)
        try:
            if node.is_directory:
                _copy_directory(node, parent, name)
                directories.append((node.path, node.facts))
            elif not stat.S_ISSOCK(node.facts.st_mode):
                _copy_or_link(node, target, parent, name, links)
        finally:
            os.close(parent)
    directories.append((b".", os.fstat(source)))
    for path, facts in reversed(directories):
        fd = files.openat2(target, path, OPEN_DIRECTORY, resolve=files.RESOLVE_NO_SYMLINKS)
        try:
            _dress(fd, facts)
        finally:
            os.close(fd)


def _copy_or_link(node: Node, root: int, parent: int, name: bytes, links: dict[tuple[int, int], bytes]) -> None:
    key = (node.facts.st_dev, node.facts.st_ino)
    shared = node.facts.st_nlink > 1 and not files.is_whiteout(node.facts)
    first = links.setdefault(key, node.path) if shared else node.path
    if first == node.path:
        copy_node(node.parent, node.name, parent, name)
        return
    # Made by us below `root`, where nobody else is: the first name is still what it was.
    os.link(first, name, src_dir_fd=root, dst_dir_fd=parent, follow_symlinks=False)


def _copy_directory(node: Node, parent: int, name: bytes) -> None:
    os.mkdir(name, 0o700, dir_fd=parent)
    fd = os.open(name, OPEN_DIRECTORY, dir_fd=parent)
    try:
        if xattrs.is_opaque(node.fd):
            os.setxattr(fd, xattrs.OPAQUE[0], b"y")
        xattrs.write(fd, xattrs.read(node.fd), node.path)
    finally:
        os.close(fd)


def _copy_file(source: int, path: bytes, target: int, name: bytes) -> None:
    reading = os.open(path, _READ, dir_fd=source)
    try:
        writing = os.open(name, _CREATE, 0o600, dir_fd=target)
        try:
            facts = os.fstat(reading)
            if not files.clone(reading, writing):
                _copy_data(reading, writing, facts.st_size)
            attributes = xattrs.read(reading)
            _dress(writing, facts, attributes, path)
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _dress(fd: int, facts: os.stat_result, attributes: xattrs.Xattrs = (), path: bytes = b"") -> None:
    """Give a copy its owner, mode, xattrs and time, in the order in which the kernel keeps all of them."""
    os.fchown(fd, facts.st_uid, facts.st_gid)
    os.fchmod(fd, stat.S_IMODE(facts.st_mode))
    xattrs.write(fd, attributes, path)
    os.utime(fd, ns=(facts.st_mtime_ns, facts.st_mtime_ns))


def _copy_data(reading: int, writing: int, size: int) -> None:
    """Copy the bytes that are there, leave holes holes, and give the copy its size."""
    at = 0
    while at < size:
        try:
            begin = os.lseek(reading, at, os.SEEK_DATA)
        except OSError:
            # ENXIO: nothing but a hole up to the end (lseek(2)).
            break
        end = min(os.lseek(reading, begin, os.SEEK_HOLE), size)
        while begin < end:
            copied = _copy_range(reading, writing, begin, end - begin)
            if not copied:
                break
            begin += copied
        at = max(end, begin)
    os.ftruncate(writing, size)


def _copy_range(reading: int, writing: int, at: int, size: int) -> int:
    """Copy up to `size` bytes and return how many; by way of memory where the kernel does not between file systems."""
    try:
        return os.copy_file_range(reading, writing, size, at, at)
    except OSError as failed:
        if failed.errno not in (errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
    return os.pwrite(writing, os.pread(reading, min(size, _BLOCK), at), at)
