"""A hostile layer cannot write, read or link outside its target, nor fill the disk (44 to 53 of the threat list)."""

from __future__ import annotations

import hashlib
import os
import resource
import stat
import time
import zlib
from typing import TYPE_CHECKING

import pytest
import zstandard

from mydocker.errors import DigestMismatch, ImageError, UnsafeArchive, UsageError
from mydocker.image.config import ImageConfig
from mydocker.image.digest import DiffID
from mydocker.image.layers import Expected
from mydocker.image.layout import Layout
from mydocker.image.limits import Limits
from mydocker.image.manifest import OCI_LAYER, Descriptor, Layer
from mydocker.image.store import ImageStore
from tests.system.image.hostile import Member, archive, header, padded, pax, record
from tests.system.image.trees import CAPABILITY, describe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root

DIR, SYMLINK, HARDLINK, CHARACTER, BLOCK_DEVICE, FIFO = b"5", b"2", b"1", b"3", b"4", b"6"


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
        layers = [self._put(each) for each in (*below, data)]
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

    def _put(self, data: bytes) -> Layer:
        digest = self.store.blobs.put_bytes(data)
        return Layer(DiffID.of(data), Descriptor(OCI_LAYER, digest, len(data)))

    def check(self) -> None:
        assert describe(self.secret) == self._before

    def watch(self) -> None:
        self._before = describe(self.secret)


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    box = Box(tmp_path, Limits(size=64 * 2**20, entries=20_000, ratio=100, ratio_from=8 * 2**20))
    box.watch()
    yield box
    box.check()
    assert not os.path.exists(tmp_path / "escaped")
    assert not os.path.exists("/escaped")


# 44: names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [b"../escaped", b"a/../../escaped", b"../../../../../../../../escaped", b"a/.."])
def test_44_parents_in_names_are_refused(box: Box, name: bytes) -> None:
    box.refuses(archive(Member(b"a", DIR), Member(name, data=b"x")), match=r"\.\.")


def test_44_absolute_name_stays_inside(box: Box) -> None:
    assert "escaped" in describe(box.unpack(archive(Member(b"/escaped", data=b"x"), Member(b"//b/./c", data=b"x"))))


def test_44_nul_in_a_long_name_is_refused(box: Box) -> None:
    box.refuses(archive(Member(b"x", pax=((b"path", b"a\0b"),))), match="NUL")


def test_44_name_of_five_megabytes_is_refused(box: Box) -> None:
    box.refuses(archive(Member(b"a" * 5_000_000)))
    box.refuses(archive(Member(b"x", pax=((b"path", b"a/" * 2_500_000),))))


def test_44_name_longer_than_a_path_can_be_is_refused(box: Box) -> None:
    box.refuses(archive(Member(b"d/" * 3000 + b"x")), match="long")
    box.refuses(archive(Member(b"n" * 256)), match="long")


def test_44_deep_tree_behind_a_chain_of_symlinks_can_be_removed(box: Box) -> None:
    members, path = [], b""
    for at in range(30):
        below = b"/".join([b"d"] * 200)
        members += [Member(path + below, DIR), Member(path + b"l%d" % at, SYMLINK, link=below)]
        path += b"l%d/" % at
    snapshot = box.unpack(archive(*members, Member(path + b"file", data=b"x")))
    box.store.snapshots.discard(os.path.basename(snapshot))
    assert os.listdir(box.store.layout.snapshots) == []


# 45: symlinks --------------------------------------------------------------------------------------------------------


def test_45_write_through_a_symlink_stays_inside(box: Box) -> None:
    for target in (os.fsencode(box.secret), b"../" * 20 + os.fsencode(box.secret).lstrip(b"/"), b"/"):
        data = archive(Member(b"link", SYMLINK, link=target), Member(b"link/file", data=b"overwritten"))
        try:
            box.unpack(data)
        except ImageError:
            continue
    box.check()


def test_45_file_replaces_a_symlink_of_its_name(box: Box) -> None:
    link = os.fsencode(box.secret / "file")
    snapshot = box.unpack(archive(Member(b"f", SYMLINK, link=link), Member(b"f", data=b"mine")))
    assert stat.S_ISREG(os.lstat(f"{snapshot}/f").st_mode)


def test_45_symlink_of_a_lower_layer_is_not_followed(box: Box) -> None:
    lower = archive(Member(b"link", SYMLINK, link=os.fsencode(box.secret)))
    snapshot = box.unpack(archive(Member(b"link/file", data=b"mine")), lower)
    assert stat.S_ISDIR(os.lstat(f"{snapshot}/link").st_mode)


