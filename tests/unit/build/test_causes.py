"""The first difference of two layers, and the likely cause of it."""

from __future__ import annotations

import io
import struct
import tarfile
from typing import TYPE_CHECKING

import pytest

from mydocker.build.causes import Conditions, likely
from mydocker.build.differences import Difference, first_difference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOON = 1_700_049_600.0  # 2023-11-15 12:00:00 UTC
MINE = Conditions((NOON, NOON + 10), (500.0, 510.0), (("the host's name", "builder-7"),))
THEIRS = Conditions((NOON + 60, NOON + 70), (1000.0, 1010.0), (("the host's name", "elsewhere"),))


@pytest.mark.parametrize(
    ("mine", "theirs", "cause"),
    [
        (b"built Wed Nov 15 12:00:05 UTC 2023\n", b"built Wed Nov 15 12:01:05 UTC 2023\n", "time"),
        (b'{"at":"2023-11-15T12:00:05Z"}', b'{"at":"2023-11-15T12:01:05Z"}', "time"),
        (b"20231115120005", b"20231115120105", "time"),
        (b"at 12:00:05", b"at 12:01:05", "time"),
        (b"1700049605", b"1700049665", "time"),
        (b"1700049605123", b"1700049665987", "time"),
        (b"1700049605.25 x", b"1700049665.5 x", "time"),
        (b"%o\0" % int(NOON + 5), b"%o\0" % int(NOON + 65), "time"),
        (struct.pack("<I", int(NOON + 5)), struct.pack("<I", int(NOON + 65)), "time"),
        (b"gzip" + struct.pack("<I", int(NOON + 5)), b"gzip" + struct.pack("<I", int(NOON + 65)), "time"),
        (b"505.12 900.10\n", b"1005.30 1900.00\n", "time"),
        (b"b\na\nc\n", b"c\na\nb\n", "order"),
        (b"one two three", b"three one two", "order"),
        (b"made on builder-7\n", b"made on elsewhere\n", "host data"),
        (b"4f7c1c1e-2d0b", b"9a1e77d2-88f0", "random"),
        # A time, but not of these builds: then it is no time that they read.
        (b"1600000000", b"1600000060", "random"),
        (b"same\n12:00:05\n", b"same\n17:30:00\n", "random"),
        (b"", b"x", "random"),
    ],
)  # fmt: skip
def test_the_likely_cause(mine: bytes, theirs: bytes, cause: str) -> None:
    assert likely(Difference("/f", "content", mine, theirs), MINE, THEIRS).name == cause
    assert likely(Difference("/f", "name", mine, theirs), MINE, THEIRS).name == cause


def test_attributes_speak_for_themselves() -> None:
    found = likely(Difference("/f", "mode", b"644", b"600"), MINE, THEIRS)
    assert (found.name, found.reason) == ("host data", "its mode is 644 in one build and 600 in the other")
    assert likely(Difference("/f", "time", b"1", b"2"), MINE, THEIRS).name == "time"


def archive(**members: tuple[bytes, int]) -> Callable[[], Iterator[bytes]]:
    """Return a tar of files with their content and mode."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        for name, (data, mode) in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), mode
            tar.addfile(member, io.BytesIO(data))
    return lambda: iter([whole.getvalue()])


def test_the_first_path_in_byte_order_is_found_with_both_contents() -> None:
    mine = archive(b=(b"1", 0o644), a=(b"same", 0o644), c=(b"1", 0o644))
    theirs = archive(a=(b"same", 0o644), c=(b"2", 0o644), b=(b"2", 0o644))
    assert first_difference(mine, theirs) == Difference("/b", "content", b"1", b"2")
    assert first_difference(mine, mine) is None


def test_an_attribute_is_found_before_the_content() -> None:
    mine, theirs = archive(a=(b"1", 0o644)), archive(a=(b"2", 0o600))
    assert first_difference(mine, theirs) == Difference("/a", "mode", b"644", b"600")


def test_a_name_that_one_layer_lacks_is_shown_with_the_others_name() -> None:
    mine, theirs = archive(tmp1=(b"", 0o644), z=(b"", 0o644)), archive(tmp2=(b"", 0o644), z=(b"", 0o644))
    assert first_difference(mine, theirs) == Difference("/tmp1", "name", b"tmp1", b"tmp2")
    assert first_difference(mine, archive(z=(b"", 0o644))) == Difference("/tmp1", "name", b"tmp1", b"")
