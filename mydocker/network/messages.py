"""What is said to the kernel each time a container starts, packed here (rtnetlink(7)): links, addresses, routes.

pyroute2 knows all of it, but loading its core alone takes 12 ms of processor time, and the whole of it 110, where
starting a container takes about 50. So it is left what happens once for a network (`mydocker.network.netlink`); the few
messages for every start are made here, and a test holds them to pyroute2's, byte for byte.

A message is (type, flags, body). Numbers are in the machine's own byte order.
"""

from __future__ import annotations

import _socket
import struct

Message = tuple[int, int, bytes]

# linux/netlink.h
REQUEST, ACK, DUMP = 0x1, 0x4, 0x300
REPLACE, EXCLUSIVE, CREATE = 0x100, 0x200, 0x400
_NESTED = 0x8000
# linux/rtnetlink.h
NEWLINK, _DELLINK, GETLINK, _NEWADDR, _NEWROUTE, GETROUTE, _NEWLINKPROP = 16, 17, 18, 20, 24, 26, 108
MAIN_TABLE, _UNICAST, _BOOT = 254, 1, 3
_GATEWAY = 5
# linux/if_link.h, linux/veth.h, linux/if.h
_ADDRESS, _IFNAME, _MTU, _MASTER, _LINKINFO, _NET_NS_FD, _PROP_LIST, _ALT_IFNAME = 1, 3, 4, 10, 18, 28, 52, 53
_INFO_KIND, _INFO_DATA, _VETH_PEER = 1, 2, 1
_UP = 0x1
# linux/if_addr.h
_IFA_ADDRESS, _IFA_LOCAL, _IFA_LABEL, _IFA_BROADCAST = 1, 2, 3, 4
_NO_DAD = 0x02

_LINK = struct.Struct("BxHiII")  # family, type of device, number, flags, which flags are meant


def attribute(kind: int, content: bytes) -> bytes:
    """Return an attribute, padded to four bytes."""
    return struct.pack("HH", len(content) + 4, kind) + content + b"\0" * (-len(content) % 4)


def nested(kind: int, *content: bytes) -> bytes:
    """Return an attribute made of attributes, marked as such."""
    return attribute(kind | _NESTED, b"".join(content))


def text(kind: int, value: str) -> bytes:
    """Return an attribute that is a name."""
    return attribute(kind, value.encode() + b"\0")


def _number(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("I", value))


def packed(address: str) -> tuple[int, bytes]:
    """Return the family of an address and its bytes."""
    family = _socket.AF_INET6 if ":" in address else _socket.AF_INET
    return family, _socket.inet_pton(family, address)


def new_pair(outside: str, bridge: int, inside: str, mac: str, mtu: int, namespace: int) -> Message:
    """Make a veth pair: one end on the link `bridge`, switched on, the other in the namespace of a descriptor."""
    peer = text(_IFNAME, inside) + attribute(_ADDRESS, bytes.fromhex(mac.replace(":", "")))
    peer = _LINK.pack(0, 0, 0, 0, 0) + peer + _number(_MTU, mtu) + _number(_NET_NS_FD, namespace)
    info = text(_INFO_KIND, "veth") + attribute(_INFO_DATA, attribute(_VETH_PEER, peer))
    body = text(_IFNAME, outside) + _number(_MTU, mtu) + _number(_MASTER, bridge) + attribute(_LINKINFO, info)
    return NEWLINK, ACK | CREATE | EXCLUSIVE, _LINK.pack(0, 0, 0, _UP, _UP) + body


def switch_on(number: int) -> Message:
    """Switch a link on."""
    return NEWLINK, ACK, _LINK.pack(0, 0, number, _UP, _UP)


def delete_link(number: int) -> Message:
    """Remove a link; the other end of a veth pair goes with it."""
    return _DELLINK, ACK, _LINK.pack(0, 0, number, 0, 0)


def second_name(number: int, name: str) -> Message:
    """Give a link one more name (ip-link(8), altname)."""
    body = _LINK.pack(0, 0, number, 0, 0) + nested(_PROP_LIST, text(_ALT_IFNAME, name))
    return _NEWLINKPROP, ACK | CREATE | EXCLUSIVE, body


def add_address(number: int, address: str, length: int, broadcast: str = "", label: str = "") -> Message:
    """Give a link an address of either family; nobody else is asked whether they have it (no DAD).

    `label` is the name that ifconfig(8) shows an IPv4 address under, instead of the link's.
    """
    family, own = packed(address)
    body = struct.pack("4Bi", family, length, _NO_DAD, 0, number) + attribute(_IFA_LOCAL, own)
    body += attribute(_IFA_ADDRESS, own)
    if broadcast:
        body += attribute(_IFA_BROADCAST, packed(broadcast)[1])
    if label:
        body += text(_IFA_LABEL, label)
    return _NEWADDR, ACK | CREATE | REPLACE, body


def default_route(gateway: str) -> Message:
    """Send everything that no other route takes to `gateway`."""
    family, to = packed(gateway)
    head = struct.pack("8BI", family, 0, 0, 0, MAIN_TABLE, _BOOT, 0, _UNICAST, 0)
    return _NEWROUTE, ACK | CREATE | REPLACE, head + attribute(_GATEWAY, to)
