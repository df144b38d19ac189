"""Where two layers that should be equal differ first."""

from __future__ import annotations

import hashlib

from mydocker.image import entry as tar
from mydocker.image.tar_reader import TarReader
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mydocker.image.entry import Entry

    Archive = Callable[[], Iterator[bytes]]  # gives the bytes of a tar archive from its beginning, each time anew

# Of a file that differs so much is read to find out why.
_READ = 4 << 20


class Difference(NamedTuple):
    """The first path at which two layers differ, in byte order, and in what.

    `kind` is "content", "name" (one layer has the path, the other has not) or an attribute: "mode", "owner", "time",
    "type", "link", "device", "extended attributes". `mine` and `theirs` are the contents, names or values.
    """

    path: str
    kind: str
    mine: bytes
    theirs: bytes


class _Facts(NamedTuple):
    """A member without its data, which is there as a hash."""

    entry: Entry
    sha256: str


def first_difference(mine: Archive, theirs: Archive) -> Difference | None:
    """Return the first difference of two layers, None where they have the same members."""
    ours, others = _members(mine()), _members(theirs())
    paths = sorted(ours.keys() | others.keys())
    for path in paths:
        one, other = ours.get(path), others.get(path)
        if one is None or other is None:
            return _missing(path, paths, ours, others)
        if difference := _attribute(path, one.entry, other.entry):
            return difference
        if one.sha256 != other.sha256:
            return Difference(_shown(path), "content", _content(mine(), path), _content(theirs(), path))
    return None


def _members(chunks: Iterator[bytes]) -> dict[bytes, _Facts]:
    found: dict[bytes, _Facts] = {}
    reader = TarReader(chunks)
    for entry in reader:
        digest = hashlib.sha256()
        for piece in reader.pieces():
            digest.update(piece)
        found[entry.name] = _Facts(entry, digest.hexdigest())
    return found


def _missing(path: bytes, paths: list[bytes], ours: dict[bytes, _Facts], others: dict[bytes, _Facts]) -> Difference:
    """Return a path that one layer lacks, with the one that the other has in its place, if there is one."""
    mine = path if path in ours else next((each for each in paths if each not in others), b"")
    theirs = path if path in others else next((each for each in paths if each not in ours), b"")
    return Difference(_shown(path), "name", mine, theirs)


def _attribute(path: bytes, one: Entry, other: Entry) -> Difference | None:
    pairs = (
        ("type", one.kind, other.kind),
        ("mode", b"%o" % one.mode, b"%o" % other.mode),
        ("owner", b"%d:%d" % (one.uid, one.gid), b"%d:%d" % (other.uid, other.gid)),
        ("link", one.link, other.link),
        ("device", b"%d:%d" % (one.major, one.minor), b"%d:%d" % (other.major, other.minor)),
        ("time", b"%d" % one.mtime, b"%d" % other.mtime),
        ("extended attributes", repr(one.xattrs).encode(), repr(other.xattrs).encode()),
    )
    for kind, mine, theirs in pairs:
        if mine != theirs:
            return Difference(_shown(path), kind, mine, theirs)
    return None


def _content(chunks: Iterator[bytes], path: bytes) -> bytes:
    reader = TarReader(chunks)
    for entry in reader:
        if entry.name == path and entry.kind == tar.FILE:
            data = b""
            for piece in reader.pieces():
                data += piece[: _READ - len(data)]
            return data
    return b""


def _shown(path: bytes) -> str:
    return "/" + path.decode("utf-8", "surrogateescape").strip("/")
