"""A worker of the forwarding service: the process that moves the bytes. It does what the service's main process says.

Messages come over a SOCK_SEQPACKET pair, one JSON object each, with descriptors beside them:

    {"do": "set", "key": "tcp/8080/0.0.0.0", "policy": "round-robin", "listener": true, "targets": [
        {"key": "...", "port": 80, "addresses": ["10.72.0.2"], "namespace": true}], "listen": true, "grace": 10}
                         the descriptors: the listener if there is one, then a namespace for each target that has one;
                         without `listen`, no more connections are taken; those to other targets are cut after `grace`
    {"do": "end", "key": ..., "grace": 10}       take no more; cut what is left after so many seconds; answered by {}
    {"do": "count", "keys": [...]}               answered by the number of connections, also those of ended ports:
                         {"open": 5, "forwards": {"KEY": {"TARGET'S KEY": [open, well, judged]}}}

The pair's end is the worker's end: it never outlives the service.
"""

from __future__ import annotations

import _socket
import json
import os
from array import array

from mydocker.network.forwarding.loop import IN, Loop
from mydocker.network.forwarding.pipes import Pipes
from mydocker.network.forwarding.probe import Prober
from mydocker.network.forwarding.targets import GONE, OURS, Address, Balance, Namespaces, Target
from mydocker.network.forwarding.tcp import Room, TcpForward
from mydocker.network.forwarding.udp import UdpForward
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, NoReturn

LARGEST_MESSAGE = 1 << 17
MOST_DESCRIPTORS = 200
# What is left besides listeners, namespaces and connections, which take two each: pipes of busy streams, mostly.
_RESERVED = 256
_FEWEST = 16

Forward = TcpForward | UdpForward


class Ending(NamedTuple):
    """What has time until `deadline`: connections of a TCP port, all of them or only those to certain targets."""

    deadline: float
    forward: TcpForward
    targets: tuple[Target, ...] | None


class Worker:
    """The forwards of one process."""

    def __init__(self, orders: _socket.socket, descriptors: int) -> None:
        self._orders = orders
        self._loop = Loop()
        self._namespaces = Namespaces()
        self._descriptors = descriptors
        self.room = Room(self._loop, Pipes(), self._namespaces, 0)
        self._forwards: dict[str, Forward] = {}
        self._ending: list[Ending] = []
        self._loop.add(orders.fileno(), self, IN)
        self._prober = Prober(self._loop, self._namespaces, self._balances)

    def run(self) -> None:
        """Work until the service's main process is gone."""
        self._loop.run()

    def _balances(self) -> Iterator[Balance]:
        for forward in self._forwards.values():
            if isinstance(forward, TcpForward) and forward.listener >= 0:
                yield forward.balance

    def handle(self, mask: int) -> None:
        """Take an order."""
        message, descriptors = receive(self._orders)
        if message is None:
            self._loop.running = False
            return
        if message["do"] == "count":
            counts = {key: _count(self._forwards[key]) for key in message["keys"]}
            send(self._orders, {"open": self.room.connections, "forwards": counts})
        elif message["do"] == "set":
            self._set(message, descriptors)
        else:
            self._retire(self._forwards.pop(message["key"]), message["grace"])
            send(self._orders, {})
        used = sum(1 + len(forward.balance.targets) for forward in self._forwards.values())
        self.room.most = max((self._descriptors - _RESERVED - used) // 2, _FEWEST)

    def _set(self, message: dict[str, Any], descriptors: list[int]) -> None:
        """Begin to forward, or change policy and targets."""
        key = message["key"]
        listener = descriptors.pop(0) if message["listener"] else -1
        targets = [_target(each, descriptors.pop(0) if each["namespace"] else OURS) for each in message["targets"]]
        forward = self._forwards.get(key)
        if forward is None:
            forward = self._forwards[key] = self._make(key, listener)
        elif isinstance(forward, TcpForward) and listener >= 0:
            forward.resume(listener)
        elif isinstance(forward, TcpForward) and not message["listen"]:
            forward.stop()
        forward.balance.policy = message["policy"]
        gone = forward.balance.replace(targets)
        for target in targets:
            if target not in forward.balance.targets:  # known already: that one keeps its own descriptor
                self._let_go(target)
        if len(targets) > 1 and message["listen"]:
            self._loop.watch(self._prober.look)
        if gone:
            self._retire_targets(forward, gone, message["grace"])

    def _make(self, key: str, listener: int) -> Forward:
        if key.startswith("udp"):
            return UdpForward(self.room, _socket.socket(fileno=listener), Balance())
        return TcpForward(self.room, listener, Balance())

    def _retire(self, forward: Forward, grace: float) -> None:
        """Take no more; what is open goes on for `grace` seconds."""
        for target in forward.balance.replace([]):
            self._let_go(target)
        if isinstance(forward, TcpForward):
            forward.stop()
            self._give_time(Ending(self._loop.now + grace, forward, None))
        else:
            forward.cut()

    def _retire_targets(self, forward: Forward, gone: list[Target], grace: float) -> None:
        for target in gone:
            self._let_go(target)
        if isinstance(forward, TcpForward):
            self._give_time(Ending(self._loop.now + grace, forward, tuple(gone)))
        else:
            forward.leave(gone)

    def _let_go(self, target: Target) -> None:
        """Make no more connections to a target; its namespace vanishes with the last one that there is."""
        if target.namespace >= 0:
            self._namespaces.leave(target.namespace)
            os.close(target.namespace)
        target.namespace, target.addresses = GONE, ()

    def _give_time(self, entry: Ending) -> None:
        self._ending.append(entry)
        self._loop.watch(self._end)

    def _end(self, now: float) -> bool:
        """Cut what had its time."""
        for entry in tuple(self._ending):
            left = tuple(entry.forward.connections)
            if entry.targets is not None:
                left = tuple(each for each in left if each.target in entry.targets)
            if left and now < entry.deadline:
                continue
            for connection in left:
                connection.abort()
            if entry.targets is None:
                entry.forward.cut()
            self._ending.remove(entry)
        return bool(self._ending)


def _target(entry: dict[str, Any], namespace: int) -> Target:
    return Target(entry["key"], tuple(address(each, entry["port"]) for each in entry["addresses"]), namespace)


def address(text: str, port: int) -> Address:
    """Return the socket address for an address in text form and a port."""
    return Address(_socket.AF_INET6 if ":" in text else _socket.AF_INET, (text, port))


def _count(forward: Forward) -> dict[str, tuple[int, bool, float]]:
    return {target.key: (target.open, target.well, target.judged) for target in forward.balance.targets}


def receive(channel: _socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """Return the next message and its descriptors; None for the message when the other end is gone."""
    space = _socket.CMSG_SPACE(MOST_DESCRIPTORS * array("i").itemsize)
    try:
        data, ancillary, _, _ = channel.recvmsg(LARGEST_MESSAGE, space, _socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:
        return None, []
    descriptors = array("i")
    for level, kind, content in ancillary:
        if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS):
            descriptors.frombytes(content)
    return (json.loads(data) if data else None), list(descriptors)


def send(channel: _socket.socket, message: dict[str, Any], descriptors: list[int] | None = None) -> None:
    """Send a message with descriptors."""
    rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array("i", descriptors or []).tobytes())
    channel.sendmsg([json.dumps(message).encode()], [rights] if descriptors else [])


def main(orders: _socket.socket, descriptors: int) -> NoReturn:
    """Be a worker, from the fork on."""
    status = 1
    try:
        Worker(orders, descriptors).run()
        status = 0
    finally:
        os._exit(status)
