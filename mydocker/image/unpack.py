"""Unpacking: a tar stream into a directory. For layers, into the form that overlayfs takes as a lower directory.

Nothing is believed. Paths are resolved by `Places`; links are made between open directories and never followed; a later
entry replaces an earlier one of its name (removing it first, so that no write goes through a link); ownership is set
before modes, modes before capabilities; a hard link changes nothing of the file it names.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from mydocker.errors import ImageError, UnsafeArchive
from mydocker.image import entry as tar
from mydocker.image import xattrs
from mydocker.image.places import Implied, Places, show, unusable
from mydocker.image.tar_reader import clean
from mydocker.linux import files

if TYPE_CHECKING:
    from collections.abc import Callable

    from mydocker.image.entry import Entry
    from mydocker.image.tar_reader import TarReader

_WHITEOUT = b".wh."
_OPAQUE = b".wh..wh..opq"
# AUFS, where whiteouts come from, kept its own files under such names; they are no content (docker skips them too).
_BOOKKEEPING = b".wh..wh."
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LARGEST_ID = 2**32 - 2
_HOLE = 64 * 1024
_ZEROS = bytes(_HOLE)


def _plain(path: bytes) -> Implied:
    return Implied()


def _nothing_below(path: bytes) -> tuple[int, bytes] | None:
    return None


class UnpackRules(NamedTuple):
    """What an archive means where it is unpacked.

    `whiteouts`: names that begin with `.wh.` remove things, as in layers. `clamp_parents`: `..` is taken as in a
    chroot, where it stops at the root; otherwise an entry with it is refused. `only_capabilities`: of all xattrs, set
    only `security.capability`, as docker does for ADD. `keeps_root`: an entry for the archive's root changes nothing.
    `links_describe`: a hard link's own header goes for the file that it names, as it does in docker's ADD. `implied`
    says how a directory looks that the archive takes for granted, `below` where a hard link's file is that it takes for
    granted (an open directory and a path in it).
    """

    whiteouts: bool = True
    clamp_parents: bool = False
    only_capabilities: bool = False
    keeps_root: bool = False
    links_describe: bool = False
    implied: Callable[[bytes], Implied] = _plain
    below: Callable[[bytes], tuple[int, bytes] | None] = _nothing_below


class Unpacked(NamedTuple):
    """What was done: how many entries, and whether content below the layer was needed to do it."""

    entries: int
    leaned: bool


def unpack(reader: TarReader, root: int, rules: UnpackRules) -> Unpacked:
    """Unpack every entry of `reader` below the open directory `root`.

    Raises `UnsafeArchive` or `ImageError` for entries that cannot be meant well or cannot be had, `StoreError` or
    `OSError` where the disk refuses. What was unpacked until then stays: the caller has it in a workspace.
    """
    with Places(root, rules.implied) as places:
        unpacker = _Unpacker(reader, places, rules)
        count = 0
        for entry in reader:
            count += 1
            try:
                unpacker.add(entry)
            except OSError as failed:
                if told := unusable(entry.name, failed):
                    raise told from failed
                raise
        places.apply_times()
        return Unpacked(count, unpacker.leaned or places.made_up)


class _Unpacker:
    def __init__(self, reader: TarReader, places: Places, rules: UnpackRules) -> None:
        self._reader = reader
        self._places = places
        self._rules = rules
        self._stale = False
        self.leaned = False

    def add(self, entry: Entry) -> None:
        """Make what one entry says."""
        name = self._checked(entry.name)
        if not 0 <= entry.uid <= _LARGEST_ID or not 0 <= entry.gid <= _LARGEST_ID:
            raise UnsafeArchive(f"unpack {show(name)}", f"{entry.uid}:{entry.gid} is no owner a file can have")
        if not -(2**63) <= entry.mtime * 10**9 < 2**63:
            entry = entry._replace(mtime=max(-(2**33), min(entry.mtime, 2**33)), nanoseconds=0)
        above, _, base = name.rpartition(b"/")
        if not base:
            if self._rules.keeps_root:
                return
            if entry.kind == tar.DIRECTORY:
                self._finish_directory(self._places.directory(b""), b"", entry)
                return
            raise UnsafeArchive("unpack /", "the root of an archive can only be a directory")
        if self._stale:
            self._places.forget()
            self._stale = False
        parent = self._places.directory(above)
        if self._rules.whiteouts and base.startswith(_WHITEOUT):
            self._whiteout(parent, base, name)
        elif entry.kind == tar.FILE:
            self._file(parent, base, entry)
        elif entry.kind == tar.DIRECTORY:
            self._directory(parent, base, name, entry)
        elif entry.kind == tar.HARDLINK:
            self._hardlink(parent, base, entry)
        elif entry.kind == tar.SYMLINK:
            self._symlink(parent, base, entry)
        else:
            self._special(parent, base, entry)

    def _checked(self, name: bytes) -> bytes:
        """Return the path to make: `..` refused or taken as in a chroot, whiteouts only where they can be."""
        if b".." in name:
            parts: list[bytes] = []
            for part in name.split(b"/"):
                if part != b"..":
                    parts.append(part)
                elif not self._rules.clamp_parents:
                    raise UnsafeArchive(f"unpack {show(name)}", "a path in a layer cannot have '..' in it")
                elif parts:
                    parts.pop()
            name = b"/".join(parts)
        if self._rules.whiteouts and (name.startswith(_WHITEOUT) or b"/.wh." in name):
            above, _, _ = name.rpartition(b"/")
            if above.startswith(_WHITEOUT) or b"/.wh." in above:
                raise UnsafeArchive(f"unpack {show(name)}", "a whiteout has nothing below it")
        return name

    def _file(self, parent: int, base: bytes, entry: Entry) -> None:
        try:
            fd = os.open(base, _CREATE, 0o600, dir_fd=parent)
        except FileExistsError:
            self._clear(parent, base)
            fd = os.open(base, _CREATE, 0o600, dir_fd=parent)
        try:
            if entry.size:
                self._write(fd, entry.size)
            os.fchown(fd, entry.uid, entry.gid)
            os.fchmod(fd, entry.mode)
            if entry.xattrs:
                self._attributes(fd, entry)
            nanoseconds = entry.mtime * 10**9 + entry.nanoseconds
            os.utime(fd, ns=(nanoseconds, nanoseconds))
        finally:
            os.close(fd)

    def _write(self, fd: int, size: int) -> None:
        extents = self._reader.extents
        if size <= _HOLE and extents == ((0, size),):
            files.write_all(fd, self._reader.data())
            return
        os.ftruncate(fd, size)
        spans = iter(extents)
        at, left = 0, 0
        for piece in self._reader.pieces():
            used = 0
            while used < len(piece):
                while not left:
                    at, left = next(spans)
                step = min(left, len(piece) - used, _HOLE)
                block = piece[used : used + step]
                # A block of zeros is left a hole, so that a file that was sparse once is so again.
                if block != _ZEROS[:step]:
                    os.pwrite(fd, block, at)
                at, left, used = at + step, left - step, used + step

    def _directory(self, parent: int, base: bytes, name: bytes, entry: Entry) -> None:
        opaque = False
        try:
            os.mkdir(base, 0o700, dir_fd=parent)
        except FileExistsError:
            facts = os.stat(base, dir_fd=parent, follow_symlinks=False)
            if not stat.S_ISDIR(facts.st_mode):
                self._clear(parent, base)
                opaque = self._rules.whiteouts and files.is_whiteout(facts)
                os.mkdir(base, 0o700, dir_fd=parent)
        fd = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            if opaque:
                _make_opaque(fd)
            self._finish_directory(fd, name, entry)
        finally:
            os.close(fd)

    def _finish_directory(self, fd: int, name: bytes, entry: Entry) -> None:
        os.fchown(fd, entry.uid, entry.gid)
        os.fchmod(fd, entry.mode)
        self._attributes(fd, entry)
        self._places.set_time(name, entry.mtime * 10**9 + entry.nanoseconds)

    def _hardlink(self, parent: int, base: bytes, entry: Entry) -> None:
        target = self._checked(clean(entry.link))
        above, _, name = target.rpartition(b"/")
        try:
            source = self._places.existing(above)
        except (FileNotFoundError, NotADirectoryError):
            source = -1
        try:
            facts = _stat(source, name) if source >= 0 else None
            if facts is None or (self._rules.whiteouts and files.is_whiteout(facts)):
                self._link_from_below(parent, base, target, entry)
                return
            if stat.S_ISDIR(facts.st_mode):
                raise UnsafeArchive(f"unpack {show(entry.name)}", f"a hard link to the directory {show(target)}")
            there = _stat(parent, base)
            if there is not None:
                if (there.st_dev, there.st_ino) == (facts.st_dev, facts.st_ino):
                    return
                self._clear(parent, base)
            os.link(name, base, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)
            if self._rules.links_describe and stat.S_ISREG(facts.st_mode):
                self._describe_again(parent, base, entry)
        finally:
            if source >= 0:
                os.close(source)

    def _describe_again(self, parent: int, base: bytes, entry: Entry) -> None:
        fd = os.open(base, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=parent)
        try:
            os.fchown(fd, entry.uid, entry.gid)
            os.fchmod(fd, entry.mode)
        finally:
            os.close(fd)

    def _link_from_below(self, parent: int, base: bytes, target: bytes, entry: Entry) -> None:
        """Make a copy of a file that lies in a lower layer: what overlayfs does for a link made to it (copy-up)."""
        found = self._rules.below(target)
        if found is None:
            why = f"its hard link's target {show(target)} is not there"
            raise UnsafeArchive(f"unpack {show(entry.name)}", why, "the archive is damaged or was made to do harm")
        from mydocker.image.copy import copy_node

        self.leaned = True
        root, path = found
        self._clear(parent, base)
        copy_node(root, path, parent, base)

    def _symlink(self, parent: int, base: bytes, entry: Entry) -> None:
        if not entry.link or b"\0" in entry.link:
            raise ImageError(f"unpack {show(entry.name)}", "a symlink without a text")
        try:
            os.symlink(entry.link, base, dir_fd=parent)
        except FileExistsError:
            self._clear(parent, base)
            os.symlink(entry.link, base, dir_fd=parent)
        os.chown(base, entry.uid, entry.gid, dir_fd=parent, follow_symlinks=False)
        nanoseconds = entry.mtime * 10**9 + entry.nanoseconds
        os.utime(base, ns=(nanoseconds, nanoseconds), dir_fd=parent, follow_symlinks=False)

    def _special(self, parent: int, base: bytes, entry: Entry) -> None:
        kind = {tar.CHARACTER: stat.S_IFCHR, tar.BLOCK: stat.S_IFBLK, tar.FIFO: stat.S_IFIFO}[entry.kind]
        if not 0 <= entry.major < 2**12 or not 0 <= entry.minor < 2**20:
            raise UnsafeArchive(f"unpack {show(entry.name)}", f"there is no device {entry.major}:{entry.minor}")
        if kind == stat.S_IFCHR and not entry.major and not entry.minor:
            raise UnsafeArchive(f"unpack {show(entry.name)}", "a device 0:0 would hide files of other layers")
        self._clear(parent, base)
        device = 0 if kind == stat.S_IFIFO else os.makedev(entry.major, entry.minor)
        os.mknod(base, kind | 0o600, device, dir_fd=parent)
        os.chown(base, entry.uid, entry.gid, dir_fd=parent, follow_symlinks=False)
        # chmod(2) has no way not to follow a link, so it goes by a descriptor that cannot be swapped.
        fd = os.open(base, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            os.chmod(f"/proc/self/fd/{fd}", entry.mode)
        finally:
            os.close(fd)
        if entry.xattrs:
            self._attributes(files.entry_path(parent, base), entry)
        nanoseconds = entry.mtime * 10**9 + entry.nanoseconds
        os.utime(base, ns=(nanoseconds, nanoseconds), dir_fd=parent, follow_symlinks=False)

    def _whiteout(self, parent: int, base: bytes, name: bytes) -> None:
        """Hide what lower layers have under a name; what this layer has under it, before or after, stays."""
        if base == _OPAQUE:
            _make_opaque(parent)
            return
        if base.startswith(_BOOKKEEPING):
            return
        hidden = base[len(_WHITEOUT) :]
        if hidden in (b"", b".", b".."):
            raise UnsafeArchive(f"unpack {show(name)}", "a whiteout of nothing that a directory can hold")
        facts = _stat(parent, hidden)
        if facts is None:
            os.mknod(hidden, stat.S_IFCHR, 0, dir_fd=parent)
            os.utime(hidden, ns=(0, 0), dir_fd=parent, follow_symlinks=False)
        elif stat.S_ISDIR(facts.st_mode):
            fd = os.open(hidden, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
            try:
                _make_opaque(fd)
            finally:
                os.close(fd)

    def _clear(self, parent: int, base: bytes) -> None:
        """Remove what is in the way. Cached directories may have been below it or reached through it."""
        facts = _stat(parent, base)
        if facts is None:
            return
        if stat.S_ISDIR(facts.st_mode):
            files.remove_tree(parent, base)
        else:
            os.unlink(base, dir_fd=parent)
        if not stat.S_ISREG(facts.st_mode):
            self._stale = True

    def _attributes(self, target: int | bytes, entry: Entry) -> None:
        wanted = entry.xattrs
        if self._rules.only_capabilities:
            wanted = tuple(pair for pair in wanted if pair[0] == b"security.capability")
        xattrs.write(target, wanted, entry.name)


def _make_opaque(fd: int) -> None:
    os.setxattr(fd, xattrs.OPAQUE[0], b"y")


def _stat(parent: int, base: bytes) -> os.stat_result | None:
    try:
        return os.stat(base, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None
