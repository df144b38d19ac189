"""DNS messages (RFC 1035): which questions a container's resolver answers itself, and what it says.

Loaded with the first question: dnslib costs 14 ms, and few containers ask.
"""

from __future__ import annotations

import ipaddress
import random

import dnslib

from mydocker.network import names
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.network.names import Peer

_SECONDS = 5  # how long an answer may be remembered: a restarted container may have another address
_LEAST = 12  # RFC 1035, section 4.1.1: the length of a header
_SMALLEST_DATAGRAM = 512  # RFC 1035, section 4.2.1
_INTERNET = 1
_REVERSE4, _REVERSE6 = ".in-addr.arpa", ".ip6.arpa"


def local(question: bytes, peers: tuple[Peer, ...]) -> bytes | None:
    """Return the answer to what concerns containers, and to what is no question; None for all else.

    A peer's name with another type of record than it has gets an empty answer (RFC 2308, NODATA), so the question for
    an IPv6 address of a container without one does not leave the host. An answer of b"" means: say nothing.
    """
    if len(question) < _LEAST or question[2] & 0x80:  # an answer, or nothing at all
        return b""
    asked = _parse(question)
    if asked is None:
        return _refusal(question, dnslib.RCODE.FORMERR)
    if asked.header.opcode != dnslib.OPCODE.QUERY:
        return _refusal(question, dnslib.RCODE.NOTIMP)
    if len(asked.questions) != 1:
        return _refusal(question, dnslib.RCODE.FORMERR)
    if asked.q.qclass != _INTERNET:
        return None
    name = str(asked.q.qname)
    if asked.q.qtype == dnslib.QTYPE.PTR and (address := _reversed(name)):
        return _pointers(asked, names.find_address(peers, address))
    found = names.find(peers, name)
    return _addresses(asked, found) if found else None


def failure(question: bytes) -> bytes:
    """Return the answer that nobody could be asked, or nobody answered (SERVFAIL); b"" to what is no question."""
    if len(question) < _LEAST:
        return b""
    return _refusal(question, dnslib.RCODE.SERVFAIL)


def fit(answer: bytes, question: bytes) -> bytes:
    """Return the answer for a datagram: without its records, marked as truncated, when it is too long for the asker."""
    asked = _parse(question)
    offers = [record.rclass for record in asked.ar if record.rtype == dnslib.QTYPE.OPT] if asked else []
    allowed = max(_SMALLEST_DATAGRAM, *offers, 0)
    return answer if len(answer) <= allowed else bytes(dnslib.DNSRecord.parse(answer).truncate().pack())


def _parse(message: bytes) -> dnslib.DNSRecord | None:
    """Return a message that a container wrote; None for what dnslib fails on, in whatever way.

    It reads names of 254 bytes and more, and fails only when they are to be repeated in the answer.
    """
    try:
        parsed = dnslib.DNSRecord.parse(message)
        parsed.reply().pack()
    except Exception:
        return None
    return parsed


def _refusal(question: bytes, code: int) -> bytes:
    """Return an answer without records; the question is repeated as far as it could be read."""
    header = question[:2] + bytes([0x80 | question[2] & 0x79, 0x80 | code])
    asked = _parse(question)
    if asked is None:
        return header + bytes(8)
    reply = asked.reply(aa=0)
    reply.header.rcode = code
    return bytes(reply.pack())


def _addresses(asked: dnslib.DNSRecord, found: list[Peer]) -> bytes:
    reply = asked.reply()
    kinds = {dnslib.QTYPE.A: dnslib.A, dnslib.QTYPE.AAAA: dnslib.AAAA}
    texts = [text for peer in found for text in peer.addresses]
    random.shuffle(texts)  # of several that share an alias, each is first at times
    for text in texts:
        kind = dnslib.QTYPE.AAAA if ":" in text else dnslib.QTYPE.A
        if asked.q.qtype in (kind, dnslib.QTYPE.ANY):
            reply.add_answer(dnslib.RR(asked.q.qname, kind, rdata=kinds[kind](text), ttl=_SECONDS))
    return bytes(reply.pack())


def _pointers(asked: dnslib.DNSRecord, found: list[Peer]) -> bytes | None:
    if not found:
        return None
    reply = asked.reply()
    for peer in found:
        name = f"{peer.names[0]}.{peer.network.name}"
        reply.add_answer(dnslib.RR(asked.q.qname, dnslib.QTYPE.PTR, rdata=dnslib.PTR(name), ttl=_SECONDS))
    return bytes(reply.pack())


def _reversed(name: str) -> str:
    """Return the address that a name of the reverse tree stands for (RFC 1035, section 3.5; RFC 3596, section 2.5)."""
    plain = name.lower().rstrip(".")
    if plain.endswith(_REVERSE4):
        text = ".".join(reversed(plain.removesuffix(_REVERSE4).split(".")))
    elif plain.endswith(_REVERSE6):
        digits = "".join(reversed(plain.removesuffix(_REVERSE6).split(".")))
        text = ":".join(digits[i : i + 4] for i in range(0, 32, 4)) if len(digits) == 32 else ""
    else:
        return ""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""
