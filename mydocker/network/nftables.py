"""The words of nf_tables (linux/netfilter/nf_tables.h): tables, chains, rules and sets as netlink messages.

A message is (type, flags, body), for `mydocker.network.netlink`; `batch` makes of several one transaction. An
expression is one step of a rule's little program: load something into a register, compare it, act. Numbers are
big-endian, what is compared is as it stands in the packet.
"""

from __future__ import annotations

import struct

from mydocker.network.messages import ACK, CREATE, EXCLUSIVE, Message, attribute, nested, text
from mydocker.values import NamedTuple

INET, BRIDGE = 1, 7  # linux/netfilter.h: NFPROTO_*
PREROUTING, FORWARD, POSTROUTING = 0, 2, 4
DROP, ACCEPT = 0, 1
NAMES_LENGTH = 16  # linux/if.h: IFNAMSIZ

_BEGIN, _END, _NFTABLES = 0x10, 0x11, 10
_NEWTABLE, _DELTABLE, _NEWCHAIN, _NEWRULE, _NEWSET, _NEWELEMENT, _DELELEMENT = 0, 2, 3, 6, 9, 12, 14
_APPEND = 0x800
_PROTOCOL, _IN, _OUT, _FAMILY, _TRANSPORT = 1, 6, 7, 15, 16  # NFT_META_*
_REGISTER, _REGISTER32 = 1, 8  # 16 bytes; the same again as registers of 4 bytes


def _number(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("!I", value & 0xFFFFFFFF))


def _value(kind: int, value: bytes) -> bytes:
    return nested(kind, attribute(1, value))


def _message(kind: int, flags: int, family: int, body: bytes) -> Message:
    return _NFTABLES << 8 | kind, flags | ACK, struct.pack("!BBH", family, 0, 0) + body


def batch(*messages: Message) -> tuple[Message, ...]:
    """Return the messages as one transaction: all of them happen, or none."""
    frame = struct.pack("!BBH", 0, 0, _NFTABLES)
    return (_BEGIN, 0, frame), *messages, (_END, 0, frame)


class Table(NamedTuple):
    """A table of a family; its methods return messages about it."""

    family: int
    name: str

    def new(self) -> Message:
        """Make the table; one that exists is fine."""
        return _message(_NEWTABLE, CREATE, self.family, text(1, self.name))

    def delete(self) -> Message:
        """Remove the table with everything in it."""
        return _message(_DELTABLE, 0, self.family, text(1, self.name))

    def chain(self, name: str, kind: str, hook: int, priority: int) -> Message:
        """Make a chain of `kind` (filter, nat) that packets go through at a hook."""
        place = nested(4, _number(1, hook), _number(2, priority))
        body = text(1, self.name) + text(3, name) + place + _number(5, ACCEPT) + text(7, kind)
        return _message(_NEWCHAIN, CREATE, self.family, body)

    def rule(self, chain: str, *expressions: bytes) -> Message:
        """Append a rule."""
        body = text(1, self.name) + text(2, chain) + nested(4, *expressions)
        return _message(_NEWRULE, CREATE | _APPEND, self.family, body)

    def set(self, name: str, number: int, key_type: int, key_length: int) -> Message:
        """Make a set; `number` names it within the transaction, `key_type` tells nft(8) how to show it."""
        key = _number(4, key_type) + _number(5, key_length)
        body = text(1, self.name) + text(2, name) + _number(3, 0) + key + _number(10, number)
        return _message(_NEWSET, CREATE | EXCLUSIVE, self.family, body)

    def add(self, name: str, *keys: bytes) -> Message:
        """Put keys into a set."""
        return self._elements(_NEWELEMENT, CREATE, name, keys)

    def discard(self, name: str, *keys: bytes) -> Message:
        """Take keys out of a set."""
        return self._elements(_DELELEMENT, 0, name, keys)

    def _elements(self, kind: int, flags: int, name: str, keys: tuple[bytes, ...]) -> Message:
        elements = nested(3, *(nested(1, _value(1, key)) for key in keys))
        return _message(kind, flags, self.family, text(1, self.name) + text(2, name) + elements)


def _expression(name: str, *content: bytes) -> bytes:
    return nested(1, text(1, name), nested(2, *content))


def _compare(value: bytes, *, equal: bool = True) -> bytes:
    return _expression("cmp", _number(1, _REGISTER), _number(2, 0 if equal else 1), _value(3, value))


def _meta(key: int, register: int = _REGISTER) -> bytes:
    return _expression("meta", _number(1, register), _number(2, key))


def _payload(base: int, offset: int, length: int, register: int = _REGISTER) -> bytes:
    return _expression("payload", _number(1, register), _number(2, base), _number(3, offset), _number(4, length))


def _mask(value: bytes) -> bytes:
    zero = bytes(len(value))
    both = _number(1, _REGISTER) + _number(2, _REGISTER)
    return _expression("bitwise", both, _number(3, len(value)), _value(4, value), _value(5, zero))


def name_key(name: str) -> bytes:
    """Return a link's name as it is compared."""
    return name.encode().ljust(NAMES_LENGTH, b"\0")


def link(*, incoming: bool, name: str, equal: bool = True, prefix: bool = False) -> bytes:
    """Match the link that a packet came through, or goes out through; with `prefix`, all links called so and more."""
    return _meta(_IN if incoming else _OUT) + _compare(name.encode() if prefix else name_key(name), equal=equal)


def family(number: int) -> bytes:
    """Match packets of a family (NFPROTO_IPV4 2, NFPROTO_IPV6 10), in a table of INET."""
    return _meta(_FAMILY) + _compare(bytes([number]))


def source(base: int, length: int, bits: int) -> bytes:
    """Match packets whose source address is in a subnet."""
    size = bits // 8
    mask = ((1 << bits) - (1 << bits - length)).to_bytes(size, "big")
    return _payload(1, 12 if bits == 32 else 8, size) + _mask(mask) + _compare(base.to_bytes(size, "big"))


def protocol(number: int) -> bytes:
    """Match frames of an Ethernet protocol, in a table of BRIDGE."""
    return _meta(_PROTOCOL) + _compare(number.to_bytes(2, "big"))


def transport(number: int) -> bytes:
    """Match packets of a transport protocol, whatever IPv6 headers come before it."""
    return _meta(_TRANSPORT) + _compare(bytes([number]))


def field(base: int, offset: int, value: bytes) -> bytes:
    """Match bytes of a packet: of the link's header (base 0), the network's (1), the transport's (2)."""
    return _payload(base, offset, len(value)) + _compare(value)


def unknown(name: str, base: int, offset: int, length: int) -> bytes:
    """Match when the link it came through and these bytes of the packet are together no key of the set `name`."""
    second = _payload(base, offset, length, _REGISTER32 + NAMES_LENGTH // 4)
    lookup = _expression("lookup", text(1, name), _number(2, _REGISTER), _number(5, 1))
    return _meta(_IN) + second + lookup


def unanswered() -> bytes:
    """Match packets that belong to no connection which is known, nor to anything that such a one called for."""
    state = _expression("ct", _number(1, _REGISTER), _number(2, 0))
    return state + _mask(struct.pack("I", 2 | 4)) + _compare(bytes(4))  # NF_CT_STATE_BIT: established, related


def verdict(code: int) -> bytes:
    """End: drop or accept."""
    return _expression("immediate", _number(1, 0), nested(2, nested(2, _number(1, code))))


def masquerade() -> bytes:
    """Give the packet the address of the link that it goes out through."""
    return _expression("masq")
