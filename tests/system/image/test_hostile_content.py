"""A hostile layer cannot fill the disk, smuggle metadata or hide bytes (48 to 52 of the threat list)."""

from __future__ import annotations

import hashlib
import os
import resource
import zlib
from typing import TYPE_CHECKING

import pytest
import zstandard

from mydocker.errors import DigestMismatch, ImageError, UnsafeArchive, UsageError
from mydocker.image.config import ImageConfig
from mydocker.image.digest import DiffID
from mydocker.image.layers import Expected
from mydocker.image.limits import Limits
from mydocker.image.manifest import OCI_LAYER, Descriptor, Layer
from tests.system.image.hostile import (
    BLOCK_DEVICE,
    CHARACTER,
    DIR,
    FIFO,
    HARDLINK,
    SYMLINK,
    Box,
    Member,
    archive,
    header,
    padded,
    pax,
    record,
    write_file,
)
from tests.system.image.trees import CAPABILITY, describe

if TYPE_CHECKING:
    from tests.system.image.hostile import Box

pytestmark = pytest.mark.root


# 48: extended attributes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [b"trusted.overlay.redirect", b"trusted.overlay.metacopy", b"trusted.overlay.opaque", b"user.overlay.opaque",
     b"user.overlay.redirect", b"trusted.anything", b"security.selinux", b"security.ima"],
)  # fmt: skip
def test_48_attributes_that_are_no_content_are_not_set(box: Box, name: bytes) -> None:
    attributes = ((b"SCHILY.xattr." + name, b"y"),)
    snapshot = box.unpack(archive(Member(b"d", DIR, pax=attributes), Member(b"f", data=b"x", pax=attributes)))
    assert os.listxattr(f"{snapshot}/d") == os.listxattr(f"{snapshot}/f") == []


def test_48_file_capability_survives_the_change_of_owner(box: Box) -> None:
    data = archive(Member(b"f", uid=7, data=b"x", pax=((b"SCHILY.xattr.security.capability", CAPABILITY),)))
    assert os.getxattr(f"{box.unpack(data)}/f", "security.capability") == CAPABILITY


def test_48_empty_capability_is_none(box: Box) -> None:
    members = [Member(b"d", DIR), Member(b"f", data=b"x")]
    empty = ((b"SCHILY.xattr.security.capability", b""),)
    snapshot = box.unpack(archive(*(member._replace(pax=empty) for member in members)))
    assert [fact.xattrs for fact in describe(snapshot).values()] == [(), ()]


def test_48_too_large_and_too_many_attributes_are_refused(box: Box) -> None:
    box.refuses(archive(Member(b"f", pax=((b"SCHILY.xattr.user.big", b"x" * 1_000_000),))), match="attribute")
    many = tuple((b"SCHILY.xattr.user.%d" % at, b"x") for at in range(100_000))
    box.refuses(archive(Member(b"f", pax=many)), match="attribute")


# 49: odd metadata ----------------------------------------------------------------------------------------------------


def test_49_devices_pipes_and_bits_are_made_as_they_are(box: Box) -> None:
    found = describe(
        box.unpack(
            archive(
                Member(b"null", CHARACTER, device=(1, 3), mode=0o666),
                Member(b"disk", BLOCK_DEVICE, device=(259, 7), mode=0o640, gid=6),
                Member(b"pipe", FIFO, mode=0o622),
                Member(b"su", data=b"x", mode=0o6755, uid=1),
            )
        )
    )
    assert [(fact.kind, fact.mode, fact.device) for fact in found.values()] == [
        ("b", 0o640, (259, 7)), ("c", 0o666, (1, 3)), ("p", 0o622, (0, 0)), ("-", 0o6755, (0, 0)),
    ]  # fmt: skip


@pytest.mark.parametrize("uid", [-1, 2**32 - 1, 2**32, 2**55])
def test_49_owner_that_cannot_be_is_refused(box: Box, uid: int) -> None:
    box.refuses(archive(Member(b"f", uid=uid)), match="owner")
    box.refuses(archive(Member(b"f", pax=((b"gid", b"%d" % uid),))), match="owner")


def test_49_largest_owner_is_kept(box: Box) -> None:
    assert describe(box.unpack(archive(Member(b"f", uid=2**32 - 2, gid=2**31))))["f"].uid == 2**32 - 2


