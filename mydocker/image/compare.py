"""Comparing: which files differ between two trees, each a stack of snapshots (`diff`) or one directory (`fsck`)."""

from __future__ import annotations

import os
import stat
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from mydocker.image import xattrs
from mydocker.image.walk import walk
from mydocker.linux import files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mydocker.image.stack import Found, Level, Stack
    from mydocker.image.walk import Node

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
    if not stat.S_ISREG(a.st_mode):
        return True
    return a.st_size == b.st_size and same_content(old.root, old.path, new.root, new.path)


def _xattrs(found: Found) -> xattrs.Xattrs:
    return xattrs.read(files.entry_path(found.root, found.path))


def first_difference(old: int, new: int) -> bytes | None:
    """Return the first path in which two open directories differ, marks of overlayfs and times included, or None.

    The directories themselves are compared by whether they hide what is below them.
    """
    if xattrs.is_opaque(old) != xattrs.is_opaque(new):
        return b""
    for one, other in zip_longest(walk(old), walk(new)):
        if one is None or other is None or one.path != other.path:
            return min(each.path for each in (one, other) if each is not None)
        if not _same_node(one, other):
            return one.path
    return None


def _same_node(one: Node, other: Node) -> bool:
    a, b = one.facts, other.facts
    if (a.st_mode, a.st_uid, a.st_gid, a.st_rdev) != (b.st_mode, b.st_uid, b.st_gid, b.st_rdev):
        return False
    if a.st_mtime_ns // 10**9 != b.st_mtime_ns // 10**9:
        return False
    if stat.S_ISLNK(a.st_mode):
        return os.readlink(one.name, dir_fd=one.parent) == os.readlink(other.name, dir_fd=other.parent)
    if _marks(one) != _marks(other):
        return False
    return not stat.S_ISREG(a.st_mode) or (
        a.st_size == b.st_size and same_content(one.parent, one.name, other.parent, other.name)
    )


def _marks(node: Node) -> tuple[xattrs.Xattrs, bool]:
    target = node.fd if node.is_directory else files.entry_path(node.parent, node.name)
    return xattrs.read(target), node.is_directory and xattrs.is_opaque(target)


def same_content(old: int, old_path: bytes, new: int, new_path: bytes) -> bool:
    """Tell whether two regular files, each a path below an open directory, have the same bytes."""
    first = os.open(old_path, _READ, dir_fd=old)
    try:
        second = os.open(new_path, _READ, dir_fd=new)
        try:
            while (chunk := os.read(first, _CHUNK)) == os.read(second, _CHUNK):
                if not chunk:
                    return True
            return False
        finally:
            os.close(second)
    finally:
        os.close(first)
