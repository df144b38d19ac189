"""Normalising: an overlay upper directory as a step left it, reduced to what the step changed.

What overlayfs copied up, touched or hid without need is no change and vanishes: directories that are as they were,
files equal to what lies below, whiteouts of nothing. An opaque directory becomes an ordinary one with explicit
whiteouts, because the other form depends on how a step happened to work (rm -r and mkdir, or one by one). Times are
clamped here, so that the snapshot says the same as the tar.

A directory on the way to a change stays, with its owner and mode: tools that unpack layers one by one would otherwise
make it up (root, 0755), and /tmp would lose its sticky bit.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from mydocker.errors import ImageError
from mydocker.image import xattrs
from mydocker.image.compare import same_content
from mydocker.image.limits import DEEPEST
from mydocker.image.walk import OPEN_DIRECTORY
from mydocker.linux import files

if TYPE_CHECKING:
    from mydocker.image.stack import Found, Level, Stack

_SECOND = 10**9


def normalise(upper: int, stack: Stack, epoch: int) -> tuple[bytes, ...]:
    """Reduce the open upper directory, in place, to what it changes of the merged view of `stack`.

    Nobody else may be at work in it. Afterwards no time is later than `epoch` or finer than a second. Returns the names
    of sockets that were removed: no layer can hold one, and nobody listens to it any more.
    """
    normaliser = _Normaliser(stack, epoch)
    before = os.fstat(upper)
    level = stack.root if stack.root.members else None
    hidden = level is not None and xattrs.is_opaque(upper)
    normaliser.directory(upper, level, hidden, 1)
    xattrs.strip_overlay(upper)
    normaliser.clamp(upper, before)
    return tuple(normaliser.sockets)


class _Normaliser:
    def __init__(self, stack: Stack, epoch: int) -> None:
        self._stack = stack
        self._epoch = epoch
        self.sockets: list[bytes] = []

    def directory(self, fd: int, level: Level | None, hidden: bool, depth: int) -> bool:
        """Reduce what is in a directory whose lower part is `level`; tell whether anything is left.

        With `hidden`, the lower part does not show through, and gets whiteouts that say so.
        """
        if depth > DEEPEST:
            raise ImageError("commit an overlay's upper directory", f"directories nest deeper than {DEEPEST}")
        names = [os.fsencode(name) for name in os.listdir(fd)]
        left = False
        for name in names:
            facts = os.stat(name, dir_fd=fd, follow_symlinks=False)
            below = self._stack.look(level, name) if level else None
            if files.is_whiteout(facts):
                stays = below is not None
                if stays:
                    os.utime(name, ns=(0, 0), dir_fd=fd, follow_symlinks=False)
                else:
                    os.unlink(name, dir_fd=fd)
            elif stat.S_ISSOCK(facts.st_mode):
                self.sockets.append(name)
                os.unlink(name, dir_fd=fd)
                if stays := below is not None:
                    _make_whiteout(fd, name)
            elif stat.S_ISDIR(facts.st_mode):
                stays = self._subdirectory(fd, name, facts, below, hidden, depth)
            else:
                stays = self._other(fd, name, facts, below)
            left = left or stays
        if hidden and level:
            for name in sorted(self._stack.names(level) - set(names)):
                _make_whiteout(fd, name)
                left = True
        return left

    def clamp(self, target: int, facts: os.stat_result) -> None:
        """Give an open file or directory the time it had, clamped."""
        wanted = self._clamped(facts)
        if os.fstat(target).st_mtime_ns != wanted:
            os.utime(target, ns=(wanted, wanted))

    def _clamped(self, facts: os.stat_result) -> int:
        return min(facts.st_mtime_ns // _SECOND, self._epoch) * _SECOND

    def _subdirectory(
        self, parent: int, name: bytes, facts: os.stat_result, below: Found | None, hidden: bool, depth: int
    ) -> bool:
        fd = os.open(name, OPEN_DIRECTORY, dir_fd=parent)
        try:
            level = below.level if below else None
            hides = level is not None and (hidden or xattrs.is_opaque(fd))
            left = self.directory(fd, level, hides, depth + 1)
            xattrs.strip_overlay(fd)
            if not left and below and level and _same_owner(facts, below.facts) and self._same_xattrs(fd, below):
                os.rmdir(name, dir_fd=parent)
                return False
            self.clamp(fd, facts)
            return True
        finally:
            os.close(fd)

    def _other(self, parent: int, name: bytes, facts: os.stat_result, below: Found | None) -> bool:
        """Drop a file, link or device that is what lies below; else clamp it. A hard-linked one always stays."""
        if below and below.level is None and facts.st_nlink == 1 and self._equal(parent, name, facts, below):
            os.unlink(name, dir_fd=parent)
            return False
        path = files.entry_path(parent, name)
        for attribute in os.listxattr(path, follow_symlinks=False):
            if attribute.startswith(("trusted.overlay.", "user.overlay.")):
                if attribute.endswith((".redirect", ".metacopy")):
                    # Raises: the content is not here.
                    xattrs.is_opaque(path)
                os.removexattr(path, attribute, follow_symlinks=False)
        wanted = self._clamped(facts)
        if facts.st_mtime_ns != wanted:
            os.utime(name, ns=(wanted, wanted), dir_fd=parent, follow_symlinks=False)
        return True

    def _equal(self, parent: int, name: bytes, facts: os.stat_result, below: Found) -> bool:
        old = below.facts
        if not _same_owner(facts, old) or facts.st_size != old.st_size or facts.st_rdev != old.st_rdev:
            return False
        seconds = facts.st_mtime_ns // _SECOND
        if old.st_mtime_ns // _SECOND not in (seconds, min(seconds, self._epoch)):
            return False
        if stat.S_ISLNK(facts.st_mode):
            return os.readlink(name, dir_fd=parent) == os.readlink(below.path, dir_fd=below.root)
        if not self._same_xattrs(files.entry_path(parent, name), below):
            return False
        return not stat.S_ISREG(facts.st_mode) or same_content(parent, name, below.root, below.path)

    def _same_xattrs(self, target: int | bytes, below: Found) -> bool:
        return xattrs.read(target) == xattrs.read(files.entry_path(below.root, below.path))


def _make_whiteout(parent: int, name: bytes) -> None:
    os.mknod(name, stat.S_IFCHR, 0, dir_fd=parent)
    os.utime(name, ns=(0, 0), dir_fd=parent, follow_symlinks=False)


def _same_owner(new: os.stat_result, old: os.stat_result) -> bool:
    return (new.st_mode, new.st_uid, new.st_gid) == (old.st_mode, old.st_uid, old.st_gid)
