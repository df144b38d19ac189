"""Forwarded ports: what `portmap` does, and what the other commands want to know of them."""

from __future__ import annotations

import os

from mydocker.errors import NotFound
from mydocker.network.portmap import ports, starting
from mydocker.network.portmap.control import ask, connect, request
from mydocker.network.portmap.mappings import Folder, Mapping, decode_mapping
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class Load(NamedTuple):
    """How a server of a mapping does: its open connections, and whether connections reach it."""

    open: int = 0
    healthy: bool = True


class Forwarded(NamedTuple):
    """A mapping as it is now: whether the service runs, and the load of each server in the mapping's order."""

    mapping: Mapping
    active: bool
    loads: tuple[Load, ...]


class Ports:
    """The forwarded ports of one store. The service is started by what needs it."""

    def __init__(self, root: str) -> None:
        self._folder = Folder(f"{root}/portmap")

    def forward(self, text: str, policy: str = "") -> tuple[Mapping, ...]:
        """Forward `[ADDRESS:]PORT:TARGET:PORT[/PROTOCOL]`; a port that is forwarded already gets one more target.

        `policy` is round-robin or least-connections, "" to leave it. Raise UsageError, NetworkError.
        """
        return self._hand("forward", text, policy)

    def withdraw(self, text: str) -> tuple[Mapping, ...]:
        """Undo `forward`; open connections have some seconds to end. Raise UsageError, NotFound."""
        return self._hand("withdraw", text, "")

    def _hand(self, do: str, text: str, policy: str) -> tuple[Mapping, ...]:
        publish, target = ports.parse_forward(text)
        message = {"do": do, "port": list(publish), "to": list(target), "policy": policy}
        return tuple(decode_mapping(entry) for entry in starting.call(self._folder, message))

    def list(self) -> tuple[Forwarded, ...]:
        """Return all mappings, those of a stopped service, too."""
        try:
            found = request(self._folder, {"do": "list"})
        except (FileNotFoundError, ConnectionError):
            mappings = self._folder.read().mappings
            return tuple(Forwarded(each, False, tuple(Load() for _ in each.servers)) for each in mappings)
        return tuple(_forwarded(entry) for entry in found)

    def published(self) -> dict[str, tuple[ports.Published, ...]]:
        """Return the ports that lead to containers now, by id. Reads one small file."""
        found: dict[str, tuple[ports.Published, ...]] = {}
        state = self._folder.read()
        for each in () if state.stopped else state.mappings:
            if each.container and not each.error:
                port = ports.Published(each.address, each.port, each.servers[0].port, each.protocol)
                found[each.container] = (*found.get(each.container, ()), port)
        return found

    def start(self) -> int:
        """Start the service, to run until it is stopped; return its process id. Idempotent."""
        starting.start(self._folder, forever=True)
        return int(starting.call(self._folder, {"do": "stay"}))

    def attend(self) -> Iterator[int]:
        """Start the service if needed and yield its process id, then wait until it ends.

        It lives at least as long as this process waits.
        """
        client = starting.reach(self._folder)
        try:
            yield int(ask(client, {"do": "attend", "pid": os.getpid()}))
            client.settimeout(None)
            client.recv(1)
        finally:
            client.close()

    def stop(self) -> int:
        """Stop the service: nothing is forwarded until it is started again. Raise NotFound when none runs."""
        try:
            client = connect(self._folder)
        except (FileNotFoundError, ConnectionError):
            raise NotFound("no forwarding service is running", hint="`mydocker portmap start` starts it") from None
        try:
            pid = int(ask(client, {"do": "stop"}))
            client.recv(1)  # until it has ended, and the ports are free
        finally:
            client.close()
        return pid

    def mend(self) -> None:
        """Start the service again if it was killed. Costs one system call where nothing was ever forwarded."""
        starting.mend(self._folder)


def _forwarded(entry: dict[str, Any]) -> Forwarded:
    loads = tuple(Load(server.pop("open"), server.pop("healthy")) for server in entry["servers"])
    return Forwarded(decode_mapping(entry), True, loads)
