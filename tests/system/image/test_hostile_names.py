"""A hostile layer cannot write, read or link outside its target (44 to 47 and 53 of the threat list)."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING

import pytest

from mydocker.errors import ImageError
from mydocker.image.config import ImageConfig
from tests.system.image.hostile import (
    CHARACTER,
    DIR,
    HARDLINK,
    SYMLINK,
    Box,
    Member,
    archive,
    write_file,
)
from tests.system.image.trees import describe

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.image.hostile import Box

pytestmark = pytest.mark.root


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
    layers = tuple(box.put(each) for each in (lower, upper))
    assert len(box.store.stack_dirs(layers)) == 1


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
