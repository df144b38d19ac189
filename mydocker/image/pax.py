"""Pax records: what an extended header says about the member that follows (IEEE 1003.1, pax, "Extended Header")."""

from __future__ import annotations

from typing import NamedTuple

from mydocker.errors import ImageError
from mydocker.image.entry import XATTR_RECORD, unescape

_SPARSE = b"GNU.sparse."


class Extension(NamedTuple):
    """What extended headers change about the next member; `mtime` is seconds and nanoseconds."""

    path: bytes = b""
    link: bytes = b""
    size: int | None = None
    uid: int | None = None
    gid: int | None = None
    mtime: tuple[int, int] | None = None
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    sparse_size: int | None = None
    sparse_map: tuple[tuple[int, int], ...] | None = None
    sparse_in_data: bool = False


def parse_records(data: bytes, before: Extension) -> Extension:
    """Return `before` with the records in `data` added; raise `ImageError` where they are damaged."""
    found: dict[bytes, bytes] = {}
    offsets: list[bytes] = []
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + 20)
        end = at + int(data[at:space]) if space > at and data[at:space].isdigit() else 0
        record = data[space + 1 : end]
        key, equals, value = record[:-1].partition(b"=")
        if not space < end <= len(data) or not equals or not key or record[-1:] != b"\n":
            raise ImageError("read a tar archive", "an extended header is damaged")
        at = end
        if key in (_SPARSE + b"offset", _SPARSE + b"numbytes"):
            offsets.append(value)
        else:
            found[key] = value
    return _apply(found, offsets, before)


def _apply(found: dict[bytes, bytes], offsets: list[bytes], before: Extension) -> Extension:
    path, link = found.get(_SPARSE + b"name") or found.get(b"path", b""), found.get(b"linkpath", b"")
    if b"\0" in path or b"\0" in link:
        raise ImageError("read a tar archive", "an extended header has a NUL in a name")
    xattrs = tuple(
        sorted(
            (unescape(key[len(XATTR_RECORD) :]), value) for key, value in found.items() if key.startswith(XATTR_RECORD)
        )
    )
    extension = before._replace(
        path=path or before.path,
        link=link or before.link,
        size=_whole(found, b"size", before.size),
        uid=_whole(found, b"uid", before.uid),
        gid=_whole(found, b"gid", before.gid),
        mtime=_time(found[b"mtime"]) if b"mtime" in found else before.mtime,
        xattrs=xattrs or before.xattrs,
    )
    return _apply_sparse(found, offsets, extension)


def _apply_sparse(found: dict[bytes, bytes], offsets: list[bytes], extension: Extension) -> Extension:
    """Add GNU's three pax dialects of sparse files: 0.0 repeats keys, 0.1 has one list, 1.0 has the map in the data."""
    if found.get(_SPARSE + b"major") == b"1":
        real = _whole(found, _SPARSE + b"realsize", 0)
        return extension._replace(sparse_size=real, sparse_in_data=True)
    listed = found.get(_SPARSE + b"map")
    numbers = listed.split(b",") if listed else offsets
    if not numbers and _SPARSE + b"size" not in found:
        return extension
    if len(numbers) % 2 or not all(number.isdigit() and len(number) < 20 for number in numbers):
        raise ImageError("read a tar archive", "the map of a sparse file is damaged")
    values = [int(number) for number in numbers]
    pairs = tuple(zip(values[::2], values[1::2], strict=True))
    return extension._replace(sparse_size=_whole(found, _SPARSE + b"size", 0), sparse_map=pairs)


def _whole(found: dict[bytes, bytes], key: bytes, default: int | None) -> int | None:
    text = found.get(key)
    if text is None:
        return default
    digits = text.removeprefix(b"-")
    if not digits.isdigit() or len(digits) > 20:
        raise ImageError("read a tar archive", f"an extended header's {key.decode(errors='replace')} is no number")
    return int(text)


def _time(text: bytes) -> tuple[int, int]:
    """Return seconds, rounded down, and nanoseconds of a decimal time."""
    whole, _, fraction = text.partition(b".")
    digits = whole.removeprefix(b"-")
    if (digits and not digits.isdigit()) or len(digits) > 20 or (fraction and not fraction.isdigit()):
        raise ImageError("read a tar archive", "an extended header's mtime is no time")
    nanoseconds = int(fraction[:9].ljust(9, b"0")) if fraction else 0
    seconds = int(digits or b"0")
    if not whole.startswith(b"-"):
        return seconds, nanoseconds
    return (-seconds - 1, 10**9 - nanoseconds) if nanoseconds else (-seconds, 0)
