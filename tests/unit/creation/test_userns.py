"""The words --userns, --uidmap, --gidmap, and the ranges of /etc/subuid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mydocker.creation.userns import UserNamespace, chosen
from mydocker.errors import UsageError
from mydocker.runtime.bundle import Bundle
from mydocker.runtime.containers import Containers
from mydocker.runtime.record import Container, write_json

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def containers(tmp_path: Path) -> Containers:
    return Containers(str(tmp_path / "containers"))


def files(tmp_path: Path, users: str, groups: str = "") -> tuple[str, str]:
    (tmp_path / "subuid").write_text(users)
    (tmp_path / "subgid").write_text(groups or users)
    return str(tmp_path / "subuid"), str(tmp_path / "subgid")


def occupy(containers: Containers, number: int, first: int, size: int) -> None:
    """Record a container with those ids."""
    bundle = Bundle(containers.directory, f"{number:064x}")
    bundle.make_top()
    bundle.make()
    mapping = [{"containerID": 0, "hostID": first, "size": size}]
    write_json(bundle.file("config.json"), {"linux": {"uidMappings": mapping, "gidMappings": mapping}})
    bundle.write(Container(bundle.id, f"c{number}", "", "", (), 0.0))


def test_nothing_said_and_host_are_the_hosts_users(containers: Containers) -> None:
    assert chosen(containers, "") == chosen(containers, "host") == UserNamespace()


def test_remap_is_the_beginning_of_the_first_owners_range(containers: Containers, tmp_path: Path) -> None:
    given = files(tmp_path, "dockremap:5:99999\ncontainers:200000:65536\n", "containers:300000:65536\n")
    found = chosen(containers, "remap", files=given)
    assert found == UserNamespace("private", ((0, 200000, 65536),), ((0, 300000, 65536),))


def test_auto_is_what_no_other_container_has(containers: Containers, tmp_path: Path) -> None:
    given = files(tmp_path, "mydocker:1000:3000\n")
    taken = []
    for number in range(3):
        found = chosen(containers, "auto:size=1000", files=given)
        taken.append(found.uid_mappings[0][1])
        occupy(containers, number, *found.uid_mappings[0][1:])
    assert taken == [1000, 2000, 3000]
    with pytest.raises(UsageError, match="no 1000 ids in a row"):
        chosen(containers, "auto:size=1000", files=given)


def test_a_gap_is_used_again(containers: Containers, tmp_path: Path) -> None:
    given = files(tmp_path, "mydocker:1000:3000\n")
    occupy(containers, 1, 1000, 500)
    occupy(containers, 2, 1800, 200)
    assert chosen(containers, "auto:size=300", files=given).uid_mappings == ((0, 1500, 300),)
    assert chosen(containers, "auto:size=400", files=given).uid_mappings == ((0, 2000, 400),)


def test_maps_are_given_for_both_when_one_is(containers: Containers) -> None:
    found = chosen(containers, "", ("0:1000:10", "10:5000"), ())
    assert found == UserNamespace("private", ((0, 1000, 10), (10, 5000, 1)), ((0, 1000, 10), (10, 5000, 1)))


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("1:1000:1",), "root inside"),
        (("0:1000:10", "5:9000:10"), "overlap"),
        (("0:1000:10", "20:1005:10"), "overlap"),
        (("0:4294967295:1",), "ids end"),
        (("0:1:0",), "ids end"),
        (("0",), "INSIDE:OUTSIDE"),
        (("0:-1:1",), "INSIDE:OUTSIDE"),
        (("0:\u0661:1",), "INSIDE:OUTSIDE"),
    ],
)
def test_bad_maps_are_refused(containers: Containers, words: tuple[str, ...], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        chosen(containers, "", words)


@pytest.mark.parametrize("text", ["keep-id", "auto:size=0", "auto:size=x", "auto:uid=5", "path", "container:"])
def test_unknown_words_are_refused(containers: Containers, tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError):
        chosen(containers, text, files=files(tmp_path, "mydocker:1000:70000\n"))


def test_without_any_range_the_hint_says_what_to_write(containers: Containers, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        chosen(containers, "auto", files=files(tmp_path, "someone:1000:70000\nmydocker:x:1\n"))
    assert "/etc/subuid" in caught.value.hint
