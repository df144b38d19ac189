"""The event loop of the forwarder: one epoll, handlers by descriptor, and streams that have more to do than their turn.

Everything is registered once, edge-triggered (epoll(7)): an idle connection costs no system call, a busy one only those
that move its bytes. The price is that each handler remembers what it was told until a call answers EAGAIN. An event may
come for a number that was closed and given out again within one batch: handlers treat every event as a hint.
"""

from __future__ import annotations

import select
import time
from collections import deque

from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Handler(Protocol):
        """What hears of one descriptor."""

        def handle(self, mask: int) -> None:
            """Act on what epoll said of the descriptor."""

    class Turn(Protocol):
        """What goes on at the next turn of the loop."""

        def pump(self) -> None:
            """Do some more."""


IN, OUT, ERROR, HANGUP = select.EPOLLIN, select.EPOLLOUT, select.EPOLLERR, select.EPOLLHUP
PEER_CLOSED, URGENT = select.EPOLLRDHUP, select.EPOLLPRI
STREAM = IN | OUT | PEER_CLOSED | URGENT | select.EPOLLET
# Level-triggered, and of several workers only one is woken (Linux 4.5).
LISTENER = IN | select.EPOLLEXCLUSIVE

_BATCH = 256
_TICK = 0.5


class Loop:
    """Handlers by descriptor, and timers; `now` is when the events being handled were heard of (monotonic seconds)."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self.handlers: dict[int, Handler] = {}
        self.again: deque[Turn] = deque()
        self._timers: dict[Callable[[float], bool], None] = {}
        self.now = time.monotonic()
        self.running = True

    def add(self, descriptor: int, handler: Handler, events: int) -> None:
        """Let `handler` hear of a descriptor."""
        self.handlers[descriptor] = handler
        self._epoll.register(descriptor, events)

    def drop(self, descriptor: int) -> None:
        """Hear no more of a descriptor that is going to be closed: the kernel forgets it by itself then.

        Not so where another process has it, too: that takes `pause`.
        """
        self.handlers.pop(descriptor, None)

    def pause(self, descriptor: int) -> None:
        """Hear nothing of a descriptor that stays open, until it is added again."""
        if self.handlers.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def watch(self, timer: Callable[[float], bool]) -> None:
        """Call `timer(now)` about twice a second from now on, until it answers that it need not be called again."""
        self._timers[timer] = None

    def run(self) -> None:
        """Handle events until `running` is set to False."""
        tick = self.now + _TICK
        while self.running:
            events = self._epoll.poll(0 if self.again else _TICK if self._timers else None, _BATCH)
            self.now = time.monotonic()
            for descriptor, mask in events:
                handler = self.handlers.get(descriptor)
                if handler is not None:
                    handler.handle(mask)
            for _ in range(len(self.again)):
                self.again.popleft().pump()
            if self.now >= tick:
                tick = self.now + _TICK
                for timer in tuple(self._timers):
                    if not timer(self.now):
                        del self._timers[timer]

    def close(self) -> None:
        """Give the epoll back."""
        self._epoll.close()
