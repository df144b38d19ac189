"""Where connections are sent: the targets of one forwarded port, and which of them is next."""

from __future__ import annotations

import _socket
import errno
import os

from mydocker.linux import namespaces
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

ROUND_ROBIN, LEAST_CONNECTIONS = "round-robin", "least-connections"
POLICIES = (ROUND_ROBIN, LEAST_CONNECTIONS)
# What a target's namespace is besides a descriptor: that of the service itself, and none any more.
OURS, GONE = -1, -2


class Address(NamedTuple):
    """A socket address of a target: the family, and what connect(2) takes."""

    family: int
    place: tuple[str, int]


class Namespaces:
    """Makes sockets in network namespaces.

    A socket belongs to the namespace in which it was made, whoever uses it later. So the process changes its own
    namespace only when the next socket is to be made in another one than the last: with one busy container, never.
    """

    def __init__(self) -> None:
        self._home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._current = self._home

    def socket(self, namespace: int, family: int, kind: int) -> _socket.socket:
        """Return a new socket, not blocking, in the namespace of a descriptor, or OURS. Raise OSError for GONE."""
        if namespace == GONE:
            # Never mistake it for ours: 127.0.0.1 is the host's there.
            raise OSError(errno.ESTALE, "the namespace is gone")
        wanted = self._home if namespace == OURS else namespace
        if wanted != self._current:
            namespaces.setns(wanted, namespaces.CLONE_NEWNET)
            self._current = wanted
        return _socket.socket(family, kind | _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC, 0)

    def leave(self, namespace: int) -> None:
        """Be in that namespace no longer, so that it can vanish with its container."""
        if self._current == namespace:
            namespaces.setns(self._home, namespaces.CLONE_NEWNET)
            self._current = self._home


class Target:
    """One server: its addresses in the order in which they are tried, and the namespace in which they hold.

    `open` connections count for least-connections; a target that is not `well` is passed over while another one is.
    `judged` is when that was last found out, in seconds of the monotonic clock, which all processes share.
    """

    __slots__ = ("addresses", "judged", "key", "namespace", "open", "well")

    def __init__(self, key: str, addresses: tuple[Address, ...], namespace: int = OURS) -> None:
        self.key = key
        self.addresses = addresses
        self.namespace = namespace
        self.open = 0
        self.well = True
        self.judged = 0.0

    def judge(self, well: bool, now: float) -> None:
        """Learn whether connections reach it."""
        self.well, self.judged = well, now


class Balance:
    """The targets of one port in the order in which they were added."""

    def __init__(self, policy: str = ROUND_ROBIN) -> None:
        self.policy = policy
        self.targets: list[Target] = []
        self._turn = 0

    def choose(self, tried: Collection[Target] = ()) -> Target | None:
        """Return the next target that was not tried: a well one if there is any, else any; None when all were tried.

        A turn is used up also by a choice that fails, so that the others share a sick target's connections evenly.
        """
        if len(self.targets) == 1 and not tried:
            return self.targets[0]
        found = [target for target in self._in_turn() if target not in tried]
        found = [target for target in found if target.well] or found
        if not found:
            return None
        chosen = found[0]
        if self.policy == LEAST_CONNECTIONS:
            chosen = min(found, key=lambda target: target.open)
        self._turn = (self.targets.index(chosen) + 1) % len(self.targets)
        return chosen

    def _in_turn(self) -> Iterator[Target]:
        yield from self.targets[self._turn :]
        yield from self.targets[: self._turn]

    def replace(self, targets: list[Target]) -> list[Target]:
        """Make these the targets; those with the key of an old one go on as that one. Return the old ones left out."""
        known = {target.key: target for target in self.targets}
        kept = []
        for target in targets:
            old = known.pop(target.key, None)
            if old is not None:
                old.addresses = target.addresses
            kept.append(target if old is None else old)
        self.targets = kept
        self._turn = self._turn % len(kept) if kept else 0
        return list(known.values())
