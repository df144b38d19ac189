"""Talking to the kernel about links, addresses, routes, filters: rtnetlink(7), nfnetlink. pyroute2 lives here alone.

pyroute2's classes put the messages into bytes; its sockets are not used. `import pyroute2` loads asyncio, ssl and every
protocol that it knows, 110 ms of processor time where starting a container takes about 40: `_bases` loads the few
modules that are needed, without what the package's own `__init__` imports.

Several messages go to the kernel in one call, in order. The first that failed is raised; rtnetlink carries out the rest
all the same, a batch of nfnetlink is carried out whole or not at all.
"""

from __future__ import annotations

import _socket
import errno
import fcntl
import os
import struct
import sys
from contextlib import contextmanager

from mydocker.errors import NetworkError
from mydocker.linux import namespaces
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType
    from typing import Any

# linux/netlink.h
_ROUTE, _NETFILTER = 0, 12
_ERROR, _DONE = 2, 3
REQUEST, ACK, DUMP = 0x1, 0x4, 0x300
REPLACE, EXCLUSIVE, CREATE = 0x100, 0x200, 0x400
# linux/rtnetlink.h
_NEWLINK, _DELLINK, _NEWADDR, _NEWROUTE, _GETROUTE, _NEWLINKPROP = 16, 17, 20, 24, 26, 108
_MAIN_TABLE, _UNICAST, _BOOT, _UNIVERSE = 254, 1, 3, 0
# linux/if.h, linux/sockios.h, linux/if_addr.h
_UP = 0x1
_GET_FLAGS, _GET_INDEX, _GET_MTU = 0x8913, 0x8933, 0x8921
_NO_DAD = 0x02
_BLOCK = 1 << 16
_HEADER = struct.Struct("IHHII")
_ANSWER_SECONDS = 10


def _bases() -> tuple[Any, Any, Any, Any]:
    """Return pyroute2's classes: any message, any attribute, messages about addresses and about routes."""
    held = sys.modules.get("pyroute2")
    if held is None:
        sys.modules["pyroute2"] = _bare_package("pyroute2")
    try:
        from pyroute2.netlink import nla, nlmsg
        from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
        from pyroute2.netlink.rtnl.rtmsg import rtmsg
    finally:
        if held is None:  # whoever imports pyroute2 later in this process gets all of it, in its own order
            for name in [name for name in sys.modules if name.partition(".")[0] == "pyroute2"]:
                del sys.modules[name]
    return nlmsg, nla, ifaddrmsg, rtmsg


def _bare_package(name: str) -> ModuleType:
    """Return a package whose modules can be imported, without having run its `__init__`."""
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    spec = PathFinder.find_spec(name)
    if spec is None:
        raise NetworkError(f"networks need the Python package {name}", "it is not installed", f"pip install {name}")
    return module_from_spec(spec)


_BASES = _bases()
_Message: Any = _BASES[0]
_Attributes: Any = _BASES[1]
_Address, _Route = _BASES[2:]

_LINK_FIELDS = (("family", "B"), ("__align", "x"), ("ifi_type", "H"), ("index", "i"), ("flags", "I"), ("change", "I"))
_LINK_ATTRIBUTES = (
    (1, "IFLA_ADDRESS", "l2addr"),
    (3, "IFLA_IFNAME", "asciiz"),
    (4, "IFLA_MTU", "uint32"),
    (10, "IFLA_MASTER", "uint32"),
    (28, "IFLA_NET_NS_FD", "uint32"),
)


class _Names(_Attributes):  # type: ignore[misc]
    """Further names of a link."""

    nla_flags = 0x8000  # NLA_F_NESTED, which the kernel insists on here
    nla_map = ((53, "IFLA_ALT_IFNAME", "asciiz"),)


class _Peer(_Attributes):  # type: ignore[misc]
    """The other end of a veth pair (linux/veth.h): a whole message about a link in an attribute."""

    fields = _LINK_FIELDS
    nla_map = _LINK_ATTRIBUTES


class _Pair(_Attributes):  # type: ignore[misc]
    """What only links of the kind veth have."""

    nla_map = ((1, "VETH_INFO_PEER", "peer"),)
    peer = _Peer


class _Kind(_Attributes):  # type: ignore[misc]
    """Of which kind a link is."""

    nla_map = ((1, "IFLA_INFO_KIND", "asciiz"), (2, "IFLA_INFO_DATA", "pair"))
    pair = _Pair


