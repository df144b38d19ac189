"""A container's resolver: it listens at 127.0.0.11 in the container's own network namespace, as docker's does.

The keeper of the container is the resolver: it made the sockets inside, and serves them in the loop in which it carries
the container's bytes. So a resolver lives exactly as long as its container, needs no starting or mending, and knows who
asks without believing an address: only this container can reach it, and it tells only of networks that this one is on.

All other questions are passed on as they are to the servers of --dns or of the host, from the host's network; not for a
container that is on internal networks only (names are a way out, CVE-2024-29018).
"""

from __future__ import annotations

import _socket
import time
from functools import partial

from mydocker.errors import MydockerError
from mydocker.network import netlink
from mydocker.network.membership import Membership
from mydocker.network.upstream import Datagram, Stream
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.network.names import Book
    from mydocker.network.upstream import Conversation, Loop

ADDRESS, _PORT = "127.0.0.11", 53
_LARGEST = 65535
_BACKLOG = 128
_MOST = 256  # questions that are passed on at a time
_IDLE = 3600.0


def listen(namespace: int) -> tuple[_socket.socket, _socket.socket]:
    """Return a datagram and a stream socket that listen in a network namespace."""
    with netlink.inside(namespace):
        ends = [
            _socket.socket(_socket.AF_INET, kind | _socket.SOCK_CLOEXEC | _socket.SOCK_NONBLOCK)
            for kind in (_socket.SOCK_DGRAM, _socket.SOCK_STREAM)
        ]
    for end in ends:
        end.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        end.bind((ADDRESS, _PORT))
    ends[1].listen(_BACKLOG)
    return ends[0], ends[1]


class Resolver:
    """Answers one container's questions, from `serve` to `close`. `bundle` is the container's folder."""

    def __init__(self, ends: tuple[_socket.socket, _socket.socket], bundle: str, book: Book) -> None:
        self._datagrams, self._streams = ends
        self._bundle = bundle
        self._book = book
        self._loop: Loop | None = None
        self._open: list[Conversation] = []

    def serve(self, loop: Loop) -> None:
        """Begin: the sockets are served by the loop."""
        self._loop = loop
        loop.add(self._datagrams.fileno(), self._asked)
        loop.add(self._streams.fileno(), self._accepted)

    def due(self) -> float:
        """Return in how many seconds a conversation has waited long enough."""
        now = time.monotonic()
        return max(min((each.deadline - now for each in self._open), default=_IDLE), 0.0)

    def tick(self) -> None:
        """Go on with conversations whose server has not answered in time; forget those that are over."""
        now = time.monotonic()
        for each in self._open:
            if each.deadline <= now:
                each.late()
        self._open = [each for each in self._open if not each.over]

    def cancel(self) -> None:
        """Stop: the container has ended."""
        for each in self._open:
            each.close()
        self._open.clear()

    def close(self) -> None:
        """Close the sockets."""
        self.cancel()
        self._datagrams.close()
        self._streams.close()

    def _asked(self) -> bool:
        try:
            question, asker = self._datagrams.recvfrom(_LARGEST)
        except OSError:  # nothing there after all, or told of a datagram that was sent before: nobody to answer
            return True

        def reply(answer: bytes) -> None:
            from mydocker.network import answers

            if answer:
                _send(self._datagrams, asker, answers.fit(answer, question))

        answer, servers = self.answer(question)
        if answer is not None:
            reply(answer)
        else:
            assert self._loop is not None
            pass_back = partial(_send, self._datagrams, asker)
            self._open.append(Datagram(self._loop, servers, question, pass_back))
        return True

    def _accepted(self) -> bool:
        try:
            descriptor, _ = self._streams._accept()  # type: ignore[attr-defined]
        except OSError:  # it is gone again, or too many files are open: the container must not end for it
            return True
        connection = _socket.socket(fileno=descriptor)
        assert self._loop is not None
        if len(self._open) >= _MOST:
            connection.close()
        else:
            self._open.append(Stream(self._loop, connection, self.answer))
        return True

    def answer(self, question: bytes) -> tuple[bytes | None, tuple[str, ...]]:
        """Return the answer to a question; or None, and the servers to pass it on to."""
        from mydocker.network import answers

        try:
            return self._look_up(question)
        except (MydockerError, OSError, KeyError, TypeError, ValueError):
            # A damaged file is told by the commands; the container only hears that it failed.
            return answers.failure(question), ()

    def _look_up(self, question: bytes) -> tuple[bytes | None, tuple[str, ...]]:
        """As `answer`; files that are damaged or cannot be read raise, in whatever way."""
        from mydocker.network import answers

        peers = self._book.peers()
        found = answers.local(question, peers)
        if found is not None:
            return found, ()
        container = self._book.container
        lets_out = any(not each.network.internal for each in peers if each.endpoint.container == container)
        servers = self._servers() if lets_out and len(self._open) < _MOST else ()
        return (None, servers) if servers else (answers.failure(question), ())

    def _servers(self) -> tuple[str, ...]:
        """Return the name servers to ask: the container's, else the host's as they are now (resolv.conf(5))."""
        if own := Membership.read(self._bundle).servers:
            return own
        try:
            with open("/etc/resolv.conf", encoding="utf-8", errors="replace") as file:
                lines = [line.split() for line in file]
        except FileNotFoundError:
            return ()
        return tuple(words[1] for words in lines if len(words) > 1 and words[0] == "nameserver")


def _send(end: _socket.socket, asker: object, answer: bytes) -> None:
    """Send a datagram; one that cannot be sent is lost, as datagrams may be, and the asker asks again.

    That is so for every error: routes and rules inside belong to the container, which must not end its keeper by them.
    """
    try:
        end.sendto(answer, asker)  # type: ignore[call-overload]
    except OSError:
        return
