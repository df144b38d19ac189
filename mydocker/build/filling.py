"""Filling: a source directory copied to where nothing is yet, and the layer's archive written in the same pass.

Where nothing can be in the way, a file needs neither the overlay (which makes each new file twice) nor to be read three
times: its bytes go to its place in the snapshot and into the archive at once. What comes out is to the byte what
`placing`, `normalise` and `pack` give one after the other; a test holds the two ways together.
"""

from __future__ import annotations

import os
import posixpath
import stat
import time

from mydocker.build.placing import NEW_FILE, changed_meanwhile, copy_content
from mydocker.errors import ImageError
from mydocker.image import entry as tar
from mydocker.image.layers import Filling
from mydocker.linux.lookup import magic_link, open_in_root
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.build.placing import Manner
    from mydocker.build.selection import Picked
    from mydocker.build.tree import Entry, Tree
    from mydocker.image.tar_writer import TarWriter
    from mydocker.image.xattrs import Xattrs

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
_CHUNK = 1 << 20
_SECOND = 10**9
_KINDS = {stat.S_IFCHR: tar.CHARACTER, stat.S_IFBLK: tar.BLOCK, stat.S_IFIFO: tar.FIFO}


def filling(tree: Tree, picked: Picked, target: str, manner: Manner) -> Filling:
    """Return how the empty directory `target` of a layer is filled with the content of a picked directory of `tree`."""

    def write(directory: int, archive: TarWriter, epoch: int) -> None:
        filler = _Filler(tree, manner, archive, target, epoch)
        try:
            filler.enter(picked.root.path, "", directory)
            for entry, place in picked.below:
                filler.add(entry, place)
        finally:
            filler.leave_all()

    return Filling(target, write)


class _Level:
    """A directory on the way down: its place, where it is read and where it is written (descriptors)."""

    def __init__(self, place: str, source: int, target: int) -> None:
        self.place = place
        self.source = source
        self.target = target