@pytest.mark.parametrize("mtime", [2**63, -(2**63), 2**40, -(2**40), 2**87])
def test_49_immense_times_are_bounded(box: Box, mtime: int) -> None:
    members = Member(b"f"), Member(b"d", DIR), Member(b"s", SYMLINK, link=b"x"), Member(b"p", FIFO)
    box.unpack(archive(*(member._replace(mtime=mtime) for member in members)))


def test_49_unknown_types_and_impossible_devices_are_refused(box: Box) -> None:
    box.refuses(archive(Member(b"s", b"s")), match="type")
    box.refuses(archive(Member(b"s", CHARACTER, device=(2**20, 1))), match="device")
    box.refuses(archive(Member(b"s", BLOCK_DEVICE, device=(-1, 1))), match="device")


# 50: bombs -----------------------------------------------------------------------------------------------------------


def gzip_bomb(size: int) -> bytes:
    machine = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = header(b"zeros", b"0", size)
    parts = [machine.compress(head)]
    parts += [machine.compress(bytes(2**20)) for _ in range(size >> 20)]
    return b"".join([*parts, machine.flush()])


def test_50_gzip_and_zstd_bombs_are_refused(box: Box) -> None:
    box.refuses(gzip_bomb(63 * 2**20), match="expands")
    plain = header(b"zeros", b"0", 63 * 2**20) + bytes(63 * 2**20)
    box.refuses(zstandard.ZstdCompressor(level=19).compress(plain), match="expands")
    frames = zstandard.ZstdCompressor(level=19).compress(bytes(2**20)) * 100
    box.refuses(zstandard.ZstdCompressor().compress(header(b"z", b"0", 63 * 2**20)) + frames, match="expands")


def test_50_more_than_the_size_limit_is_refused(box: Box) -> None:
    box.refuses(archive(Member(b"f", size=65 * 2**20)), match="claims")
    box.refuses(gzip_bomb(65 * 2**20), match="claims|larger|expands")


@pytest.mark.parametrize("size", [-1, -512, 2**63, 2**86, -(2**86)])
def test_50_sizes_that_cannot_be_are_refused(box: Box, size: int) -> None:
    raw = (size & (2**88 - 1)).to_bytes(11, "big")
    block = header(b"f", b"0", 0)
    block = block[:124] + (b"\xff" if size < 0 else b"\x80") + raw + block[136:]
    block = block[:148] + b"        " + block[156:]
    block = block[:148] + b"%06o\0 " % sum(block) + block[156:]
    box.refuses(block + bytes(2048), match="claims")
    box.refuses(archive(Member(b"f", pax=((b"size", b"%d" % size),))), match="claims|number")


