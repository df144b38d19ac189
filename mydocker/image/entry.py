"""Entry: one member of a tar archive, and how it is written as bytes.

One writer with one fixed rule, so that equal entries are equal bytes everywhere: POSIX ustar (IEEE 1003.1, pax,
"ustar Interchange Format"); a pax record only for what ustar cannot say, records sorted; no user or group names; times
in whole seconds; no access or change times. Names are bytes, as the kernel has them.
"""

from __future__ import annotations

from typing import NamedTuple

FILE, HARDLINK, SYMLINK, CHARACTER, BLOCK, DIRECTORY, FIFO = b"0", b"1", b"2", b"3", b"4", b"5", b"6"
BLOCK_SIZE = 512
END = bytes(2 * BLOCK_SIZE)

# Type, link, magic and version, no names of user and group, device numbers, prefix.
_TAIL = b"%b%bustar\x0000" + bytes(64) + b"%07o\0%07o\0%b" + bytes(12)
_LARGEST_ID = 0o7777777
_LARGEST_NUMBER = 0o77777777777
_PAX_NAME = b"././@PaxHeader"
XATTR_RECORD = b"SCHILY.xattr."


class Entry(NamedTuple):
    """A member of an archive.

    `name` has neither leading nor trailing slash and is empty for the root itself; `mtime` is in seconds (`nanoseconds`
    more, which are read but never written); `size` is that of the file; `link` is a symlink's text or the name of the
    file that a hard link shares.
    """

    name: bytes
    kind: bytes
    mode: int
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime: int = 0
    link: bytes = b""
    major: int = 0
    minor: int = 0
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    nanoseconds: int = 0


def escape(key: bytes) -> bytes:
    """Return an attribute's name as a record's key, which cannot have `=` in it: escaped as GNU tar does."""
    return key.replace(b"%", b"%25").replace(b"=", b"%3D")


def unescape(key: bytes) -> bytes:
    """Undo `escape`."""
    return key.replace(b"%3D", b"=").replace(b"%25", b"%")


def padding(size: int) -> bytes:
    """Return the zeros that fill `size` bytes of data up to whole blocks."""
    return bytes(-size % BLOCK_SIZE)


def encode(entry: Entry) -> bytes:
    """Return the header blocks of `entry`: a pax header first where ustar is not enough."""
    name = (entry.name or b".") + (b"/" if entry.kind == DIRECTORY else b"")
    records: list[tuple[bytes, bytes]] = [(XATTR_RECORD + escape(key), value) for key, value in entry.xattrs]
    prefix, short = _split(name)
    if not short:
        records.append((b"path", name))
        short = name[:100]
    link = entry.link
    if len(link) > 100:
        records.append((b"linkpath", link))
        link = link[:100]
    uid = _fits(entry.uid, _LARGEST_ID, b"uid", records)
    gid = _fits(entry.gid, _LARGEST_ID, b"gid", records)
    size = _fits(entry.size, _LARGEST_NUMBER, b"size", records)
    mtime = _fits(entry.mtime, _LARGEST_NUMBER, b"mtime", records)
    header = _ustar(short, prefix, entry, link, (uid, gid, size, mtime))
    return _pax(records) + header if records else header


def _fits(value: int, largest: int, key: bytes, records: list[tuple[bytes, bytes]]) -> int:
    """Return `value`, or 0 with a record for it where its field is too small or cannot have a sign."""
    if 0 <= value <= largest:
        return value
    records.append((key, b"%d" % value))
    return 0


def _split(name: bytes) -> tuple[bytes, bytes]:
    """Return prefix and name fields for `name`; an empty name field where ustar has no room for it.

    The first slash that leaves at most 100 bytes behind it is taken, which fixes the choice where there are several.
    """
    if len(name) <= 100:
        return b"", name
    if len(name) > 256:
        return b"", b""
    slash = name.find(b"/", len(name) - 101)
    if slash < 1 or slash > 155 or slash == len(name) - 1:
        return b"", b""
    return name[:slash], name[slash + 1 :]


def _ustar(name: bytes, prefix: bytes, entry: Entry, link: bytes, numbers: tuple[int, int, int, int]) -> bytes:
    uid, gid, size, mtime = numbers
    head = b"%b%07o\0%07o\0%07o\0%011o\0%011o\0" % (
        name.ljust(100, b"\0"), entry.mode & 0o7777, uid, gid, size, mtime,
    )  # fmt: skip
    tail = _TAIL % (entry.kind, link.ljust(100, b"\0"), entry.major, entry.minor, prefix.ljust(155, b"\0"))
    # The sum counts the field that it will stand in as eight spaces.
    return b"%b%06o\0 %b" % (head, sum(head) + sum(tail) + 8 * 0x20, tail)


def _pax(records: list[tuple[bytes, bytes]]) -> bytes:
    """Return an extended header with the records in sorted order, `hdrcharset` first where names are no UTF-8."""
    records.sort()
    if not all(_is_utf8(value) for key, value in records if key in (b"path", b"linkpath")):
        records.insert(0, (b"hdrcharset", b"BINARY"))
    data = b"".join(_record(key, value) for key, value in records)
    holder = Entry(_PAX_NAME, b"x", 0o644)
    header = _ustar(_PAX_NAME, b"", holder, b"", (0, 0, len(data), 0))
    return header + data + padding(len(data))


def _record(key: bytes, value: bytes) -> bytes:
    """Return `LENGTH KEY=VALUE\\n`, where the length counts its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    if len(str(length)) != len(str(rest)):
        length = rest + len(str(length))
    return b"%d %b=%b\n" % (length, key, value)


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