class _Link(_Message):  # type: ignore[misc]
    """A message about a link (rtnetlink(7), struct ifinfomsg), with what is used of it here.

    pyroute2's own knows every kind of link, which takes another 8 ms to load.
    """

    fields = _LINK_FIELDS
    nla_map = (*_LINK_ATTRIBUTES, (18, "IFLA_LINKINFO", "kind"), (52, "IFLA_PROP_LIST", "names"))
    kind = _Kind
    names = _Names


class Route(NamedTuple):
    """A route of the main table: `AF_INET` or `AF_INET6`, the destination (bytes) and its length, the link's number."""

    family: int
    destination: bytes
    length: int
    link: int


class Netlink:
    """A socket to the kernel in the network namespace where it is made. Close it, or use `with`."""

    def __init__(self, protocol: int = _ROUTE) -> None:
        kind = _socket.SOCK_RAW | _socket.SOCK_CLOEXEC
        self._socket = _socket.socket(_socket.AF_NETLINK, kind, protocol)
        self._socket.settimeout(_ANSWER_SECONDS)
        self._socket.bind((0, 0))
        self._sequence = 0

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, *unused: object) -> None:
        self._socket.close()

    def send(self, *messages: tuple[int, int, bytes]) -> None:
        """Have messages (type, flags, body) carried out, in one call; raise the first failure as `OSError`."""
        first = self._sequence + 1
        sent = []
        numbers = set()
        for kind, flags, body in messages:
            self._sequence += 1
            if flags & ACK:
                numbers.add(self._sequence)
            length = _HEADER.size + len(body)
            header = _HEADER.pack(length, kind, flags | REQUEST, self._sequence, 0)
            sent.append(header + body + b"\0" * (-length % 4))
        self._socket.sendall(b"".join(sent))
        failed = 0
        while numbers:
            for kind, number, body in self._receive():
                if kind == _ERROR and number >= first:
                    failed = failed or -struct.unpack_from("i", body)[0]
                    if number not in numbers:  # the frame around a batch: nothing in it was looked at
                        numbers.clear()
                    numbers.discard(number)
        if failed:
            raise OSError(failed, os.strerror(failed))

    def dump(self, kind: int, body: bytes) -> Iterator[bytes]:
        """Yield the bodies of the kernel's answers to a request for all of something."""
        self._sequence += 1
        header = _HEADER.pack(_HEADER.size + len(body), kind, REQUEST | DUMP, self._sequence, 0)
        self._socket.sendall(header + body)
        while True:
            for answer, _, content in self._receive():
                if answer == _DONE:
                    return
                if answer == _ERROR:
                    failed = -struct.unpack_from("i", content)[0]
                    raise OSError(failed, os.strerror(failed))
                yield content

    def _receive(self) -> list[tuple[int, int, bytes]]:
        data = self._socket.recv(_BLOCK)
        found = []
        while len(data) >= _HEADER.size:
            length, kind, _, number, _ = _HEADER.unpack_from(data)
            found.append((kind, number, data[_HEADER.size : length]))
            data = data[(length + 3) & ~3 :]
        return found

    # Links, by the old ioctls (netdevice(7)): they cost a microsecond, and nothing has to be decoded ------------------

    def index(self, name: str) -> int:
        """Return a link's number, 0 where there is no link of that name."""
        return self._ask(name, _GET_INDEX, "16xi")

    def mtu(self, name: str) -> int:
        """Return the largest packet that a link carries, in bytes; 0 where there is no link of that name."""
        return self._ask(name, _GET_MTU, "16xi")

    def is_up(self, name: str) -> bool:
        """Tell whether there is a link of that name, switched on."""
        return bool(self._ask(name, _GET_FLAGS, "16xH") & _UP)

    def _ask(self, name: str, request: int, form: str) -> int:
        try:
            answer = fcntl.ioctl(self._socket.fileno(), request, struct.pack("16s24x", name.encode()))
        except OSError as err:
            if err.errno == errno.ENODEV:
                return 0
            raise
        return int(struct.unpack_from(form, answer)[0])


def netfilter() -> Netlink:
    """Return a socket to netfilter, in the network namespace where this is called."""
    return Netlink(_NETFILTER)


