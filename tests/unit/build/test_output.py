"""What a step writes is told while it writes it, whole, but for secrets."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING

import pytest

from mydocker.build.output import Capture
from mydocker.build.request import Secret
from mydocker.build.secrets import Needles, search
from mydocker.errors import BuildFailed
from mydocker.events import Event, StepOutput

if TYPE_CHECKING:
    from pathlib import Path

KEY = b"-----BEGIN KEY-----\nMIIEowIBAAKCAQEA\nq83vEjRWeJA=\n-----END KEY-----"


def told(*pieces: bytes, secrets: tuple[bytes, ...] = ()) -> list[bytes]:
    """Return what is told of pieces written one after the other."""
    heard: list[bytes] = []

    def hear(event: Event) -> None:
        assert isinstance(event, StepOutput)
        heard.append(event.data)

    needles = Needles(Secret(str(number), value) for number, value in enumerate(secrets))
    with Capture("s", hear, needles) as capture:
        for piece in pieces:
            capture._take(1, piece)
    capture._take(1, b"")
    return heard


def test_lines_are_told_when_they_are_whole() -> None:
    assert told(b"one\ntw", b"o\nthree") == [b"one\n", b"two\n", b"three"]


def test_a_line_without_an_end_is_told_in_pieces_and_never_kept_whole() -> None:
    block = b"x" * 60_000
    heard = told(*[block] * 50)
    assert b"".join(heard) == block * 50
    assert max(map(len, heard)) <= 2 * len(block)


@pytest.mark.parametrize("cut", [1, 10, 21, 40, len(KEY) - 1])
def test_a_secret_of_several_lines_is_masked_wherever_its_output_is_cut(cut: int) -> None:
    heard = told(b"key:\n" + KEY[:cut], KEY[cut:] + b"\ndone\n", secrets=(KEY,))
    assert b"".join(heard) == b"key:\n[secret]\ndone\n"


@pytest.mark.parametrize("cut", [5, 65_536, 65_540, 70_000])
def test_a_secret_in_an_endless_line_is_masked_wherever_it_is_cut(cut: int) -> None:
    line = b"x" * 65_535 + b"topsecretvalue" + b"y" * 10_000
    heard = told(line[:cut], line[cut:], secrets=(b"topsecretvalue",))
    assert b"".join(heard) == line.replace(b"topsecretvalue", b"[secret]")


@pytest.mark.parametrize("value", [b"p@ss w/rd+100%&more", b"\x00\xff\xfe\x10binary secret"])
def test_every_disguise_is_masked(value: bytes) -> None:
    from urllib.parse import quote_from_bytes, quote_plus

    forms = [value, value.hex().encode(), value.hex().upper().encode(), base64.b64encode(value)]
    forms += [base64.urlsafe_b64encode(value), quote_from_bytes(value, safe="").encode(), quote_plus(value).encode()]
    shown = b"".join(told(*(form + b"\n" for form in forms), secrets=(value,)))
    assert not [form for form in forms if form in shown]


def test_both_streams_are_read_to_their_end() -> None:
    heard: list[tuple[int, bytes]] = []

    def hear(event: Event) -> None:
        assert isinstance(event, StepOutput)
        heard.append((event.stream, event.data))

    with Capture("s", hear, Needles(())) as capture:
        os.write(capture.stdout, b"out\n")
        os.write(capture.stderr, b"err")
    assert sorted(heard) == [(1, b"out\n"), (2, b"err")]


LONG = bytes(range(33, 127)) * 2


@pytest.mark.parametrize(
    "shown",
    [
        base64.encodebytes(LONG),
        LONG.hex(" ").encode(),
        LONG.hex(":", 1).encode(),
        b"\n".join(LONG.hex().encode()[at : at + 60] for at in range(0, 2 * len(LONG), 60)),
        base64.encodebytes(b"x" + LONG),
    ],
)
@pytest.mark.parametrize("cut", [0, 30, 77, 130])
def test_a_secret_in_broken_lines_is_masked_and_found(shown: bytes, cut: int) -> None:
    heard = b"".join(told(b"so: " + shown[:cut], shown[cut:] + b"\nend\n", secrets=(LONG,)))
    assert heard.startswith(b"so: ")
    assert heard.endswith(b"end\n")
    assert b"[secret]" in heard
    assert len(heard) < 40
    assert Needles((Secret("key", LONG),)).find(b"before" + shown + b"after") == "key"


def test_a_secret_in_broken_lines_is_found_across_the_blocks_of_a_file(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / "leak").write_bytes(b"\n" * ((1 << 20) - 40 * number) + base64.encodebytes(LONG))
        with pytest.raises(BuildFailed, match=r"/leak contains it"):
            search(str(tmp_path), (Secret("key", LONG),))
    (tmp_path / "leak").write_bytes(b"\n" * (1 << 21) + base64.encodebytes(LONG)[:-40])
    search(str(tmp_path), (Secret("key", LONG),))
