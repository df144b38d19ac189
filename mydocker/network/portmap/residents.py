"""The containers that ports lead to: where they can be reached, and whether they still live.

Connections are made from inside the container's own network namespace: that works without any network, saves the way
over the bridge, and a container that is gone cannot be mistaken for another with the same address.
"""

from __future__ import annotations

import os

from mydocker.errors import NetworkError
from mydocker.linux.process import start_ticks
from mydocker.network.forwarding.loop import IN
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from mydocker.network.forwarding.loop import Loop

_LOOPBACK = ("127.0.0.1", "::1")
_MOST_ADDRESSES = 8  # that are tried for a connection: a container with privileges may give itself any number
_LARGEST = 1 << 20


class Resident(NamedTuple):
    """A living container: its first process, descriptors of that and of its network namespace, its addresses there."""

    pid: int
    process: int
    namespace: int
    addresses: tuple[str, ...]

    def close(self) -> None:
        """Let the namespace vanish with the container."""
        os.close(self.process)
        os.close(self.namespace)


class Residents:
    """The containers by id; `bury(id)` is called when one has died."""

    def __init__(self, loop: Loop, bury: Callable[[str], None]) -> None:
        self._loop = loop
        self._bury = bury
        self._living: dict[str, Resident] = {}

    def admit(self, container: str, pid: int, ticks: int) -> None:
        """Get to know a container. Raise NetworkError when it does not live, or not any more."""
        known = self._living.get(container)
        if known is not None and known.pid == pid:
            return
        try:
            process = os.pidfd_open(pid)
        except ProcessLookupError:
            raise _dead(container) from None
        try:
            namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            os.close(process)
            raise _dead(container) from None
        resident = Resident(pid, process, namespace, addresses(f"/proc/{pid}/net"))
        if start_ticks(pid) != ticks:  # compared after the descriptors are open: they are of that very process now
            resident.close()
            raise _dead(container)
        self.dismiss(container)
        self._living[container] = resident
        self._loop.add(process, Watch(container, self._bury), IN)

    def dismiss(self, container: str) -> None:
        """Forget a container; idempotent."""
        resident = self._living.pop(container, None)
        if resident is not None:
            self._loop.drop(resident.process)
            resident.close()

    def place(self, container: str) -> tuple[tuple[str, ...], int]:
        """Return the addresses at which a container is reached from within its namespace, and the namespace."""
        resident = self._living[container]
        return resident.addresses, resident.namespace

    def look_again(self, container: str) -> None:
        """Find out anew what addresses a container has; nothing where it is not known."""
        resident = self._living.get(container)
        if resident is not None:
            self._living[container] = resident._replace(addresses=addresses(f"/proc/{resident.pid}/net"))


class Watch(NamedTuple):
    """Hears of a container's end."""

    container: str
    bury: Callable[[str], None]

    def handle(self, mask: int) -> None:
        """The first process has ended."""
        self.bury(self.container)


def _dead(container: str) -> NetworkError:
    return NetworkError(f"cannot forward ports to container {container[:12]}", "it has ended")


def addresses(folder: str) -> tuple[str, ...]:
    """Return a namespace's own addresses, IPv4 first, as `folder` (/proc/PID/net) shows them.

    A container with addresses of its own is reached at those only: a server that it bound to its loopback stays as
    private as it was meant (CVE-2020-8558). One without is reached there.
    """
    found = [*_ipv4(f"{folder}/fib_trie"), *_ipv6(f"{folder}/if_inet6")]
    return tuple(dict.fromkeys(found))[:_MOST_ADDRESSES] or _LOOPBACK


def _ipv4(path: str) -> list[str]:
    """Return the local addresses in a routing table: leaves `|-- ADDRESS`, followed by `/32 host LOCAL`."""
    found, leaf = [], ""
    for line in _lines(path):
        words = line.split()
        if words[:1] == ["|--"]:
            leaf = words[1]
        elif words == ["/32", "host", "LOCAL"] and not leaf.startswith("127."):
            found.append(leaf)
    return found


def _ipv6(path: str) -> list[str]:
    """Return the global addresses of a list of interfaces' (scope 00; proc(5) has the columns)."""
    import _socket

    found = []
    for line in _lines(path):
        words = line.split()
        if len(words) == 6 and words[3] == "00":
            found.append(_socket.inet_ntop(_socket.AF_INET6, bytes.fromhex(words[0])))
    return found


def _lines(path: str) -> list[str]:
    try:
        with open(path) as file:
            return file.read(_LARGEST).splitlines()
    except FileNotFoundError:  # a kernel without that family
        return []