class _Filler:
    def __init__(self, tree: Tree, manner: Manner, archive: TarWriter, target: str, epoch: int) -> None:
        self._tree = tree
        self._manner = manner
        self._archive = archive
        self._prefix = f"{target}/" if target else ""
        # What is made now would have this moment's time, and no time of a layer is later than its epoch.
        self._seconds = min(int(time.time()), epoch)
        self._epoch = epoch
        self._levels: list[_Level] = []
        self._places: dict[tuple[int, int], str] = {}

    def enter(self, source: str, place: str, target: int) -> None:
        """Go down into a directory; `target` is closed when it is left."""
        try:
            self._levels.append(_Level(place, open_in_root(self._tree.fd, source or ".", _DIRECTORY), target))
        except BaseException:
            os.close(target)
            raise

    def leave_all(self) -> None:
        """Go up to the top."""
        while self._levels:
            self._leave()

    def add(self, entry: Entry, place: str) -> None:
        """Copy one entry and write it to the archive; the directories above it come before it."""
        above, name = posixpath.split(place)
        while self._levels[-1].place != above:
            self._leave()
        level = self._levels[-1]
        if name.startswith(".wh."):
            why = "in a layer, a name that begins with .wh. says that a file was removed"
            raise ImageError(f"pack {self._prefix}{place}", why)
        if entry.is_dir:
            self._add_directory(entry, place, name, level)
        elif stat.S_ISSOCK(entry.mode) or _is_whiteout(entry):
            return  # no layer can hold the one, and the other would remove something
        elif entry.links > 1 and self._add_link(entry, place, name, level):
            return
        elif entry.is_file:
            self._add_file(entry, place, name, level)
        else:
            self._add_other(entry, place, name, level)

    def _leave(self) -> None:
        level = self._levels.pop()
        try:
            os.utime(level.target, ns=(self._seconds * _SECOND, self._seconds * _SECOND))
        finally:
            os.close(level.source)
            os.close(level.target)

    def _entry(self, entry: Entry, place: str, kind: bytes, seconds: int) -> tar.Entry:
        uid, gid = self._owner(entry)
        name = os.fsencode(self._prefix + place)
        return tar.Entry(name, kind, self._mode(entry), uid, gid, 0, seconds)

    def _owner(self, entry: Entry) -> tuple[int, int]:
        return self._manner.owner or (entry.uid, entry.gid)

    def _mode(self, entry: Entry) -> int:
        return self._manner.mode.apply(entry.mode) if self._manner.mode else stat.S_IMODE(entry.mode)

    def _xattrs(self, entry: Entry, target: int | str) -> Xattrs:
        """Copy the attributes of an entry and return them as an archive has them."""
        if not self._tree.owned:
            return ()
        found = self._tree.xattrs(entry)
        for name, value in found:
            os.setxattr(target, name, value)
        return tuple(sorted((os.fsencode(name), value) for name, value in found))

    def _add_directory(self, entry: Entry, place: str, name: str, level: _Level) -> None:
        os.mkdir(name, 0o700, dir_fd=level.target)
        fd = os.open(name, _DIRECTORY, dir_fd=level.target)
        try:
            os.fchown(fd, *self._owner(entry))
            os.fchmod(fd, self._mode(entry))
            attributes = self._xattrs(entry, fd)
        except BaseException:
            os.close(fd)
            raise
        self._archive.add(self._entry(entry, place, tar.DIRECTORY, self._seconds)._replace(xattrs=attributes))
        self.enter(entry.path, place, fd)

    def _add_link(self, entry: Entry, place: str, name: str, level: _Level) -> bool:
        """Make one more name of a file that was copied before; tell whether there was one."""
        first = self._places.setdefault(entry.file, place)
        if first == place:
            return False
        top = self._levels[0].target
        os.link(first, name, src_dir_fd=top, dst_dir_fd=level.target, follow_symlinks=False)
        seconds = self._file_seconds(entry) if entry.is_file else self._seconds
        linked = self._entry(entry, place, tar.HARDLINK, seconds)
        mode = 0o777 if entry.is_link else linked.mode
        self._archive.add(linked._replace(link=os.fsencode(self._prefix + first), mode=mode))
        return True

    def _file_seconds(self, entry: Entry) -> int:
        """Return a file's time: its own where it comes from a layer; a context's are facts of one host."""
        return min(entry.mtime // _SECOND, self._epoch) if self._tree.owned else self._seconds

    def _add_file(self, entry: Entry, place: str, name: str, level: _Level) -> None:
        source = os.open(posixpath.basename(entry.path), _READ, dir_fd=level.source)
        try:
            file = os.open(name, NEW_FILE, 0o600, dir_fd=level.target)
            try:
                data = b""
                if entry.size > _CHUNK:
                    copy_content(source, file, entry.size)
                else:
                    data = os.read(source, _CHUNK + 1)
                    _write(file, data)
                seen = os.fstat(source)
                if (seen.st_size, seen.st_mtime_ns, seen.st_ino) != (entry.size, entry.mtime, entry.file[1]):
                    raise changed_meanwhile(entry)
                attributes = self._dress(entry, file)
                header = self._entry(entry, place, tar.FILE, self._file_seconds(entry))
                self._archive.add(header._replace(size=entry.size, xattrs=attributes), data)
                if entry.size > _CHUNK:
                    self._archive_large(name, entry, level)
            finally:
                os.close(file)
        finally:
            os.close(source)

    def _dress(self, entry: Entry, file: int) -> Xattrs:
        # chown clears setuid and capabilities, so mode and attributes come after it; every change sets times.
        os.fchown(file, *self._owner(entry))
        os.fchmod(file, self._mode(entry))
        attributes = self._xattrs(entry, file)
        when = self._file_seconds(entry) * _SECOND
        os.utime(file, ns=(when, when))
        return attributes

    def _archive_large(self, name: str, entry: Entry, level: _Level) -> None:
        file = os.open(name, _READ, dir_fd=level.target)
        try:
            while data := os.read(file, _CHUNK):
                self._archive.put(data)
        finally:
            os.close(file)
        self._archive.pad(entry.size)

    def _add_other(self, entry: Entry, place: str, name: str, level: _Level) -> None:
        times = (self._seconds * _SECOND, self._seconds * _SECOND)
        if entry.is_link:
            os.symlink(entry.target, name, dir_fd=level.target)
            os.chown(name, *self._owner(entry), dir_fd=level.target, follow_symlinks=False)
            os.utime(name, ns=times, dir_fd=level.target, follow_symlinks=False)
            made = self._entry(entry, place, tar.SYMLINK, self._seconds)
            self._archive.add(made._replace(link=os.fsencode(entry.target), mode=0o777))
            return
        os.mknod(name, entry.mode, entry.rdev, dir_fd=level.target)
        fd = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=level.target)
        try:
            path = magic_link(fd)
            os.chown(path, *self._owner(entry))
            os.chmod(path, self._mode(entry))
            attributes = self._xattrs(entry, path)
            os.utime(path, ns=times)
        finally:
            os.close(fd)
        made = self._entry(entry, place, _KINDS[stat.S_IFMT(entry.mode)], self._seconds)._replace(xattrs=attributes)
        if not stat.S_ISFIFO(entry.mode):
            made = made._replace(major=os.major(entry.rdev), minor=os.minor(entry.rdev))
        self._archive.add(made)


def _is_whiteout(entry: Entry) -> bool:
    return stat.S_ISCHR(entry.mode) and entry.rdev == 0


def _write(file: int, data: bytes) -> None:
    written = os.write(file, data) if data else 0
    while written < len(data):
        written += os.write(file, memoryview(data)[written:])
