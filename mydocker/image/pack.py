"""Packing: a directory tree as the one tar stream that its content has.

Equal trees give equal bytes: the order is `walk`'s, headers are `entry`'s, times are clamped, holes are written out,
and nothing of the host appears. The first name of a hard-linked file, in that order, is the file; others link to it.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from mydocker.errors import ImageError
from mydocker.image import entry as tar
from mydocker.image import xattrs
from mydocker.image.entry import Entry, encode, padding
from mydocker.image.walk import Node, walk
from mydocker.linux import files

if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK = 1024 * 1024
_ZEROS = bytes(_CHUNK)
_WHITEOUT = b".wh."
_KINDS = {
    stat.S_IFCHR: tar.CHARACTER,
    stat.S_IFBLK: tar.BLOCK,
    stat.S_IFIFO: tar.FIFO,
}
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class PackRules(NamedTuple):
    """How a tree becomes a tar.

    Times later than `epoch` become it (None: they stay). With `whiteouts`, overlayfs' marks of removed names are
    written as the image-spec has them; without, such a device is refused. `skip` are paths left out, `root` adds the
    root itself.
    """

    epoch: int | None = None
    whiteouts: bool = True
    skip: frozenset[bytes] = frozenset()
    root: bool = False


class Packed(NamedTuple):
    """What was packed: how many entries, and the paths of sockets, which no archive can hold."""

    entries: int
    sockets: tuple[bytes, ...]


def pack(root: int, write: Callable[[bytes], None], rules: PackRules) -> Packed:
    """Send the tar of everything below the open directory `root` to `write`, in chunks of about a megabyte.

    With `rules.root` the root itself comes first, as `./`. Raises `ImageError` for names that a layer cannot have.
    """
    packer = _Packer(write, rules)
    if rules.root:
        facts = os.fstat(root)
        packer.add_directory(Node(b"", -1, b"", facts, root))
    skipped: bytes | None = None
    for node in walk(root):
        if skipped is not None and node.path.startswith(skipped):
            continue
        if node.path in rules.skip:
            skipped = node.path + b"/"
            continue
        packer.add(node)
    packer.finish()
    return Packed(packer.entries, tuple(packer.sockets))


class _Packer:
    def __init__(self, write: Callable[[bytes], None], rules: PackRules) -> None:
        self._write = write
        self._rules = rules
        self._parts: list[bytes] = []
        self._held = 0
        self._total = 0
        self._links: dict[tuple[int, int], bytes] = {}
        self.entries = 0
        self.sockets: list[bytes] = []

    def add(self, node: Node) -> None:
        """Write the entry of one node."""
        if node.name.startswith(_WHITEOUT):
            shown = os.fsdecode(node.path)
            raise ImageError(f"pack {shown}", "in a layer, a name that begins with .wh. says that a file was removed")
        kind = stat.S_IFMT(node.facts.st_mode)
        if kind == stat.S_IFDIR:
            self.add_directory(node)
        elif files.is_whiteout(node.facts):
            self._add_whiteout(node)
        elif kind == stat.S_IFSOCK:
            self.sockets.append(node.path)
        elif node.facts.st_nlink > 1 and self._add_link(node):
            pass
        elif kind == stat.S_IFREG:
            self._add_file(node)
        elif kind == stat.S_IFLNK:
            target = os.readlink(node.name, dir_fd=node.parent)
            self._emit(self._entry(node.path, tar.SYMLINK, node.facts)._replace(link=target, mode=0o777))
        else:
            self._add_special(node, _KINDS[kind])

    def add_directory(self, node: Node) -> None:
        """Write the entry of a directory, without what is in it."""
        self._emit(self._entry(node.path, tar.DIRECTORY, node.facts, xattrs.read(node.fd)))

    def finish(self) -> None:
        """Write the end of the archive and hand over what is held."""
        self._hold(tar.END)
        self._flush()

    def _entry(
        self, path: bytes, kind: bytes, facts: os.stat_result, attributes: xattrs.Xattrs = (), size: int = 0
    ) -> Entry:
        seconds = facts.st_mtime_ns // 10**9
        if self._rules.epoch is not None and seconds > self._rules.epoch:
            seconds = self._rules.epoch
        mode = facts.st_mode & 0o7777
        return Entry(path, kind, mode, facts.st_uid, facts.st_gid, size, seconds, xattrs=attributes)

    def _add_whiteout(self, node: Node) -> None:
        if not self._rules.whiteouts:
            raise ImageError(f"pack {os.fsdecode(node.path)}", "a character device 0:0 would remove files in a layer")
        name = node.path[: len(node.path) - len(node.name)] + _WHITEOUT + node.name
        self._emit(Entry(name, tar.FILE, 0o644))

    def _add_link(self, node: Node) -> bool:
        """Write a hard link if the file was seen before; tell whether."""
        key = (node.facts.st_dev, node.facts.st_ino)
        first = self._links.setdefault(key, node.path)
        if first == node.path:
            return False
        self._emit(self._entry(node.path, tar.HARDLINK, node.facts)._replace(link=first))
        return True

    def _add_special(self, node: Node, kind: bytes) -> None:
        attributes = xattrs.read(files.entry_path(node.parent, node.name))
        entry = self._entry(node.path, kind, node.facts, attributes)
        if kind != tar.FIFO:
            device = node.facts.st_rdev
            entry = entry._replace(major=os.major(device), minor=os.minor(device))
        self._emit(entry)

    def _add_file(self, node: Node) -> None:
        try:
            fd = os.open(node.name, _OPEN_FILE, dir_fd=node.parent)
        except FileNotFoundError:
            return
        try:
            facts = os.fstat(fd)
            if not stat.S_ISREG(facts.st_mode):
                return
            attributes = xattrs.read(fd)
            if facts.st_size > _CHUNK:
                self._emit(self._entry(node.path, tar.FILE, facts, attributes, facts.st_size))
                self._stream(fd, facts)
            else:
                # The header says how much was read, whatever somebody does to the file meanwhile.
                data = os.read(fd, facts.st_size) if facts.st_size else b""
                self._emit(self._entry(node.path, tar.FILE, facts, attributes, len(data)))
                self._hold(data)
        finally:
            os.close(fd)
        self._hold(padding(self._total))

    def _stream(self, fd: int, facts: os.stat_result) -> None:
        """Write a large file: exactly as many bytes as its header says, with zeros for holes and for what is gone."""
        at, size = 0, facts.st_size
        sparse = facts.st_blocks * 512 < size
        while at < size:
            data_at, data_end = _next_data(fd, at, size) if sparse else (at, size)
            while at < data_at:
                step = min(_CHUNK, data_at - at)
                self._hold(_ZEROS[:step])
                at += step
            while at < data_end:
                data = os.pread(fd, min(_CHUNK, data_end - at), at) or _ZEROS[: data_end - at]
                self._hold(data)
                at += len(data)

    def _emit(self, entry: Entry) -> None:
        self.entries += 1
        self._hold(encode(entry))

    def _hold(self, data: bytes) -> None:
        self._parts.append(data)
        self._held += len(data)
        self._total += len(data)
        if self._held >= _CHUNK:
            self._flush()

    def _flush(self) -> None:
        if self._held:
            self._write(b"".join(self._parts))
            self._parts.clear()
            self._held = 0


def _next_data(fd: int, at: int, size: int) -> tuple[int, int]:
    """Return where the next data at or after `at` begins and ends; both are `size` when only a hole is left."""
    try:
        begin = os.lseek(fd, at, os.SEEK_DATA)
    except OSError:
        # ENXIO: nothing but a hole up to the end (lseek(2)).
        return size, size
    return min(begin, size), min(os.lseek(fd, begin, os.SEEK_HOLE), size)