def test_45_root_cannot_become_a_symlink(box: Box) -> None:
    for name in (b"/.", b".", b"./", b"/"):
        box.refuses(archive(Member(name, SYMLINK, link=os.fsencode(box.secret))), match="root")


def test_45_directory_replaced_by_symlink_while_in_use(box: Box) -> None:
    snapshot = box.unpack(
        archive(
            Member(b"d", DIR, mode=0o755),
            Member(b"d/before", data=b"x"),
            Member(b"e", DIR, mode=0o755),
            Member(b"d", SYMLINK, link=b"e"),
            Member(b"d/after", data=b"x"),
        )
    )
    assert sorted(describe(snapshot)) == ["d", "e", "e/after"]


def test_45_directory_metadata_does_not_reach_through_a_symlink(box: Box) -> None:
    data = archive(
        Member(b"d", DIR, mode=0o755, mtime=5),
        Member(b"d", SYMLINK, link=os.fsencode(box.secret)),
        Member(b"d", DIR, mode=0o777, uid=1234, mtime=7),
    )
    assert describe(box.unpack(data))["d"].mode == 0o777


# 46: hard links ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [b"../secret/file", b"/../../secret/file", b"later", b"self", b"nowhere"])
def test_46_hard_link_to_what_is_not_in_the_layer_is_refused(box: Box, target: bytes) -> None:
    box.refuses(archive(Member(b"self", HARDLINK, link=target), Member(b"later", data=b"x")))


def test_46_hard_link_through_a_symlink_stays_inside(box: Box) -> None:
    box.refuses(
        archive(
            Member(b"out", SYMLINK, link=os.fsencode(box.secret)),
            Member(b"stolen", HARDLINK, link=b"out/file"),
        )
    )


def test_46_hard_link_to_a_symlink_links_the_symlink(box: Box) -> None:
    link = os.fsencode(box.secret / "file")
    snapshot = box.unpack(archive(Member(b"s", SYMLINK, link=link), Member(b"h", HARDLINK, link=b"s", mode=0o777)))
    assert stat.S_ISLNK(os.lstat(f"{snapshot}/h").st_mode)
    (box.secret / "file").read_text()


def test_46_hard_link_changes_nothing_of_the_file_it_names(box: Box) -> None:
    data = archive(
        Member(b"f", data=b"x", mode=0o600, uid=5),
        Member(b"h", HARDLINK, link=b"f", mode=0o6777, uid=0, mtime=9),
    )
    found = describe(box.unpack(data))
    assert (found["f"].mode, found["f"].uid, found["f"].mtime) == (0o600, 5, 0)


def test_46_hard_link_to_a_directory_or_a_device(box: Box) -> None:
    box.refuses(archive(Member(b"d", DIR), Member(b"h", HARDLINK, link=b"d")), match="directory")
    box.refuses(archive(Member(b"h", HARDLINK, link=b"")))
    found = describe(box.unpack(archive(Member(b"n", CHARACTER, device=(1, 3)), Member(b"h", HARDLINK, link=b"n"))))
    assert found["h"].device == (1, 3)


def test_46_hard_link_to_a_file_of_a_lower_layer_is_a_copy_and_keyed_by_the_chain(box: Box) -> None:
    lower = archive(Member(b"d/f", data=b"lower", mode=0o640, uid=7))
    upper = archive(Member(b"h", HARDLINK, link=b"d/f"))
    snapshot = box.unpack(upper, lower)
    assert os.path.basename(snapshot) != hashlib.sha256(upper).hexdigest()
    found = describe(snapshot)["h"]
    assert (found.mode, found.uid, found.content[:2]) == (0o640, 7, "5:")
    with pytest.raises(ImageError, match="not there"):
        box.unpack(upper)


def test_46_hard_link_to_a_file_that_a_layer_between_removed_is_refused(box: Box) -> None:
    lower, between = archive(Member(b"d/f", data=b"x")), archive(Member(b"d", DIR), Member(b"d/.wh.f"))
    upper = archive(Member(b"h", HARDLINK, link=b"d/f"))
    with pytest.raises(ImageError, match="not there"):
        box.unpack(upper, lower, between)


def test_46_hard_link_below_a_symlink_of_a_lower_layer_is_not_followed(box: Box) -> None:
    lower = archive(Member(b"out", SYMLINK, link=os.fsencode(box.secret)))
    with pytest.raises(ImageError):
        box.unpack(archive(Member(b"stolen", HARDLINK, link=b"out/file")), lower)


