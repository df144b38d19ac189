"""What `-p` asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mydocker.errors import UsageError
from mydocker.network.portmap.ports import Publish, Published, Target, parse, parse_all, parse_forward, shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("80", [("", 0, 0, 80, "tcp")]),
        ("8080:80", [("", 8080, 8080, 80, "tcp")]),
        ("8080:80/UDP", [("", 8080, 8080, 80, "udp")]),
        ("127.0.0.1:8080:80", [("127.0.0.1", 8080, 8080, 80, "tcp")]),
        ("127.0.0.1::80", [("127.0.0.1", 0, 0, 80, "tcp")]),
        ("[::1]:8080:80", [("::1", 8080, 8080, 80, "tcp")]),
        ("[0:0:0:0:0:0:0:1]::53/udp", [("::1", 0, 0, 53, "udp")]),
        ("7000-7001:80-81", [("", 7000, 7000, 80, "tcp"), ("", 7001, 7001, 81, "tcp")]),
        ("7000-7009:80", [("", 7000, 7009, 80, "tcp")]),
        ("80-81", [("", 0, 0, 80, "tcp"), ("", 0, 0, 81, "tcp")]),
    ],
)
def test_forms_of_docker(text: str, expected: list[tuple[object, ...]]) -> None:
    assert list(parse(text)) == expected


@pytest.mark.parametrize(
    "text",
    ["", ":", "a", "80:", "99999:80", "8080:0", "8080:80/sctp", "1-2:3-5", "81-80", "1:2:3", "1.2.3:1:2", "::1:80:80",
     "[::1:80:80", "[1.2.3.4]:1:2", "-1:80", "80-:80", "٣:80", "127.0.0.1:80:80:80", "0-5:80"],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse(text)


PORT = st.integers(1, 65535)


@given(
    address=st.one_of(st.just(""), st.ip_addresses().map(str)),
    host=st.integers(0, 65535),
    container=PORT,
    protocol=st.sampled_from(["tcp", "udp"]),
)
def test_what_is_written_is_read_again(address: str, host: int, container: int, protocol: str) -> None:
    text = f"{shown(address)}:{host}:{container}/{protocol}" if address else f"{host}:{container}/{protocol}"
    (publish,) = parse(text)
    assert (publish.first, publish.last, publish.container, publish.protocol) == (host, host, container, protocol)
    assert publish == parse(f"{shown(publish.address)}:{host}:{container}/{protocol}".removeprefix(":"))[0]


@given(first=PORT, length=st.integers(1, 50), shift=st.integers(-20000, 20000))
def test_ranges_go_side_by_side(first: int, length: int, shift: int) -> None:
    last, low, high = first + length, first + shift, first + shift + length
    if last > 65535 or high > 65535 or low < 1:
        return
    found = parse(f"{low}-{high}:{first}-{last}")
    assert [each.container for each in found] == list(range(first, last + 1))
    assert all(each.first == each.last == each.container + shift for each in found)


@given(st.text(max_size=30))
def test_any_text_is_ports_or_an_error(text: str) -> None:
    try:
        found = parse(text)
    except UsageError:
        return
    assert found
    assert all(0 <= each.first <= each.last <= 65535 and 1 <= each.container <= 65535 for each in found)


def test_exposed_ports_that_nobody_published_get_one() -> None:
    found = parse_all(("8080:80",), ("80/tcp", "80/udp", "443/tcp"))
    assert found == (Publish("", 8080, 8080, 80), Publish("", 0, 0, 80, "udp"), Publish("", 0, 0, 443))


@pytest.mark.parametrize("words", [("80:1", "80:2"), ("80:1", "127.0.0.1:80:2"), ("70-80:70-80", "75:1")])
def test_one_port_of_the_host_cannot_be_two(words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="asked for twice"):
        parse_all(words)


@pytest.mark.parametrize("words", [("80:1", "80:1/udp"), ("127.0.0.1:80:1", "127.0.0.2:80:1"), ("1", "1"), ("80:1",)])
def test_ports_that_differ_can_be_had_together(words: tuple[str, ...]) -> None:
    assert len(parse_all(words)) == len(words)


def test_forwarding_by_hand_names_a_target() -> None:
    assert parse_forward("8080:10.72.0.2:80") == (Publish("", 8080, 8080, 80), Target("10.72.0.2", 80))
    assert parse_forward("[::1]:53:[fd00::2]:5353/udp") == (
        Publish("::1", 53, 53, 5353, "udp"),
        Target("fd00::2", 5353),
    )


@pytest.mark.parametrize("text", ["8080:80", "8080:name:80", "0:10.0.0.1:80", "80-81:10.0.0.1:80-81", "80:[::1:80", ""])
def test_forwarding_needs_both_ends(text: str) -> None:
    with pytest.raises(UsageError):
        parse_forward(text)


def test_ports_are_shown_as_docker_shows_them() -> None:
    assert str(Published("0.0.0.0", 8080, 80)) == "0.0.0.0:8080->80/tcp"
    assert str(Published("::1", 53, 5353, "udp")) == "[::1]:53->5353/udp"