def test_50_window_of_two_gigabytes_is_refused(box: Box) -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=31, enable_ldm=True)
    machine = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = machine.compress(archive(Member(b"f", data=b"x"))) + machine.flush()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    box.refuses(data, match="window")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_50_sparse_entry_of_eight_exbibytes_is_refused(box: Box) -> None:
    for size in (b"9223372036854775807", b"9999999999999999999999"):
        old = ((b"GNU.sparse.size", size), (b"GNU.sparse.map", b"0,1"))
        box.refuses(archive(Member(b"f", data=b"x", pax=old)))
        new = ((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", size))
        box.refuses(archive(Member(b"f", data=padded(b"1\n0\n1\n") + b"x", pax=new)))


def test_50_sparse_maps_that_lie_are_refused(box: Box) -> None:
    for places in (b"0,5", b"4,1,0,1", b"0,1,0,1", b"5,1", b"0", b"a,b", b"-1,1", b"0,1," * 1000 + b"0,1"):
        box.refuses(archive(Member(b"f", data=b"xx", pax=((b"GNU.sparse.size", b"4"), (b"GNU.sparse.map", places)))))
    for text in (b"2\n0\n1\n", b"99999999\n" + b"0\n0\n" * 50, b"x\n", b"1\n" + b"9" * 600, b""):
        new = ((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"4"))
        box.refuses(archive(Member(b"f", data=padded(text), pax=new)))


def test_50_too_many_entries_are_refused(box: Box) -> None:
    box.refuses(archive(*(Member(b"%d" % at) for at in range(20_001))), match="entries")


def test_50_what_is_packed_twice_is_not_unpacked_twice(box: Box) -> None:
    import gzip

    once = gzip.compress(archive(Member(b"f", data=b"x")))
    box.unpack(archive(Member(b"inside.tar.gz", data=once)))
    box.store.snapshots.discard(os.listdir(box.store.layout.snapshots)[0])
    box.refuses(gzip.compress(once), match="checksum|middle|digest|short")


def test_50_ten_thousand_levels_are_refused(box: Box) -> None:
    box.refuses(archive(Member(b"/".join([b"d"] * 10_000), DIR)), match="deep|long")
    box.refuses(archive(*(Member(b"/".join([b"d"] * depth), DIR) for depth in range(1, 700))), match="deep|long")


def test_50_extended_header_of_a_gigabyte_is_refused(box: Box) -> None:
    box.refuses(pax(b"", claimed=2**30) + bytes(4096), match="extended")
    box.refuses(pax(record(b"comment", b"x" * 5_000_000)), match="extended")


def test_50_limits_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Limits.from_environ({"MYDOCKER_MAX_LAYER_SIZE": "5", "MYDOCKER_MAX_LAYER_RATIO": "7"}).size == 5
    for text in ("", "-1", "0", "x", "1e9", "１"):
        with pytest.raises(UsageError):
            Limits.from_environ({"MYDOCKER_MAX_LAYER_ENTRIES": text})


# 51: what is behind the end ------------------------------------------------------------------------------------------


def test_51_digest_covers_what_comes_after_the_end(box: Box) -> None:
    plain = archive(Member(b"f", data=b"x"))
    other = plain + b"hidden"
    blob = box.store.blobs.put_bytes(other)
    layer = Layer(DiffID.of(plain), Descriptor(OCI_LAYER, blob, len(other)))
    with pytest.raises(DigestMismatch):
        box.store.layers.unpack_blob(layer, Expected(stack=(layer.diff_id,)))
    box.unpack(other)


def test_51_two_gzip_members_are_one_stream_and_garbage_is_refused(box: Box) -> None:
    import gzip

    plain = archive(Member(b"f", data=b"x" * 5000))
    half = len(plain) // 2
    two = gzip.compress(plain[:half]) + gzip.compress(plain[half:])
    image = box.store.import_tar(write_file(box.place, two), ImageConfig())
    assert image.diff_ids[0].hex == hashlib.sha256(plain).hexdigest()
    box.store.import_tar(write_file(box.place, two + bytes(100)), ImageConfig())
    for data in (two + b"garbage", zstandard.compress(plain) + b"garbage", two + zstandard.compress(plain)):
        with pytest.raises(ImageError):
            box.store.import_tar(write_file(box.place, data), ImageConfig())


def test_51_layer_cut_anywhere_is_refused(box: Box) -> None:
    plain = archive(Member(b"f", data=b"x" * 2000, pax=((b"comment", b"y"),)), end=False)
    for length in range(1, len(plain) - 1, 97):
        if length != 512 * 2:
            box.refuses(plain[:length])


# 52: names that are there twice --------------------------------------------------------------------------------------


def test_52_last_entry_of_a_name_wins(box: Box) -> None:
    data = archive(
        Member(b"a", data=b"first", mode=0o600),
        Member(b"b", data=b"x"),
        Member(b"c", HARDLINK, link=b"a"),
        Member(b"./a", data=b"second", mode=0o644),
        Member(b"b", DIR, mode=0o700),
        Member(b"b/inside", data=b"x"),
        Member(b"b", FIFO),
    )
    found = describe(box.unpack(data))
    assert {name: (fact.kind, fact.content[:2]) for name, fact in found.items()} == {
        "a": ("-", "6:"), "b": ("p", ""), "c": ("-", "5:"),
    }  # fmt: skip


def test_52_names_that_only_some_file_systems_hold_equal_are_two(box: Box) -> None:
    names = [b"README", b"readme", "\u00e9".encode(), "e\u0301".encode()]
    assert len(describe(box.unpack(archive(*(Member(name) for name in names))))) == 4


# Damage --------------------------------------------------------------------------------------------------------------


def test_damaged_headers_are_refused(box: Box) -> None:
    good = archive(Member(b"f", data=b"x"))
    box.refuses(good[:10] + b"!" + good[11:], match="checksum")
    for data in (b"5 x\n", b"999 a=b\n", b"0 a=b\n", b"-6 a=b\n", b"8 =val\n", b"6 a=b!", b"abc", b"11 size=x1\n",
                 b"6 a=b\nno length at all=\n", b"6 a=b\n0 c=d\n"):  # fmt: skip
        box.refuses(pax(data) + good, match="extended")


def test_unsafe_is_an_error_about_the_image() -> None:
    assert issubclass(UnsafeArchive, ImageError)