# 47: whiteouts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [b".wh.", b".wh..", b".wh...", b"d/.wh.", b"d/.wh..", b"d/.wh...", b".wh./x"])
def test_47_whiteout_of_nothing_is_refused(box: Box, name: bytes) -> None:
    box.refuses(archive(Member(b"d", DIR), Member(name)), match="whiteout")


def test_47_whiteout_cannot_be_a_directory_with_content(box: Box) -> None:
    box.refuses(archive(Member(b".wh.d", DIR), Member(b".wh.d/file", data=b"x")), match="whiteout")


def test_47_names_of_aufs_are_no_content(box: Box) -> None:
    data = archive(Member(b".wh..wh.plnk", DIR), Member(b".wh..wh.aufs", data=b"x"), Member(b".wh..wh.", data=b"x"))
    assert describe(box.unpack(data)) == {}


def test_47_whiteout_through_a_symlink_stays_inside(box: Box) -> None:
    data = archive(Member(b"out", SYMLINK, link=os.fsencode(box.secret)), Member(b"out/.wh.file"))
    box.refuses(data)
    inside = archive(Member(b"d", DIR), Member(b"in", SYMLINK, link=b"/d"), Member(b"in/.wh.file"))
    assert describe(box.unpack(inside))["d/file"].kind == "c"


def test_47_opaque_beside_siblings_keeps_them(box: Box) -> None:
    for order in (0, 1):
        members = [Member(b"d", DIR), *[Member(b"d/.wh..wh..opq"), Member(b"d/f", data=b"x")][:: 1 - 2 * order]]
        snapshot = box.unpack(archive(*members, Member(b"%d" % order, data=b"")))
        assert os.getxattr(f"{snapshot}/d", "trusted.overlay.opaque") == b"y"
        assert describe(snapshot)["d/f"].kind == "-"


def test_47_file_and_its_whiteout_in_one_layer_keeps_the_file(box: Box) -> None:
    found = describe(box.unpack(archive(Member(b"f", data=b"x"), Member(b".wh.f"), Member(b".wh.g"), Member(b"g"))))
    assert (found["f"].kind, found["g"].kind) == ("-", "-")


def test_47_directory_and_its_whiteout_in_one_layer_hides_what_is_below(box: Box) -> None:
    for members in ([Member(b"d", DIR), Member(b".wh.d")], [Member(b".wh.d"), Member(b"d", DIR)]):
        snapshot = box.unpack(archive(*members))
        assert os.getxattr(f"{snapshot}/d", "trusted.overlay.opaque") == b"y"


def test_47_raw_whiteout_device_is_refused(box: Box) -> None:
    box.refuses(archive(Member(b"f", CHARACTER, device=(0, 0))), match="0:0")


def test_47_opaque_root_hides_all_layers_below(box: Box) -> None:
    lower, upper = archive(Member(b"f", data=b"x")), archive(Member(b".wh..wh..opq"), Member(b"g", data=b"x"))
    layers = tuple(box._put(each) for each in (lower, upper))
    assert len(box.store.stack_dirs(layers)) == 1


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


def write_file(place: Path, data: bytes) -> str:
    (place / "archive").write_bytes(data)
    return str(place / "archive")


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


# 53 ------------------------------------------------------------------------------------------------------------------


def test_53_no_program_of_the_host_unpacks(box: Box, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import gzip

    (tmp_path / "bin").mkdir()
    for tool in ("xz", "gzip", "unpigz", "tar", "zstd", "bzip2"):
        (tmp_path / "bin" / tool).write_text("#!/bin/sh\ntouch /escaped\n")
        os.chmod(tmp_path / "bin" / tool, 0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    box.store.import_tar(write_file(tmp_path, gzip.compress(archive(Member(b"f")))), ImageConfig())
    assert not os.path.exists("/escaped")


# Damage --------------------------------------------------------------------------------------------------------------


def test_damaged_headers_are_refused(box: Box) -> None:
    good = archive(Member(b"f", data=b"x"))
    box.refuses(good[:10] + b"!" + good[11:], match="checksum")
    for data in (b"5 x\n", b"999 a=b\n", b"0 a=b\n", b"-6 a=b\n", b"8 =val\n", b"6 a=b!", b"abc", b"11 size=x1\n"):
        box.refuses(pax(data) + good, match="extended")


def test_unsafe_is_an_error_about_the_image() -> None:
    assert issubclass(UnsafeArchive, ImageError)
