"""What a container's resolver says itself: to good questions, bad ones, and to bytes of any kind."""

from __future__ import annotations

import dnslib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mydocker.network import answers
from mydocker.network.definition import Request, define
from mydocker.network.leases import Endpoint
from mydocker.network.names import Peer

NETWORK = define(Request("one", subnets=("10.72.0.0/24", "fd00:1::/64")), [], "ab" * 32, 1.0)


def peer(number: int, *names: str) -> Peer:
    endpoint = Endpoint(
        f"{number:064x}", f"10.72.0.{number}", f"fd00:1::{number:x}", "02:42:00:00:00:01", "cif-1", "m1"
    )
    return Peer(NETWORK, endpoint, names)


PEERS = (peer(2, "web", "www"), peer(3, "db", "all"), peer(4, "other", "all"))


def ask(name: str, kind: str = "A") -> bytes:
    return bytes(dnslib.DNSRecord.question(name, kind).pack())


def told(name: str, kind: str = "A") -> list[str] | None:
    found = answers.local(ask(name, kind), PEERS)
    return None if found is None else sorted(str(record.rdata) for record in dnslib.DNSRecord.parse(found).rr)


@pytest.mark.parametrize(
    ("name", "kind", "answer"),
    [
        ("web", "A", ["10.72.0.2"]),
        ("WWW.", "A", ["10.72.0.2"]),
        ("web.one", "AAAA", ["fd00:1::2"]),
        ("web", "ANY", ["10.72.0.2", "fd00:1::2"]),
        ("all", "A", ["10.72.0.3", "10.72.0.4"]),
        ("web", "MX", []),
        ("3.0.72.10.in-addr.arpa", "PTR", ["db.one."]),
        ("3." + "0." * 23 + "1.0.0.0.0.0.d.f.ip6.arpa", "PTR", ["db.one."]),
        ("nobody", "A", None),
        ("web.two", "A", None),
        ("9.0.72.10.in-addr.arpa", "PTR", None),
        ("x.in-addr.arpa", "PTR", None),
    ],
)
def test_names_of_peers_are_answered_and_others_passed_on(name: str, kind: str, answer: list[str] | None) -> None:
    assert told(name, kind) == answer


def test_an_answer_belongs_to_its_question() -> None:
    question = ask("web")
    found = dnslib.DNSRecord.parse(answers.local(question, PEERS) or b"")
    assert found.header.id == dnslib.DNSRecord.parse(question).header.id
    assert (found.header.qr, found.header.ra, found.header.rcode) == (1, 1, 0)
    assert str(found.q.qname) == "web."


def test_a_failure_says_so() -> None:
    found = dnslib.DNSRecord.parse(answers.failure(ask("far.example")))
    assert (found.header.rcode, str(found.q.qname)) == (2, "far.example.")


def test_an_answer_too_long_for_a_datagram_is_marked() -> None:
    many = tuple(peer(number, "all") for number in range(2, 60))
    question = ask("all")
    whole = answers.local(question, many) or b""
    cut = dnslib.DNSRecord.parse(answers.fit(whole, question))
    assert (cut.header.tc, cut.rr) == (1, [])
    larger = dnslib.DNSRecord.question("all")
    larger.add_ar(dnslib.EDNS0(udp_len=4096))
    assert answers.fit(whole, bytes(larger.pack())) == whole


@given(st.binary(max_size=80))
def test_any_bytes_get_an_answer_or_none(data: bytes) -> None:
    found = answers.local(data, PEERS)
    if found:
        assert found[:2] == data[:2]
        assert found[2] & 0x80
        assert len(answers.fit(found, data)) <= max(len(found), 512)
    refused = answers.failure(data)
    assert not refused or refused[:2] == data[:2]


@given(st.integers(0, 26), st.integers(0, 255))
def test_one_wrong_byte_is_survived(place: int, value: int) -> None:
    question = bytearray(ask("a.example"))
    question[place % len(question)] = value
    found = answers.local(bytes(question), PEERS)
    assert found is None or found == b"" or found[2] & 0x80


@pytest.mark.parametrize("labels", [(62, 62, 62, 62), (63, 63, 63, 61), (63,) * 4, (63,) * 9, (1,) * 130])
@pytest.mark.parametrize("kind", [1, 12, 255])
def test_a_name_that_is_too_long_is_refused(labels: tuple[int, ...], kind: int) -> None:
    name = b"".join(bytes([length]) + b"a" * length for length in labels) + b"\0"
    question = b"\1\2\1\0\0\1" + bytes(6) + name + bytes([0, kind, 0, 1])
    for found in (answers.local(question, PEERS), answers.failure(question)):
        assert found is None or (found[:2] == b"\1\2" and found[2] & 0x80)
        assert not found or answers.fit(found, question)
