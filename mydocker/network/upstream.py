"""Questions that are passed on, and their answers: one conversation each, none of them ever waits.

A server that does not answer in time, or refuses, is followed by the next; after the last one the asker is told so.
"""

from __future__ import annotations

import _socket
import select
import struct
import time

from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Loop(Protocol):
        """The keeper's loop."""

        def add(self, descriptor: int, handler: Callable[[], bool], events: int = ...) -> None:
            """Call `handler` when something happens to the descriptor."""

        def remove(self, descriptor: int) -> None:
            """Stop doing so."""

    class Conversation(Protocol):
        """A question on its way."""

        deadline: float
        over: bool

        def late(self) -> None:
            """Go on: the deadline has passed."""

        def close(self) -> None:
            """End: nobody waits any more."""


_PORT = 53
_PATIENCE = 3.0  # seconds for each server
_TOTAL = 10.0  # seconds that a stream may take from its beginning to its end
_LARGEST = 65535


def _connect(server: str, kind: int) -> _socket.socket | None:
    """Return a socket on its way to a server; None when there is no way."""
    family = _socket.AF_INET6 if ":" in server else _socket.AF_INET
    try:
        end = _socket.socket(family, kind | _socket.SOCK_CLOEXEC | _socket.SOCK_NONBLOCK)
    except OSError:  # no such family, or too many open files: as if the server were away
        return None
    try:
        end.connect((server, _PORT))
    except BlockingIOError:
        pass
    except OSError:  # no route, a refusal, or no address at all: the next server is asked
        end.close()
        return None
    return end


def _failure(question: bytes) -> bytes:
    from mydocker.network import answers

    return answers.failure(question)


class Datagram:
    """A question that came as a datagram, asked of one server after the other; `reply` takes the answer."""

    def __init__(self, loop: Loop, servers: tuple[str, ...], question: bytes, reply: Callable[[bytes], None]) -> None:
        self._loop = loop
        self._left = list(servers)
        self._question = question
        self._reply = reply
        self._end: _socket.socket | None = None
        self.deadline = 0.0
        self.over = False
        self._next()

    def _next(self) -> None:
        self._hang_up()
        while self._left and self._end is None:
            self._end = _connect(self._left.pop(0), _socket.SOCK_DGRAM)
            if self._end is not None and not self._sent():
                self._hang_up()
        if self._end is None:
            self._finish(_failure(self._question))
            return
        self.deadline = time.monotonic() + _PATIENCE
        self._loop.add(self._end.fileno(), self._heard)

    def _sent(self) -> bool:
        assert self._end is not None
        try:
            self._end.send(self._question)
        except OSError:  # it refused before we asked
            return False
        return True

    def _heard(self) -> bool:
        assert self._end is not None
        try:
            answer = self._end.recv(_LARGEST)
        except BlockingIOError:
            return True
        except OSError:
            self._next()
            return True
        # The kernel takes datagrams of this server only; the id keeps out what another question was answered with.
        if answer[:2] == self._question[:2] and len(answer) > 2 and answer[2] & 0x80:
            self._finish(answer)
        return True

    def _finish(self, answer: bytes) -> None:
        self._hang_up()
        self.over = True
        self._reply(answer)

    def late(self) -> None:
        """Ask the next server."""
        self._next()

    def close(self) -> None:
        """Forget the question."""
        self._hang_up()
        self.over = True

    def _hang_up(self) -> None:
        if self._end is not None:
            self._loop.remove(self._end.fileno())
            self._end.close()
            self._end = None


class Stream:
    """A question that comes through a connection: read, answered here or by a server, and the answer written back.

    A connection is for one question at a time; it closes when the asker does, or after a while (RFC 7766, section 6).
    """

    def __init__(
        self,
        loop: Loop,
        connection: _socket.socket,
        answer: Callable[[bytes], tuple[bytes | None, tuple[str, ...]]],
    ) -> None:
        connection.setblocking(False)
        self._loop = loop
        self._asker = connection
        self._answer = answer
        self._server: _socket.socket | None = None
        self._left: list[str] = []
        self._data = b""
        self._question = b""
        self.deadline = time.monotonic() + _TOTAL
        self.over = False
        loop.add(connection.fileno(), self._read_question)

    def _read_question(self) -> bool:
        if not self._read(self._asker):
            self.close()
            return True
        question = self._message()
        if question is None:
            return True
        self._loop.remove(self._asker.fileno())  # the next question, when this one is answered
        self._question = question
        answer, servers = self._answer(question)
        self._left = list(servers)
        if answer is None:
            self._next()
        else:
            self._write_answer(answer)
        return True

    def _next(self) -> None:
        """Connect to the next server; tell the asker when there is none."""
        self._hang_up()
        while self._left and self._server is None:
            self._server = _connect(self._left.pop(0), _socket.SOCK_STREAM)
        if self._server is None:
            self._write_answer(_failure(self._question))
            return
        self.deadline = time.monotonic() + _PATIENCE
        self._loop.add(self._server.fileno(), self._ask, select.POLLOUT)

    def _ask(self) -> bool:
        assert self._server is not None
        framed = struct.pack("!H", len(self._question)) + self._question
        try:
            sent = self._server.send(framed)
        except BlockingIOError:
            return True
        except OSError:  # it was not let in, after all
            sent = 0
        if sent < len(framed):
            self._next()
            return True
        self._loop.remove(self._server.fileno())
        self._data = b""
        self._loop.add(self._server.fileno(), self._read_answer)
        return True

    def _read_answer(self) -> bool:
        assert self._server is not None
        if not self._read(self._server):
            self._next()
            return True
        answer = self._message()
        if answer is not None:
            self._hang_up()
            self._write_answer(answer)
        return True

    def _write_answer(self, answer: bytes) -> None:
        """Send the answer, which a socket that has nothing to send yet takes whole, and wait for the next question."""
        framed = struct.pack("!H", len(answer)) + answer
        try:
            sent = self._asker.send(framed)
        except OSError:
            sent = 0
        if not answer or sent < len(framed):
            self.close()
            return
        self._data = b""
        self.deadline = time.monotonic() + _TOTAL
        self._loop.add(self._asker.fileno(), self._read_question)

    def _read(self, end: _socket.socket) -> bool:
        """Take what has come; False at the end."""
        try:
            data = end.recv(_LARGEST)
        except BlockingIOError:
            return True
        except OSError:  # reset, or no way any more: over, whatever the reason
            return False
        self._data += data
        return bool(data)

    def _message(self) -> bytes | None:
        """Return the whole message (RFC 1035, section 4.2.2: a length of two bytes before it), None while it comes."""
        if len(self._data) < 2:
            return None
        length = struct.unpack_from("!H", self._data)[0]
        return self._data[2 : 2 + length] if len(self._data) >= 2 + length else None

    def late(self) -> None:
        """Ask the next server, or end a connection on which nothing happens."""
        if self._server is not None:
            self._next()
        else:
            self.close()

    def close(self) -> None:
        """End the connection."""
        self._hang_up()
        if not self.over:
            self._loop.remove(self._asker.fileno())
            self._asker.close()
        self.over = True

    def _hang_up(self) -> None:
        if self._server is not None:
            self._loop.remove(self._server.fileno())
            self._server.close()
            self._server = None
