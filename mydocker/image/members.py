"""Members: the files of an image archive by name, whether it is a tar, a compressed tar, a pipe or a directory.

Names are looked up in what the archive holds, never on the host: a config called `../../etc/shadow` is not there.
"""

from __future__ import annotations

import os
import posixpath
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol

from mydocker.errors import ImageError, NotFound, UnsafeArchive
from mydocker.image import entry as tar
from mydocker.image.compression import decompressed, read_chunks, sniff
from mydocker.image.documents import LARGEST
from mydocker.image.streams import FileStream
from mydocker.image.tar_reader import TarReader
from mydocker.linux import files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mydocker.image.layout import Layout
    from mydocker.image.limits import Limits

_CHUNK = 1024 * 1024
_MOST_LINKS = 8


class Members(Protocol):
    """Files by name; every call raises `ImageError` for a name that is not there."""

    def has(self, name: str) -> bool:
        """Tell whether there is a file of this name."""

    def size(self, name: str) -> int:
        """Return how many bytes it has."""

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield its bytes."""


def read(members: Members, name: str, largest: int = LARGEST) -> bytes:
    """Return the whole of a small file."""
    size = members.size(name)
    if size > largest:
        raise ImageError(f"read {name} of an archive", f"it has {size} bytes, more than {largest}")
    return b"".join(members.chunks(name))


@contextmanager
def opened(layout: Layout, source: str | int, limits: Limits) -> Iterator[Members]:
    """Give the files of an archive: a path of a tar or a directory, or an open descriptor, such as a pipe's."""
    if isinstance(source, str):
        try:
            fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as failed:
            raise NotFound(f"no file {source}") from failed
    else:
        fd = os.dup(source)
    try:
        facts = os.fstat(fd)
        if stat.S_ISDIR(facts.st_mode):
            yield _Directory(fd)
        elif stat.S_ISREG(facts.st_mode) and sniff(os.pread(fd, 6, 0)) == "none":
            yield _index(fd, limits)
        else:
            with layout.workspace("load") as place, _spooled(fd, f"{place}/archive", limits) as plain:
                yield _index(plain, limits)
    finally:
        os.close(fd)


@contextmanager
def _spooled(fd: int, path: str, limits: Limits) -> Iterator[int]:
    """Give an uncompressed copy of a stream that cannot be read twice."""
    copy = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(copy, "wb", closefd=False) as file:
            for chunk in decompressed(read_chunks(fd), limits):
                file.write(chunk)
        yield copy
    finally:
        os.close(copy)


class _Place(NamedTuple):
    offset: int
    size: int
    link: str


class _Archive:
    """The files of an uncompressed tar that can be read at any place."""

    def __init__(self, fd: int, places: dict[str, _Place]) -> None:
        self._fd = fd
        self._places = places

    def has(self, name: str) -> bool:
        return self._find(name) is not None

    def size(self, name: str) -> int:
        return self._at(name).size

    def chunks(self, name: str) -> Iterator[bytes]:
        offset, left, _ = self._at(name)
        while left:
            chunk = os.pread(self._fd, min(left, _CHUNK), offset)
            if not chunk:
                raise ImageError(f"read {name} of an archive", "the archive has become shorter")
            offset, left = offset + len(chunk), left - len(chunk)
            yield chunk

    def _at(self, name: str) -> _Place:
        place = self._find(name)
        if place is None:
            raise ImageError(f"read {name[:200]!r} of an archive", "there is no such file in it")
        return place

    def _find(self, name: str) -> _Place | None:
        """Return where a file is. Old archives of docker share layers by symlinks, which are followed by name alone."""
        for _ in range(_MOST_LINKS):
            place = self._places.get(posixpath.normpath(name))
            if place is None or not place.link:
                return place
            name = posixpath.join(posixpath.dirname(name), place.link)
        return None


def _index(fd: int, limits: Limits) -> _Archive:
    stream = FileStream(fd)
    reader = TarReader(stream, limits, strict_end=True)
    places: dict[str, _Place] = {}
    for entry in reader:
        name = os.fsdecode(entry.name)
        if entry.kind == tar.FILE:
            if reader.extents != ((0, entry.size),):
                raise ImageError(f"read {name} of an archive", "an image archive has no sparse files")
            place = _Place(stream.position, entry.size, "")
        elif entry.kind == tar.SYMLINK:
            place = _Place(0, 0, os.fsdecode(entry.link))
        elif entry.kind == tar.HARDLINK:
            place = _Place(0, 0, posixpath.join("/", os.fsdecode(entry.link)))
        else:
            continue
        if name in places:
            raise UnsafeArchive(f"read {name} of an archive", "it is there twice")
        places[name] = place
        places["/" + name] = place
    return _Archive(fd, places)


class _Directory:
    """The files of an image layout that is a directory."""

    def __init__(self, root: int) -> None:
        self._root = root

    def has(self, name: str) -> bool:
        try:
            os.close(self._open(name))
        except ImageError:
            return False
        return True

    def size(self, name: str) -> int:
        fd = self._open(name)
        try:
            return os.fstat(fd).st_size
        finally:
            os.close(fd)

    def chunks(self, name: str) -> Iterator[bytes]:
        fd = self._open(name)
        try:
            yield from read_chunks(fd)
        finally:
            os.close(fd)

    def _open(self, name: str) -> int:
        try:
            fd = files.openat2(self._root, name, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as failed:
            why = os.strerror(failed.errno or 0).lower()
            raise ImageError(f"read {name[:200]!r} of an archive", why) from failed
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise ImageError(f"read {name[:200]!r} of an archive", "it is no regular file")
        return fd
