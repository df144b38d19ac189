"""TarReader: the members of a tar stream, whoever wrote it, in one pass and with distrust.

Read are ustar, pax and GNU archives with their extensions: long names, base-256 numbers, sparse files in all four
dialects. A damaged header, a negative or immense size, an oversized extension is refused rather than guessed at.
Global pax headers are skipped, as Go's and so docker's reader does: two readers must not see two archives.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from mydocker.errors import ImageError, UnsafeArchive
from mydocker.image import entry as tar
from mydocker.image.entry import BLOCK_SIZE, Entry
from mydocker.image.limits import LARGEST_HEADER, Limits
from mydocker.image.pax import Extension, parse_records
from mydocker.image.sparse import Extents, map_from_data, old_gnu_map
from mydocker.image.streams import ByteStream, cut_short

if TYPE_CHECKING:
    from collections.abc import Iterator

_OCTAL = b"01234567"
_ZEROS = bytes(BLOCK_SIZE)
_HEADER_ONLY = tar.HARDLINK + tar.SYMLINK + tar.CHARACTER + tar.BLOCK + tar.DIRECTORY + tar.FIFO
_FILE_KINDS = b"\0" + b"07S"
_LINKS = tar.HARDLINK + tar.SYMLINK


class TarReader:
    """Iterates over members; `pieces` gives the current one's data, `extents` tells where in the file it belongs.

    `strict_end` asks for the end-of-archive mark: without it, an archive that was cut between two members would look
    whole. Layers, whose digest is known, may lack the mark.
    """

    def __init__(
        self, source: Iterator[bytes] | ByteStream, limits: Limits | None = None, *, strict_end: bool = False
    ) -> None:
        self._stream = source if isinstance(source, ByteStream) else ByteStream(source)
        self._limits = limits or Limits()
        self._strict_end = strict_end
        self._pending = 0
        self._padding = 0
        self._count = 0
        self.extents: Extents = ()

    def __iter__(self) -> Iterator[Entry]:
        extension = Extension()
        while True:
            self._skip_rest()
            header = self._stream.take(BLOCK_SIZE)
            if not header or header == _ZEROS:
                self._end(bool(header))
                return
            self._count += 1
            if self._count > self._limits.entries:
                why = f"it has more than {self._limits.entries} entries"
                raise UnsafeArchive("read a tar archive", why, "raise MYDOCKER_MAX_LAYER_ENTRIES if you trust it")
            _check_sum(header)
            kind = header[156:157]
            if kind in b"xgLKV":
                extension = self._extend(extension, kind, header)
                continue
            yield self._member(kind, header, extension)
            extension = Extension()

    def pieces(self) -> Iterator[memoryview]:
        """Yield the data of the current member, to be taken before the next one is asked for."""
        while self._pending:
            for piece in self._stream.pieces(self._pending):
                self._pending -= len(piece)
                yield piece

    def data(self) -> bytes:
        """Return the whole data of the current member, for small ones."""
        data = self._stream.take(self._pending)
        if len(data) != self._pending:
            raise cut_short()
        self._pending = 0
        return data

    def _skip_rest(self) -> None:
        rest = self._pending + self._padding
        if rest:
            self._stream.skip(rest)
        self._pending = self._padding = 0

    def _end(self, marked: bool) -> None:
        if marked:
            self._stream.drain()
        elif self._strict_end:
            raise ImageError("read a tar archive", "its end is missing", "was it copied whole?")

    def _extend(self, extension: Extension, kind: bytes, header: bytes) -> Extension:
        size = _number(header[124:136], "size")
        if not 0 <= size <= LARGEST_HEADER:
            raise UnsafeArchive("read a tar archive", f"an extended header claims {size} bytes")
        data = self._stream.take(size)
        if len(data) != size:
            raise cut_short()
        self._padding = -size % BLOCK_SIZE
        if kind == b"x":
            return parse_records(data, extension)
        if kind == b"L":
            return extension._replace(path=_until_nul(data))
        if kind == b"K":
            return extension._replace(link=_until_nul(data))
        return extension

    def _member(self, kind: bytes, header: bytes, extension: Extension) -> Entry:
        raw_name = extension.path or _header_name(header)
        if kind in _FILE_KINDS:
            kind = tar.DIRECTORY if kind == b"\0" and raw_name.endswith(b"/") else kind.translate(_AS_FILE)
        elif kind not in _HEADER_ONLY:
            raise ImageError(f"read a tar archive at {_show(raw_name)}", f"unknown type {kind!r}")
        size = 0
        if kind == tar.FILE or kind == b"S":
            size = self._locate(kind, header, extension)
            kind = tar.FILE
        uid = _number(header[108:116], "uid") if extension.uid is None else extension.uid
        gid = _number(header[116:124], "gid") if extension.gid is None else extension.gid
        if extension.mtime is None:
            mtime, nanoseconds = _number(header[136:148], "mtime"), 0
        else:
            mtime, nanoseconds = extension.mtime
        link = (extension.link or _until_nul(header[157:257])) if kind in _LINKS else b""
        major = minor = 0
        if kind in (tar.CHARACTER, tar.BLOCK):
            major, minor = _number(header[329:337], "device"), _number(header[337:345], "device")
        mode = _number(header[100:108], "mode") & 0o7777
        name = clean(raw_name)
        return Entry(name, kind, mode, uid, gid, size, mtime, link, major, minor, extension.xattrs, nanoseconds)

    def _locate(self, kind: bytes, header: bytes, extension: Extension) -> int:
        """Find where the data of a file is and belongs; return the size that the file has."""
        stored = extension.size if extension.size is not None else _number(header[124:136], "size")
        if not 0 <= stored <= self._limits.size:
            raise UnsafeArchive("read a tar archive", f"a file claims {stored} bytes", _HINT)
        self._pending, self._padding = stored, -stored % BLOCK_SIZE
        real: int = stored
        extents: Extents = ((0, stored),)
        if kind == b"S":
            real, extents = old_gnu_map(header, self._stream.take)
        elif extension.sparse_in_data:
            real = extension.sparse_size or 0
            extents, used = map_from_data(self._stream.take, stored)
            self._pending -= used
        elif extension.sparse_map is not None:
            real, extents = extension.sparse_size or 0, extension.sparse_map
        self.extents = extents
        if not 0 <= real <= self._limits.size:
            raise UnsafeArchive("read a tar archive", f"a sparse file claims {real} bytes", _HINT)
        _check_extents(extents, real, self._pending)
        return real


_HINT = "raise MYDOCKER_MAX_LAYER_SIZE if you trust it"
_AS_FILE = bytes.maketrans(b"\0" + b"7", b"00")


def clean(name: bytes) -> bytes:
    """Return `name` without leading, doubled and trailing slashes and `.`; `..` is left for the unpacker to judge."""
    return b"/".join([part for part in name.split(b"/") if part not in (b"", b".")])


def _check_sum(header: bytes) -> None:
    field = header[148:156].strip(b" \0")
    if not field or field.strip(_OCTAL) or int(field, 8) != sum(header) - sum(header[148:156]) + 256:
        raise ImageError("read a tar archive", "a header is damaged (wrong checksum)", "is this a tar archive at all?")


@lru_cache(maxsize=4096)  # owners, modes and times are much the same all over an archive
def _number(field: bytes, what: str) -> int:
    """Return the number in a header's field: octal digits, or GNU's base 256 where the first bit is set."""
    if field[0] & 0x80:
        return int.from_bytes(bytes((field[0] & 0x7F,)) + field[1:], "big") - (
            (field[0] & 0x40) << (8 * len(field) - 7)
        )
    digits = field.strip(b" \0")
    if digits.strip(_OCTAL):
        raise ImageError("read a tar archive", f"a header's {what} {field!r} is no number")
    return int(digits, 8) if digits else 0


def _until_nul(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _header_name(header: bytes) -> bytes:
    name = _until_nul(header[:100])
    # Only POSIX's magic promises a prefix; GNU's archives keep times in its place.
    if header[257:263] == b"ustar\0" and header[345]:
        return _until_nul(header[345:500]) + b"/" + name
    return name


def _check_extents(extents: Extents, size: int, stored: int) -> None:
    end = total = 0
    for offset, length in extents:
        if offset < end or length < 0 or offset + length > size:
            raise ImageError("read a tar archive", "the map of a sparse file is damaged")
        end = offset + length
        total += length
    if total != stored:
        raise ImageError("read a tar archive", "the map of a sparse file does not match its data")


def _show(name: bytes) -> str:
    return repr(name[:200].decode(errors="backslashreplace"))
