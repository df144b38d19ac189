"""Looking whether targets that failed are well again: now and then a connection is made to each and closed at once.

Only where a port has several targets: with one, its next client is the probe.
"""

from __future__ import annotations

import _socket
import errno

from mydocker.network.forwarding.loop import ERROR, HANGUP, OUT
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mydocker.network.forwarding.loop import Loop
    from mydocker.network.forwarding.targets import Balance, Namespaces, Target

INTERVAL = 2.0  # seconds between two looks at all targets, and the time that one may take


class Prober:
    """Looks at the targets of the balances that `balances` returns; `look` is a timer of the loop."""

    def __init__(self, loop: Loop, namespaces: Namespaces, balances: Callable[[], Iterable[Balance]]) -> None:
        self._loop = loop
        self._namespaces = namespaces
        self._balances = balances
        self._next = 0.0
        self._probes: list[Probe] = []

    def look(self, now: float) -> bool:
        """Judge the probes that got no answer; send new ones when it is time."""
        if now < self._next:
            return True
        self._next = now + INTERVAL
        for probe in self._probes:
            probe.end(False)
        self._probes = [
            Probe(self._loop, self._namespaces, target)
            for balance in self._balances()
            if len(balance.targets) > 1
            for target in balance.targets
        ]
        return bool(self._probes)


class Probe:
    """One attempt to connect to a target: its addresses in turn, well with the first that answers."""

    def __init__(self, loop: Loop, namespaces: Namespaces, target: Target) -> None:
        self._loop = loop
        self._namespaces = namespaces
        self._target = target
        self._addresses = target.addresses
        self._socket: _socket.socket | None = None
        self._try()

    def _try(self) -> None:
        while self._addresses:
            (family, place), self._addresses = self._addresses[0], self._addresses[1:]
            try:
                self._socket = self._namespaces.socket(self._target.namespace, family, _socket.SOCK_STREAM)
            except OSError:
                continue
            if self._socket.connect_ex(place) in (0, errno.EINPROGRESS):
                self._loop.add(self._socket.fileno(), self, OUT)
                return
            self._socket.close()
        self._socket = None
        self._target.judge(False, self._loop.now)

    def handle(self, mask: int) -> None:
        """Hear how it went."""
        assert self._socket is not None
        if mask & (ERROR | HANGUP):
            self._close()
            self._try()
        else:
            self.end(True)

    def end(self, well: bool) -> None:
        """Judge the target, unless that was done already."""
        if self._socket is not None:
            self._close()
            self._target.judge(well, self._loop.now)

    def _close(self) -> None:
        assert self._socket is not None
        self._loop.drop(self._socket.fileno())
        self._socket.close()
        self._socket = None