@contextmanager
def inside(namespace: int) -> Iterator[None]:
    """Be in a network namespace (a descriptor) in the block; sockets made there stay in it. For this thread only."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        namespaces.setns(namespace, namespaces.CLONE_NEWNET)
        try:
            yield
        finally:
            namespaces.setns(own, namespaces.CLONE_NEWNET)
    finally:
        os.close(own)


# Messages -------------------------------------------------------------------------------------------------------------


def _encode(message: Any) -> bytes:
    message.encode()
    return bytes(message.data[_HEADER.size :])


def _link(attributes: list[tuple[str, Any]], *, number: int = 0, up: bool | None = None) -> bytes:
    message = _Link()
    message["index"] = number
    if up is not None:
        message["flags"], message["change"] = _UP if up else 0, _UP
    message["attrs"] = attributes
    return _encode(message)


def new_bridge(name: str, mac: str, mtu: int) -> tuple[int, int, bytes]:
    """Make a bridge, switched off."""
    attributes = [
        ("IFLA_IFNAME", name), ("IFLA_ADDRESS", mac), ("IFLA_MTU", mtu),
        ("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", "bridge")]}),
    ]  # fmt: skip
    return _NEWLINK, ACK | CREATE | EXCLUSIVE, _link(attributes)


def new_pair(outside: str, bridge: int, inside_name: str, mac: str, mtu: int, namespace: int) -> tuple[int, int, bytes]:
    """Make a veth pair: one end on the link `bridge`, switched on, the other in the namespace of a descriptor."""
    peer = [("IFLA_IFNAME", inside_name), ("IFLA_ADDRESS", mac), ("IFLA_MTU", mtu), ("IFLA_NET_NS_FD", namespace)]
    info = [("IFLA_INFO_KIND", "veth"), ("IFLA_INFO_DATA", {"attrs": [("VETH_INFO_PEER", {"attrs": peer})]})]
    attributes = [
        ("IFLA_IFNAME", outside), ("IFLA_MTU", mtu), ("IFLA_MASTER", bridge), ("IFLA_LINKINFO", {"attrs": info}),
    ]  # fmt: skip
    return _NEWLINK, ACK | CREATE | EXCLUSIVE, _link(attributes, up=True)


def switch_on(number: int) -> tuple[int, int, bytes]:
    """Switch a link on."""
    return _NEWLINK, ACK, _link([], number=number, up=True)


def delete_link(number: int) -> tuple[int, int, bytes]:
    """Remove a link; the other end of a veth pair goes with it."""
    return _DELLINK, ACK, _link([], number=number)


def second_name(number: int, name: str) -> tuple[int, int, bytes]:
    """Give a link one more name (ip-link(8), altname)."""
    names = ("IFLA_PROP_LIST", {"attrs": [("IFLA_ALT_IFNAME", name)]})
    return _NEWLINKPROP, ACK | CREATE | EXCLUSIVE, _link([names], number=number)


def add_address(number: int, address: str, length: int, broadcast: str = "", label: str = "") -> tuple[int, int, bytes]:
    """Give a link an address of either family; nobody else is asked whether they have it (no DAD).

    `label` is the name that ifconfig(8) shows an IPv4 address under, instead of the link's.
    """
    message = _Address()
    message["family"] = _socket.AF_INET6 if ":" in address else _socket.AF_INET
    message["prefixlen"], message["index"], message["flags"] = length, number, _NO_DAD
    further = [("IFA_BROADCAST", broadcast), ("IFA_LABEL", label)]
    message["attrs"] = [("IFA_LOCAL", address), ("IFA_ADDRESS", address), *(each for each in further if each[1])]
    return _NEWADDR, ACK | CREATE | REPLACE, _encode(message)


def default_route(gateway: str) -> tuple[int, int, bytes]:
    """Send everything that no other route takes to `gateway`."""
    message = _Route()
    message["family"] = _socket.AF_INET6 if ":" in gateway else _socket.AF_INET
    message["table"], message["type"], message["proto"], message["scope"] = _MAIN_TABLE, _UNICAST, _BOOT, _UNIVERSE
    message["attrs"] = [("RTA_GATEWAY", gateway)]
    return _NEWROUTE, ACK | CREATE | REPLACE, _encode(message)


def routes(netlink: Netlink) -> list[Route]:
    """Return the routes of the main table, the default routes left out (rtnetlink(7), RTM_GETROUTE)."""
    found = []
    for body in netlink.dump(_GETROUTE, struct.pack("12x")):
        family, length, _, _, table = struct.unpack_from("5B", body)
        attributes = _attributes(body[12:])
        destination, link = attributes.get(1), attributes.get(4)  # RTA_DST, RTA_OIF
        if table == _MAIN_TABLE and length and destination is not None:
            found.append(Route(family, destination, length, struct.unpack("i", link)[0] if link else 0))
    return found


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("HH", data)
        found[kind] = data[4:length]
        data = data[max((length + 3) & ~3, 4) :]
    return found
