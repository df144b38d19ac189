"""Who a container runs as: docker's words, read in the container's own files, and nothing odd."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from mydocker.runtime.identity import UnknownUser, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    etc = tmp_path / "etc"
    etc.mkdir()
    (etc / "passwd").write_text("root:x:0:0::/root:/bin/sh\nbob:x:7:8::/home/bob:/bin/sh\n99:x:0:0::/:/bin/sh\n")
    (etc / "group").write_text("root:x:0:\nstaff:x:50:bob,root\n")
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (0, 0, (50,), "/root")),
        ("bob", (7, 8, (50,), "/home/bob")),
        ("7", (7, 8, (50,), "/home/bob")),
        ("bob:staff", (7, 50, (), "/home/bob")),
        ("12:34", (12, 34, (), "/")),
        ("99", (99, 0, (), "/")),
    ],
)
def test_names_and_numbers(root: int, text: str, expected: tuple[int, int, tuple[int, ...], str]) -> None:
    assert resolve(root, text) == expected


@pytest.mark.parametrize("text", ["bob:", ":0", "+0", " 0", "0x0", "٠", "-1", "2147483648", "nobody", "bob:none"])
def test_odd_words_are_nobody(root: int, text: str) -> None:
    with pytest.raises(UnknownUser):
        resolve(root, text)


def test_a_link_out_of_the_root_and_a_fifo_are_not_read(tmp_path: Path, root: int) -> None:
    passwd = tmp_path / "etc" / "passwd"
    passwd.unlink()
    passwd.symlink_to("/../../../etc/nothing-there")
    assert resolve(root, "0")[:2] == (0, 0)
    passwd.unlink()
    os.mkfifo(passwd)
    with pytest.raises(UnknownUser):
        resolve(root, "0")
