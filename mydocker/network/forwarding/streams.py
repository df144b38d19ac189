"""One direction of a TCP connection: bytes from one socket to another, at the speed of the slower one.

Small amounts are read and written: two system calls and no more descriptors. When a read comes back full, the stream
borrows a pipe and lets the kernel move pages (splice(2)) until the source runs dry. What the sink does not take stays
in the pipe, and nothing more is read meanwhile: the sender is slowed down by TCP itself (back-pressure).
"""

from __future__ import annotations

import os

from mydocker.linux import sockets
from mydocker.network.forwarding.loop import ERROR, HANGUP, IN, OUT, PEER_CLOSED, URGENT
from mydocker.network.forwarding.pipes import CAPACITY
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.network.forwarding.loop import Loop
    from mydocker.network.forwarding.pipes import Pipe, Pipes
    from mydocker.network.forwarding.tcp import Connection

_CHUNK = 1 << 16
_LITTLE = 1 << 13  # splices that bring less than this are dearer than copying
_TURNS = 16  # how often a busy stream may fill its pipe before others get their turn
_FLAGS = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK
_INPUT = IN | PEER_CLOSED | HANGUP | ERROR | URGENT
_OUTPUT = OUT | HANGUP | ERROR


class Stream:
    """Carries bytes from `source` to `sink`; `back` is the other direction. It hears of the events of its source.

    `readable` and `writable` are what the kernel said last and did not yet deny; `ended`: the source will send no more;
    `finished`: the sink knows.
    """

    __slots__ = (
        "back",
        "bulk",
        "drain",
        "ended",
        "finished",
        "loop",
        "owner",
        "pending",
        "pipe",
        "pipes",
        "readable",
        "sink",
        "source",
        "writable",
    )

    back: Stream

    def __init__(self, owner: Connection, source: int, sink: int, loop: Loop, pipes: Pipes) -> None:
        self.owner = owner
        self.source = source
        self.sink = sink
        self.loop = loop
        self.pipes = pipes
        self.pipe: Pipe | None = None
        self.pending: bytes | memoryview = b""
        self.bulk = self.drain = self.ended = self.finished = self.readable = self.writable = False

    def handle(self, mask: int) -> None:
        """Hear what epoll says of the source."""
        if mask & _INPUT:
            self.readable = True
            if mask & ~(IN | OUT):
                # Something beside bytes is queued (an end, an urgent byte): a short read does not tell that all is read
                self.drain = True
            if not self.owner.connecting:
                self.pump()
        if mask & _OUTPUT:
            back = self.back
            if self.owner.connecting:
                self.owner.hear_of(self.source, mask)
            elif not back.writable:
                back.writable = True
                back.pump()

    def begin(self) -> bool:
        """Pass on what the source has sent already; tell whether the sink took any of it.

        Only for a source of which the loop does not hear yet: what is left, epoll reports when it is added.
        """
        try:
            self._copy()
            sent = os.write(self.sink, self.pending) if self.pending else 0
        except OSError:  # nothing has come yet, or the sink is not connected yet: events will tell
            return False
        self.pending = memoryview(self.pending)[sent:] if sent < len(self.pending) else b""
        return sent > 0

    def pump(self) -> None:
        """Move what can be moved now; come back later when that is a lot."""
        for _ in range(_TURNS):
            if self.finished or self.owner.closed or not self._flush():
                return
            if self.ended:
                self._finish()
                return
            if not self.readable or not self.writable:
                self._release()
                return
            try:
                if self.bulk:
                    self._splice()
                else:
                    self._copy()
            except BlockingIOError:
                self.readable = False
            except OSError:
                self._fail()
                return
        self.loop.again.append(self)

    def _copy(self) -> None:
        data = os.read(self.source, _CHUNK)
        size = len(data)
        if not size:
            self.ended = True
            return
        if size == _CHUNK:
            self.bulk = self.readable = True
        elif not self.drain:
            self.readable = False  # what comes from now on is announced by a new event
        self.pending = data

    def _splice(self) -> None:
        pipe = self.pipe
        if pipe is None:
            pipe = self.pipe = self.pipes.take()
            if pipe is None:  # no more descriptors: copy
                self._copy()
                self.bulk = False
                return
        moved = os.splice(self.source, pipe.writer, CAPACITY, flags=_FLAGS)
        pipe.held = moved
        if not moved:
            self.ended = True
        elif moved < _LITTLE:
            self.bulk = False

    def _flush(self) -> bool:
        """Pass on what was taken from the source; tell whether nothing is left of it."""
        pipe, pending = self.pipe, self.pending
        if not pending and (pipe is None or not pipe.held):
            return True
        if not self.writable:
            return False
        try:
            while pipe is not None and pipe.held:
                pipe.held -= os.splice(pipe.reader, self.sink, pipe.held, flags=_FLAGS)
            if pending:
                sent = os.write(self.sink, pending)
                if sent < len(pending):
                    self.pending = memoryview(pending)[sent:]
                    self.writable = False
                    return False
                self.pending = b""
        except BlockingIOError:
            self.writable = False
            return False
        except OSError:
            self._give_up()
            return False
        return True

    def _finish(self) -> None:
        """Pass the end on; when both directions have ended, the connection has."""
        self._release()
        self.finished = True
        if self.back.finished:
            self.owner.close()
            return
        try:
            sockets.shut_down_writing(self.sink)
        except OSError:  # the sink was reset meanwhile
            self.back.readable = True
            self.loop.again.append(self.back)

    def _give_up(self) -> None:
        """The sink is broken; what it sent before is to be delivered by the other way, which reads its error."""
        self._release()
        self.pending = b""
        self.ended = self.finished = True
        if self.back.finished:
            sockets.abort_on_close(self.source)
            self.owner.close()
            return
        self.back.readable = True
        self.loop.again.append(self.back)

    def _fail(self) -> None:
        """The source is broken: nothing more is carried, and the sink is going to be reset, too."""
        self._release()
        self.finished = self.back.finished = True
        self.owner.break_off(self.sink)

    def _release(self) -> None:
        if self.pipe is not None:
            self.pipes.give_back(self.pipe)
            self.pipe = None

    def close(self) -> None:
        """Give back what was borrowed; the descriptors belong to the connection."""
        self._release()
        self.pending = b""
