"""Stack: what a path means in a pile of snapshots, as overlayfs would show it, without a mount.

Snapshots are private and never change, so a path whose directories were all seen to be directories stays safe to use.
"""

from __future__ import annotations

import os
import stat
from typing import NamedTuple, Self

from mydocker.image import xattrs
from mydocker.image.places import Implied
from mydocker.image.walk import OPEN_DIRECTORY
from mydocker.linux import files


class Level(NamedTuple):
    """A directory of the merged view: the snapshots (open roots, topmost first) that have a part in it, and its path.

    The path ends in a slash unless it is the root's, which is empty.
    """

    members: tuple[int, ...]
    path: bytes


class Found(NamedTuple):
    """What a name shows: the snapshot that it comes from, its path there, and, for a directory, its level."""

    root: int
    path: bytes
    facts: os.stat_result
    level: Level | None


class Stack:
    """Snapshots on top of each other, topmost first, held open inside a `with` block."""

    def __init__(self, directories: tuple[str, ...]) -> None:
        self._directories = directories
        self._roots: list[int] = []

    def __enter__(self) -> Self:
        try:
            for directory in self._directories:
                self._roots.append(os.open(directory, OPEN_DIRECTORY))
                if xattrs.is_opaque(self._roots[-1]):
                    break
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *unused: object) -> None:
        for fd in self._roots:
            os.close(fd)
        self._roots.clear()

    @property
    def root(self) -> Level:
        """The root directory of the merged view."""
        return Level(tuple(self._roots), b"")

    def look(self, level: Level, name: bytes) -> Found | None:
        """Return what `name` shows in a directory; None where nothing is there, or a whiteout hides it."""
        path = level.path + name
        first: tuple[int, os.stat_result] | None = None
        members = []
        for root in level.members:
            try:
                facts = os.stat(path, dir_fd=root, follow_symlinks=False)
            except FileNotFoundError:
                continue
            if files.is_whiteout(facts):
                break
            if not stat.S_ISDIR(facts.st_mode):
                first = first or (root, facts)
                break
            first = first or (root, facts)
            members.append(root)
            if xattrs.is_opaque(files.entry_path(root, path)):
                break
        if first is None:
            return None
        return Found(first[0], path, first[1], Level(tuple(members), path + b"/") if members else None)

    def names(self, level: Level) -> set[bytes]:
        """Return the names that a directory of the merged view shows."""
        shown: set[bytes] = set()
        hidden: set[bytes] = set()
        for root in level.members:
            fd = os.open(level.path or b".", OPEN_DIRECTORY, dir_fd=root)
            try:
                names = [os.fsencode(name) for name in os.listdir(fd)]
                whiteouts = {
                    name for name in names if files.is_whiteout(os.stat(name, dir_fd=fd, follow_symlinks=False))
                }
            finally:
                os.close(fd)
            shown |= set(names) - whiteouts - hidden
            hidden |= whiteouts
        return shown

    def find(self, path: bytes) -> Found | None:
        """Return what a path below the root shows; symlinks on the way are not followed."""
        level: Level | None = self.root
        found = None
        for name in path.split(b"/"):
            if level is None:
                return None
            found = self.look(level, name)
            level = found.level if found else None
        return found

    def file_below(self, path: bytes) -> tuple[int, bytes] | None:
        """Return root and path of the file, no directory, that a path shows; for `UnpackRules.below`."""
        found = self.find(path)
        return (found.root, found.path) if found and found.level is None else None

    def implied(self, path: bytes) -> Implied:
        """Return how a directory looks that a layer takes for granted; for `UnpackRules.implied`."""
        found = self.find(path)
        if found is None or found.level is None:
            return Implied()
        facts = found.facts
        attributes = xattrs.read(files.entry_path(found.root, found.path))
        mode = stat.S_IMODE(facts.st_mode)
        return Implied(mode, facts.st_uid, facts.st_gid, attributes, facts.st_mtime_ns)
