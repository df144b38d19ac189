"""Talking to the kernel about links, addresses, routes, filters: rtnetlink(7), nfnetlink. pyroute2 lives here alone.

pyroute2's classes put messages into bytes and take answers apart; its sockets are not used. It is loaded for what
happens once for a network; see `mydocker.network.messages` for what happens at each start.

Several messages go to the kernel in one call, in order. The first that failed is raised; rtnetlink carries out the rest
all the same, a batch of nfnetlink is carried out whole or not at all.
"""

from __future__ import annotations

import _socket
import errno
import fcntl
import os
import struct
from contextlib import contextmanager

from mydocker.linux import namespaces
from mydocker.network.messages import ACK, CREATE, DUMP, EXCLUSIVE, GETLINK, GETROUTE, MAIN_TABLE, NEWLINK, REQUEST
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mydocker.network.messages import Message

# linux/netlink.h
_ROUTE, _NETFILTER = 0, 12
_ERROR, _DONE = 2, 3
# linux/if.h, linux/sockios.h
_UP = 0x1
_GET_FLAGS, _GET_INDEX, _GET_MTU = 0x8913, 0x8933, 0x8921
_BLOCK = 1 << 16
_HEADER = struct.Struct("IHHII")
_ANSWER_SECONDS = 10


class Route(NamedTuple):
    """A route of the main table: the destination (an address as text), the length of its prefix, the link's number."""

    destination: str
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

    def send(self, *messages: Message) -> None:
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
        """Yield the kernel's answers to a request for all of something, each with its header."""
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
                yield _HEADER.pack(_HEADER.size + len(content), answer, 0, 0, 0) + content

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


# What happens once for a network ------------------------------------------------------------------------------------


def new_bridge(name: str, mac: str, mtu: int) -> Message:
    """Return the message that makes a bridge, switched off."""
    from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

    message = ifinfmsg()
    message["attrs"] = [
        ("IFLA_IFNAME", name), ("IFLA_ADDRESS", mac), ("IFLA_MTU", mtu),
        ("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", "bridge")]}),
    ]  # fmt: skip
    message.encode()
    return NEWLINK, ACK | CREATE | EXCLUSIVE, bytes(message.data[_HEADER.size :])


def routes(netlink: Netlink) -> list[Route]:
    """Return the routes of the main table, the default routes left out (rtnetlink(7), RTM_GETROUTE)."""
    from pyroute2.netlink.rtnl.rtmsg import rtmsg

    found = []
    for data in netlink.dump(GETROUTE, bytes(12)):
        message = rtmsg(data)
        message.decode()
        destination = message.get_attr("RTA_DST")
        if message["table"] == MAIN_TABLE and message["dst_len"] and destination:
            found.append(Route(destination, message["dst_len"], message.get_attr("RTA_OIF") or 0))
    return found


def bridges(netlink: Netlink) -> set[str]:
    """Return the names of all bridges of the host, whoever made them."""
    from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

    found = set()
    for data in netlink.dump(GETLINK, bytes(16)):
        message = ifinfmsg(data)
        message.decode()
        info = message.get_attr("IFLA_LINKINFO")
        if info is not None and info.get_attr("IFLA_INFO_KIND") == "bridge":
            found.add(str(message.get_attr("IFLA_IFNAME")))
    return found
