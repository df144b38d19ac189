"""Source trees: what COPY and bind mounts read from (a build context, a stage, an image), looked at safely.

A tree is a directory descriptor. Every look-up goes through openat2(2) with RESOLVE_IN_ROOT, so a symbolic link,
wherever it points and whoever swaps it meanwhile, ends inside the tree. Paths are relative to the tree's root, without
a leading slash; the root itself is "".
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time

from mydocker.build.cache import FileStamp
from mydocker.linux.lookup import magic_link, open_in_root
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    from mydocker.build.cache import Cache

    class Ignore(Protocol):
        """What a tree needs of an ignore file's patterns."""

        def excluded(self, path: str) -> bool:
            """Tell whether `path` is excluded, by itself or with a directory above it."""

        def may_reinclude_below(self, path: str) -> bool:
            """Tell whether a later `!` pattern could bring back something below the directory `path`."""


_MOST_LINKS = 40  # as path_resolution(7)
_BLOCK = 1 << 20


class Entry(NamedTuple):
    """One name in a tree. `mode` has the type bits; `target` is a symbolic link's text; ids as the tree shows them.

    `file` is (device, inode); times are in nanoseconds.
    """

    path: str
    mode: int
    uid: int
    gid: int
    size: int
    target: str
    rdev: int
    links: int
    file: tuple[int, int]
    mtime: int
    ctime: int

    @property
    def stamp(self) -> FileStamp:
        """What has to stay the same for the file's hash to be believed."""
        return FileStamp(f"{self.file[0]}:{self.file[1]}", self.size, self.mtime, self.ctime)

    @property
    def is_dir(self) -> bool:
        """Whether it is a directory."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return stat.S_ISREG(self.mode)

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return stat.S_ISLNK(self.mode)


class Tree:
    """A directory tree to copy from. Owns `fd` and closes it; use with `with`.

    `identity` is the content's name where the tree cannot change (a chain ID), else "": then files are hashed, or their
    stamps looked up in `cache`. `ignore` hides entries of a build context. `owned` is False for a build context, whose
    files count as root's whoever holds them on the host.
    """

    def __init__(
        self, fd: int, name: str, cache: Cache, *, identity: str = "", ignore: Ignore | None = None, owned: bool = True
    ) -> None:
        self.fd = fd
        self.name = name
        self.identity = identity
        self._cache = cache
        self.ignore = ignore
        self.owned = owned

    def __enter__(self) -> Tree:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the descriptor."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def resolve(self, path: str, *, final: bool = True) -> str:
        """Return `path` with its links followed; see the function `resolve`."""
        return resolve(self.fd, path, final=final)

    def entry(self, path: str) -> Entry | None:
        """Return what is at `path` (its last component not followed), or None: absent, or hidden by the ignore file."""
        if path and self._hidden(path):
            return None
        try:
            fd = open_in_root(self.fd, path or ".", os.O_PATH | os.O_NOFOLLOW)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            status = os.fstat(fd)
            target = os.readlink("", dir_fd=fd) if stat.S_ISLNK(status.st_mode) else ""
            return self._make(path, status, target)
        finally:
            os.close(fd)

    def _make(self, path: str, status: os.stat_result, target: str) -> Entry:
        uid, gid = (status.st_uid, status.st_gid) if self.owned else (0, 0)
        return Entry(
            path, status.st_mode, uid, gid, status.st_size, target, status.st_rdev, status.st_nlink,
            (status.st_dev, status.st_ino), status.st_mtime_ns, status.st_ctime_ns,
        )  # fmt: skip

    def _hidden(self, path: str) -> bool:
        if self.ignore is None or not self.ignore.excluded(path):
            return False
        return not (self.ignore.may_reinclude_below(path) and self._shows_something(path))

    def hides(self, path: str) -> bool:
        """Tell whether the ignore file hides `path`, be it there or not."""
        return bool(path) and self._hidden(path)

    def _shows_something(self, path: str) -> bool:
        """Tell whether an excluded directory has a visible entry below: then it is there, with just that."""
        return next(self.children(path), None) is not None

    def children(self, path: str) -> Iterator[Entry]:
        """Yield the visible entries of the directory `path` in byte order; nothing where it is no directory."""
        try:
            fd = open_in_root(self.fd, path or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except (FileNotFoundError, NotADirectoryError):
            return
        try:
            prefix = f"{path}/" if path else ""
            for name in sorted_names(fd):
                child = prefix + name
                if self.ignore is not None and self._hidden(child):
                    continue
                status = os.stat(name, dir_fd=fd, follow_symlinks=False)
                target = os.readlink(name, dir_fd=fd) if stat.S_ISLNK(status.st_mode) else ""
                yield self._make(child, status, target)
        finally:
            os.close(fd)

    def walk(self, path: str) -> Iterator[Entry]:
        """Yield every visible entry below `path`, parents before children, names in byte order."""
        levels = [self.children(path)]
        while levels:
            for entry in levels[-1]:
                yield entry
                if entry.is_dir:
                    levels.append(self.children(entry.path))
                    break
            else:
                levels.pop()

    def open(self, path: str) -> int:
        """Return a descriptor for reading the regular file at `path`; no link in its last component is followed."""
        return open_in_root(self.fd, path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)

    def hash_file(self, entry: Entry) -> str:
        """Return the SHA-256 (hex) of a regular file, from the cache where its stamp is known."""
        known = self._cache.file_hash(entry.stamp) if not self.identity else None
        if known:
            return known
        read_at = time.time_ns()
        fd = self.open(entry.path)
        try:
            digest = hash_descriptor(fd)
        finally:
            os.close(fd)
        if not self.identity:
            self._cache.put_file_hash(entry.stamp, digest, read_at)
        return digest

    def xattrs(self, entry: Entry) -> list[tuple[str, bytes]]:
        """Return the extended attributes that travel with a copy, sorted by name.

        Those of a build context do not (BuildKit's way: they are facts of one host); symbolic links have none that
        count.
        """
        if entry.is_link or not self.owned:
            return []
        fd = open_in_root(self.fd, entry.path or ".", os.O_PATH | os.O_NOFOLLOW)
        try:
            path = magic_link(fd)
            names = [name for name in os.listxattr(path) if name == "security.capability" or name.startswith("user.")]
            return [(name, os.getxattr(path, name)) for name in sorted(names)]
        except OSError as error:
            if error.errno == errno.ENOTSUP:
                return []
            raise
        finally:
            os.close(fd)


def sorted_names(fd: int) -> list[str]:
    """Return the names in an open directory in byte order."""
    names = os.listdir(fd)
    # Without bytes that are no UTF-8, the order of code points is that of bytes.
    names.sort(key=None if "".join(names).isascii() else os.fsencode)
    return names


def hash_descriptor(fd: int) -> str:
    """Return the SHA-256 (hex) of what is left to read from `fd`."""
    running = hashlib.sha256()
    while block := os.read(fd, _BLOCK):
        running.update(block)
    return running.hexdigest()


def resolve(root: int, path: str, *, final: bool = True) -> str:
    """Return `path` with every symbolic link followed inside the directory `root`, the last component too when `final`.

    What does not exist is kept as written. Raises OSError(ELOOP) for a ring of links. The result is a name, used in
    keys and for patterns; safety does not rest on it, since opens resolve inside the root again.
    """
    todo = [part for part in path.split("/") if part not in ("", ".")][::-1]
    done: list[str] = []
    followed = 0
    while todo:
        part = todo.pop()
        if part == "..":
            del done[-1:]
            continue
        link = _link(root, "/".join([*done, part])) if todo or final else None
        if link is None:
            done.append(part)
            continue
        followed += 1
        if followed > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        if link.startswith("/"):
            done = []
        todo += [each for each in link.split("/") if each not in ("", ".")][::-1]
    return "/".join(done)


def _link(root: int, path: str) -> str | None:
    """Return the text of the symbolic link at `path`, or None for anything else."""
    try:
        fd = open_in_root(root, path, os.O_PATH | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        return os.readlink("", dir_fd=fd) if stat.S_ISLNK(os.fstat(fd).st_mode) else None
    finally:
        os.close(fd)
