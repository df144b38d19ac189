"""Hostile archives, header by header: what no honest writer makes; and a box to open them in."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import time
from typing import TYPE_CHECKING, NamedTuple

import pytest

from mydocker.errors import ImageError
from mydocker.image.digest import DiffID
from mydocker.image.layout import Layout
from mydocker.image.manifest import OCI_LAYER, Descriptor, Layer
from mydocker.image.store import ImageStore
from tests.system.image.trees import describe

if TYPE_CHECKING:
    from pathlib import Path

    from mydocker.image.limits import Limits

BLOCK = 512
DIR, SYMLINK, HARDLINK, CHARACTER, BLOCK_DEVICE, FIFO = b"5", b"2", b"1", b"3", b"4", b"6"


class Member(NamedTuple):
    """A member written without any check. `size` is what the header claims (-1: the truth)."""

    name: bytes
    kind: bytes = b"0"
    data: bytes = b""
    link: bytes = b""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    size: int = -1
    device: tuple[int, int] = (0, 0)
    pax: tuple[tuple[bytes, bytes], ...] = ()


def archive(*members: Member, end: bool = True) -> bytes:
    """Return the archive of these members, in this order."""
    return b"".join(encode(member) for member in members) + (bytes(2 * BLOCK) if end else b"")


def encode(member: Member) -> bytes:
    out = b""
    if member.pax:
        out += pax(b"".join(record(key, value) for key, value in member.pax))
    name = member.name
    if len(name) > 100:
        out += header(b"././@LongLink", b"L", len(name)) + padded(name)
        name = name[:100]
    link = member.link
    if len(link) > 100:
        out += header(b"././@LongLink", b"K", len(link)) + padded(link)
        link = link[:100]
    size = len(member.data) if member.size < 0 else member.size
    return out + header(name, member.kind, size, member, link) + padded(member.data)


def pax(data: bytes, claimed: int | None = None) -> bytes:
    return header(b"pax", b"x", len(data) if claimed is None else claimed) + padded(data)


def record(key: bytes, value: bytes) -> bytes:
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    if len(str(length)) != len(str(rest)):
        length = rest + len(str(length))
    return b"%d %b=%b\n" % (length, key, value)


def header(name: bytes, kind: bytes, size: int, member: Member | None = None, link: bytes = b"") -> bytes:
    about = member or Member(name)
    fields = b"".join(
        (
            name.ljust(100, b"\0"),
            number(about.mode, 8),
            number(about.uid, 8),
            number(about.gid, 8),
            number(size, 12),
            number(about.mtime, 12),
            b" " * 8,
            kind,
            link.ljust(100, b"\0"),
            b"ustar\x0000",
            bytes(64),
            number(about.device[0], 8),
            number(about.device[1], 8),
        )
    ).ljust(BLOCK, b"\0")
    return fields[:148] + b"%06o\0 " % sum(fields) + fields[156:]


def number(value: int, width: int) -> bytes:
    """Octal where it fits, else GNU's base 256, which can be negative."""
    if 0 <= value < 1 << (3 * (width - 1)):
        return f"{value:0{width - 1}o}\0".encode()
    raw = (value & ((1 << (8 * (width - 1))) - 1)).to_bytes(width - 1, "big")
    return (b"\xff" if value < 0 else b"\x80") + raw


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


def honest(**files: bytes) -> bytes:
    """Return what tarfile makes of a few files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


class Box:
    """A store in a directory with a secret beside it that no layer may touch."""

    def __init__(self, place: Path, limits: Limits) -> None:
        self.place = place
        self.secret = place / "secret"
        self.secret.mkdir()
        (self.secret / "file").write_text("untouched")
        self.store = ImageStore(Layout.open(str(place / "store")), limits=limits)

    def unpack(self, data: bytes, *below: bytes) -> str:
        """Unpack a layer on top of others and return its snapshot."""
        layers = [self.put(each) for each in (*below, data)]
        self.store.stack_dirs(tuple(layers))
        found = self.store.snapshots.find(tuple(layer.diff_id for layer in layers))[-1]
        assert found is not None
        return found

    def refuses(self, data: bytes, *below: bytes, match: str | None = None) -> None:
        """The layer is refused, in time, and nothing of it is there."""
        start = time.monotonic()
        with pytest.raises(ImageError, match=match):
            self.unpack(data, *below)
        assert time.monotonic() - start < 5
        assert os.listdir(self.store.layout.tmp) == []
        expected = {hashlib.sha256(each).hexdigest() for each in below}
        assert set(os.listdir(self.store.layout.snapshots)) <= expected

    def put(self, data: bytes) -> Layer:
        digest = self.store.blobs.put_bytes(data)
        return Layer(DiffID.of(data), Descriptor(OCI_LAYER, digest, len(data)))

    def check(self) -> None:
        assert describe(self.secret) == self._before

    def watch(self) -> None:
        self._before = describe(self.secret)


def write_file(place: Path, data: bytes) -> str:
    (place / "archive").write_bytes(data)
    return str(place / "archive")
