"""UDP: a bound socket, and a session for each client that sends to it.

A session is a socket connected to one target; it ends when neither side sent anything for a while. Answers leave from
the address that the client sent to, which on a host with several is not the one that routing would choose (ip(7),
IP_PKTINFO; docker's proxy lost those for years).
"""

from __future__ import annotations

import _socket

from mydocker.network.forwarding.loop import IN
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any

    from mydocker.network.forwarding.targets import Balance, Target
    from mydocker.network.forwarding.tcp import Room

SECONDS = 90.0  # docker-proxy's, for a session in which nothing is said
_MOST_SESSIONS = 4096  # of one port: a flood of forged senders must not take everything
_AT_ONCE = 64
_DOUBT = 5.0  # seconds after which a target that failed gets a client again: nothing else tells whether it is well
_LARGEST = 65535
_ROOM = 64  # bytes of ancillary data: one in_pktinfo or in6_pktinfo
IPV6_RECVPKTINFO, IPV6_PKTINFO, IP_PKTINFO = 49, 50, 8  # linux/in6.h, linux/in.h
_ASK = {_socket.AF_INET: (_socket.IPPROTO_IP, IP_PKTINFO), _socket.AF_INET6: (_socket.IPPROTO_IPV6, IPV6_RECVPKTINFO)}


class Client(NamedTuple):
    """Who sends: the address, and the ancillary data that tell where to."""

    address: Any
    ancillary: tuple[tuple[int, int, bytes], ...]


class Session:
    """One client's datagrams to one target and back."""

    def __init__(self, forward: UdpForward, client: Client, target: Target, server: _socket.socket) -> None:
        self.forward = forward
        self.client = client
        self.target = target
        self.server = server
        self.used = forward.room.loop.now

    def handle(self, mask: int) -> None:
        """Carry answers to the client."""
        self.used = self.forward.room.loop.now
        for _ in range(_AT_ONCE):
            try:
                data = self.server.recv(_LARGEST)
            except BlockingIOError:
                return
            except OSError:  # an ICMP error: nobody listens there
                self.target.judge(False, self.used)
                self.forward.end(self)
                return
            self.target.judge(True, self.used)
            self.forward.answer(data, self.client)

    def send(self, data: bytes) -> None:
        """Carry a datagram to the target; one that cannot be sent is lost, as datagrams are."""
        self.used = self.forward.room.loop.now
        try:
            self.server.send(data)
        except BlockingIOError:
            return
        except OSError:
            self.target.judge(False, self.used)
            self.forward.end(self)


class UdpForward:
    """A forwarded UDP port: takes datagrams of `listener` (a bound socket, not blocking, which it owns)."""

    def __init__(self, room: Room, listener: _socket.socket, balance: Balance, seconds: float = SECONDS) -> None:
        self.room = room
        self.balance = balance
        self._listener = listener
        self._seconds = seconds
        self._sessions: dict[Client, Session] = {}
        # Bound to one address, answers can leave from that one only.
        self._asks = not any(_socket.inet_pton(listener.family, listener.getsockname()[0]))
        if self._asks:
            listener.setsockopt(*_ASK[listener.family], 1)
        room.loop.add(listener.fileno(), self, IN)

    @property
    def connections(self) -> tuple[Session, ...]:
        """The sessions there are."""
        return tuple(self._sessions.values())

    def handle(self, mask: int) -> None:
        """Take datagrams."""
        for _ in range(_AT_ONCE):
            try:
                if self._asks:
                    data, ancillary, _, address = self._listener.recvmsg(_LARGEST, _ROOM)
                else:
                    data, address = self._listener.recvfrom(_LARGEST)
                    ancillary = []
            except BlockingIOError:
                return
            except OSError:  # an ICMP error about an answer
                continue
            client = Client(address, tuple(_answering(*each) for each in ancillary))
            session = self._sessions.get(client) or self._open(client)
            if session is not None:
                session.send(data)

    def _open(self, client: Client) -> Session | None:
        if len(self._sessions) >= _MOST_SESSIONS or self.room.connections >= self.room.most:
            if not self._sessions:
                return None
            self.end(min(self._sessions.values(), key=lambda session: session.used))
        for target in self.balance.targets:
            target.well = target.well or self.room.loop.now - target.judged > _DOUBT
        tried: tuple[Target, ...] = ()
        while (chosen := self.balance.choose(tried)) is not None:
            tried = (*tried, chosen)
            for family, place in chosen.addresses:
                try:
                    server = self.room.namespaces.socket(chosen.namespace, family, _socket.SOCK_DGRAM)
                    server.connect(place)
                except OSError:
                    continue
                session = self._sessions[client] = Session(self, client, chosen, server)
                chosen.open += 1
                self.room.connections += 1
                self.room.loop.add(server.fileno(), session, IN)
                self.room.loop.watch(self.look)
                return session
        return None

    def answer(self, data: bytes, client: Client) -> None:
        """Send a datagram to a client; one for which there is no room is lost."""
        try:
            if client.ancillary:
                self._listener.sendmsg([data], client.ancillary, 0, client.address)
            else:
                self._listener.sendto(data, client.address)
        except OSError:
            return

    def end(self, session: Session) -> None:
        """Forget a session."""
        if self._sessions.get(session.client) is session:
            del self._sessions[session.client]
            session.target.open -= 1
            self.room.loop.drop(session.server.fileno())
            session.server.close()
            self.room.leave()

    def look(self, now: float) -> bool:
        """End the sessions in which nothing was said for long; a timer of the loop."""
        for session in self.connections:
            if now - session.used > self._seconds:
                self.end(session)
        return bool(self._sessions)

    def leave(self, targets: list[Target]) -> None:
        """End the sessions with targets that are gone."""
        for session in self.connections:
            if session.target in targets:
                self.end(session)

    def cut(self) -> None:
        """Stop and forget all sessions."""
        for session in self.connections:
            self.end(session)
        if self._listener.fileno() >= 0:
            self.room.loop.pause(self._listener.fileno())
            self._listener.close()


def _answering(level: int, kind: int, data: bytes) -> tuple[int, int, bytes]:
    """Turn what tells where a datagram was sent to into what tells where the answer comes from (ip(7), ipv6(7)).

    The interface is left to routing: only the address matters, and the way back may be another one.
    """
    if level == _socket.IPPROTO_IP:  # struct in_pktinfo: index, the local address, the header's destination
        return level, kind, bytes(4) + data[8:12] + bytes(4)
    return level, IPV6_PKTINFO, data[:16] + (data[16:20] if data[:2] == b"\xfe\x80" else bytes(4))
