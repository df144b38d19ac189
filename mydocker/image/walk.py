"""Walk: a directory tree in the order of a layer, by descriptors, so that nobody can lead it elsewhere meanwhile."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from mydocker.errors import ImageError
from mydocker.image.limits import DEEPEST, LONGEST_PATH
from mydocker.linux import files

if TYPE_CHECKING:
    from collections.abc import Iterator

OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Node(NamedTuple):
    """A member of a tree: its path below the root (no slash at either end), where it is, and what lstat(2) says.

    `fd` is the open directory itself when it is one (until the walk moves on), else -1.
    """

    path: bytes
    parent: int
    name: bytes
    facts: os.stat_result
    fd: int

    @property
    def is_directory(self) -> bool:
        """Tell a directory from everything else."""
        return self.fd >= 0


class _Level(NamedTuple):
    fd: int
    prefix: bytes
    names: list[bytes]


def walk(root: int) -> Iterator[Node]:
    """Yield everything below the open directory `root`, parents before children.

    The order is the one of layers: names compare as bytes, a directory's content follows it at once, and in each
    directory the whiteouts come first (OCI image-spec, layer.md: "whiteout files ... before sibling"). Names that
    vanish meanwhile are left out. Descriptors are closed as the walk goes on, or when the generator is closed.
    """
    levels = [_Level(os.dup(root), b"", _sorted_names(root))]
    try:
        while levels:
            level = levels[-1]
            if not level.names:
                os.close(levels.pop().fd)
                continue
            name = level.names.pop()
            path = level.prefix + name
            node = _look(level.fd, name, path)
            if node is None:
                continue
            if node.fd >= 0:
                _check_depth(path, len(levels), node.fd)
                levels.append(_Level(node.fd, path + b"/", _sorted_names(node.fd)))
            yield node
    finally:
        for level in levels:
            os.close(level.fd)


def _look(parent: int, name: bytes, path: bytes) -> Node | None:
    try:
        facts = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if facts.st_mode & 0o170000 != 0o040000:
            return Node(path, parent, name, facts, -1)
        fd = os.open(name, OPEN_DIRECTORY, dir_fd=parent)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Node(path, parent, name, os.fstat(fd), fd)


def _check_depth(path: bytes, depth: int, fd: int) -> None:
    if depth >= DEEPEST or len(path) > LONGEST_PATH:
        os.close(fd)
        why = f"more than {DEEPEST} levels, or more than {LONGEST_PATH} bytes in a path"
        raise ImageError(f"pack {os.fsdecode(path[:100])}...", why)


def _sorted_names(fd: int) -> list[bytes]:
    """Return the names in a directory, last first (they are popped), whiteouts before all others."""
    with os.scandir(fd) as entries:
        found = [(not _may_be_whiteout(fd, entry), os.fsencode(entry.name)) for entry in entries]
    found.sort(reverse=True)
    return [name for _, name in found]


def _may_be_whiteout(fd: int, entry: os.DirEntry[str]) -> bool:
    # Nearly everything is a file, a directory or a link, and the directory itself says so without a call.
    if entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False) or entry.is_symlink():
        return False
    try:
        return files.is_whiteout(os.stat(entry.name, dir_fd=fd, follow_symlinks=False))
    except FileNotFoundError:
        return False
