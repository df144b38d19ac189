"""The words -v, --mount and --tmpfs, and the folder of volumes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from mydocker.creation.volumes import Volumes, Wanted, parse_mount, parse_tmpfs, parse_volume
from mydocker.errors import Busy, NotFound, UsageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("/data", Wanted("/data", "", "volume")),
        ("name:/data", Wanted("/data", "name", "volume")),
        ("name:/data:ro", Wanted("/data", "name", "volume", ("ro",))),
        ("name:/data:nocopy", Wanted("/data", "name", "volume", (), copy=False)),
        ("/host:/data", Wanted("/data", "/host", "bind")),
        ("/host:/data/:ro,rshared,z", Wanted("/data", "/host", "bind", ("ro", "rshared"))),
        ("./here:/data", Wanted("/data", os.path.abspath("here"), "bind")),
        ("/data:ro", Wanted("/data", "", "volume", ("ro",))),
        ("/host:/data:idmap", Wanted("/data", "/host", "bind", ("idmap",))),
    ],
)
def test_volume_words(text: str, wanted: Wanted) -> None:
    assert parse_volume(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("type=bind,src=/tmp,dst=/data,readonly", Wanted("/data", "/tmp", "bind", ("ro",))),
        ("type=bind,source=/tmp,target=/data,bind-propagation=rslave", Wanted("/data", "/tmp", "bind", ("rslave",))),
        ("dst=/data", Wanted("/data", "", "volume")),
        ("type=volume,src=name,dst=/data,volume-nocopy", Wanted("/data", "name", "volume", (), copy=False)),
        ("type=volume,src=name,dst=/data,ro=false", Wanted("/data", "name", "volume")),
        (
            "type=tmpfs,dst=/data,tmpfs-size=1m,tmpfs-mode=700",
            Wanted("/data", "", "tmpfs", ("nosuid", "nodev", "noexec", "size=1m", "mode=700")),
        ),
    ],
)
def test_mount_words(text: str, wanted: Wanted) -> None:
    assert parse_mount(text) == wanted


def test_tmpfs_words_take_back_what_is_refused_by_default() -> None:
    assert parse_tmpfs("/t").options == ("nosuid", "nodev", "noexec")
    assert parse_tmpfs("/t:size=1m,exec,rw").options == ("nosuid", "nodev", "size=1m")


@pytest.mark.parametrize(
    "text",
    ["", ":", "a:b:c:d", "/a:relative", "/a:/", "/a:/..", "/a:/b/../c", "/a:/b:nonsense",
     "name/x:/data", "../x:", ".x:/d"],
)  # fmt: skip
def test_bad_volume_words(text: str) -> None:
    with pytest.raises(UsageError):
        parse_volume(text)


@pytest.mark.parametrize(
    "text",
    ["type=bind,dst=/x", "type=bind,src=/nowhere,dst=/x", "type=nonsense,dst=/x", "dst=/x,nonsense=1", "type=volume",
     "type=bind,src=/tmp,dst=/x,bind-propagation=nonsense", "type=volume,src=../x,dst=/x"],
)  # fmt: skip
def test_bad_mount_words(text: str) -> None:
    with pytest.raises(UsageError):
        parse_mount(text)


def test_volumes_are_made_once_listed_by_name_and_removed_when_nobody_uses_them(tmp_path: Path) -> None:
    volumes = Volumes(str(tmp_path / "volumes"))
    assert volumes.list() == []
    first = volumes.create("b", (("k", "v"),))
    (tmp_path / "volumes" / "b" / "_data" / "kept").touch()
    assert volumes.create("b") == first
    anonymous = volumes.create()
    assert (anonymous.anonymous, len(anonymous.name)) == (True, 64)
    assert {each.name for each in volumes.list()} == {"b", anonymous.name}
    with pytest.raises(Busy):
        volumes.remove("b", ["b"])
    volumes.remove("b", [])
    assert not (tmp_path / "volumes" / "b").exists()
    for name in ("b", "../b", "", "."):
        with pytest.raises(NotFound):
            volumes.find(name)
    with pytest.raises(UsageError):
        volumes.create("../b")
