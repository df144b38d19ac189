"""Comparing: which files differ between two trees, each a stack of snapshots or one directory (`diff`)."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from mydocker.image import xattrs
from mydocker.linux import files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mydocker.image.stack import Found, Level, Stack

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_CHUNK = 1024 * 1024


class Difference(NamedTuple):
    """A path in which two trees differ: `A` added, `D` deleted, `C` changed, as `docker diff` has it."""

    kind: str
    path: bytes


def diff_trees(old: Stack, new: Stack) -> Iterator[Difference]:
    """Yield the differences from one merged view to another, in the order of layers.

    Times do not count, and neither does a directory whose content alone differs. What is below an added or deleted
    directory is listed as well. Snapshots that both stacks share are not read.
    """
    yield from _directory(old, old.root, new, new.root)


def _directory(old: Stack, before: Level | None, new: Stack, after: Level | None) -> Iterator[Difference]:
    if before and after and _same_place(before, after):
        return
    was = old.names(before) if before else set()
    now = new.names(after) if after else set()
    for name in sorted(was | now):
        left = old.look(before, name) if before and name in was else None
        right = new.look(after, name) if after and name in now else None
        path = (before or after or old.root).path + name
        if left is None:
            yield Difference("A", path)
        elif right is None:
            yield Difference("D", path)
        elif not _same(left, right):
            yield Difference("C", path)
        below, above = left.level if left else None, right.level if right else None
        if below or above:
            yield from _directory(old, below, new, above)


def _same_place(before: Level, after: Level) -> bool:
    """Tell whether two levels are made of the very same directories."""
    if len(before.members) != len(after.members):
        return False
    pairs = zip(before.members, after.members, strict=True)
    return all(os.path.samestat(_stat(old, before), _stat(new, after)) for old, new in pairs)


def _stat(root: int, level: Level) -> os.stat_result:
    return os.stat(level.path or b".", dir_fd=root, follow_symlinks=False)


def _same(old: Found, new: Found) -> bool:
    a, b = old.facts, new.facts
    if (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino):
        return True
    if (a.st_mode, a.st_uid, a.st_gid, a.st_rdev) != (b.st_mode, b.st_uid, b.st_gid, b.st_rdev):
        return False
    if stat.S_ISLNK(a.st_mode):
        return os.readlink(old.path, dir_fd=old.root) == os.readlink(new.path, dir_fd=new.root)
    if _xattrs(old) != _xattrs(new):
        return False
    return not stat.S_ISREG(a.st_mode) or (a.st_size == b.st_size and same_bytes(old, new))


def _xattrs(found: Found) -> xattrs.Xattrs:
    return xattrs.read(files.entry_path(found.root, found.path))


def same_bytes(old: Found, new: Found) -> bool:
    """Tell whether two regular files have the same content."""
    first = os.open(old.path, _READ, dir_fd=old.root)
    try:
        second = os.open(new.path, _READ, dir_fd=new.root)
        try:
            while (chunk := os.read(first, _CHUNK)) == os.read(second, _CHUNK):
                if not chunk:
                    return True
            return False
        finally:
            os.close(second)
    finally:
        os.close(first)
