"""TCP: a listening socket, and the connections that came through it."""

from __future__ import annotations

import _socket
import errno
import os

from mydocker.linux import sockets
from mydocker.network.forwarding.loop import ERROR, HANGUP, LISTENER, STREAM
from mydocker.network.forwarding.streams import Stream
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.network.forwarding.loop import Loop
    from mydocker.network.forwarding.pipes import Pipes
    from mydocker.network.forwarding.targets import Address, Balance, Namespaces, Target

BACKLOG = 4096
_DIAL_SECONDS = 10.0
_BREAKING_SECONDS = 30.0
_AT_ONCE = 64  # connections taken before others get their turn
_IN_PROGRESS = (0, errno.EINPROGRESS)


class Room:
    """What the forwards of one process share: the loop, pipes, namespaces, and how many connections it may have."""

    def __init__(self, loop: Loop, pipes: Pipes, namespaces: Namespaces, most: int) -> None:
        self.loop = loop
        self.pipes = pipes
        self.namespaces = namespaces
        self.most = most
        self.connections = 0
        self.waiting: set[TcpForward] = set()

    def leave(self) -> None:
        """Count a connection less; who waited for room may listen again."""
        self.connections -= 1
        if self.waiting:
            self._let_listen()

    def wait(self, forward: TcpForward) -> None:
        """Let a forward listen again when there is room."""
        self.waiting.add(forward)
        self.loop.watch(self.retry)

    def retry(self, now: float) -> bool:
        """Try whether there is room again; a timer of the loop.

        What was short may be the machine's (ENFILE, ENOMEM): no connection of this process has to end then.
        """
        self._let_listen()
        return bool(self.waiting)

    def _let_listen(self) -> None:
        if self.connections < self.most:
            for forward in tuple(self.waiting):
                forward.listen()


class Connection:
    """A client's connection and the one to the server that belongs to it."""

    __slots__ = ("_addresses", "_tried", "client", "closed", "connecting", "forward", "inward", "outward", "server",
                 "target")  # fmt: skip

    def __init__(self, forward: TcpForward, client: int) -> None:
        self.forward = forward
        self.client = client
        self.server = -1
        self.target: Target | None = None
        self.connecting = True
        self.closed = False
        self._tried: tuple[Target, ...] = ()
        self._addresses: tuple[Address, ...] = ()
        room = forward.room
        self.inward = Stream(self, client, -1, room.loop, room.pipes)
        self.outward = Stream(self, -1, client, room.loop, room.pipes)
        self.inward.back, self.outward.back = self.outward, self.inward

    def dial(self) -> None:
        """Begin to connect to the next address, of the next target; with none left, reset the client."""
        room = self.forward.room
        while True:
            if not self._addresses:
                self._leave_target()
                self.target = target = self.forward.balance.choose(self._tried)
                if target is None:
                    sockets.abort_on_close(self.client)
                    self.close()
                    return
                target.open += 1
                self._tried = (*self._tried, target)
                self._addresses = target.addresses
            assert self.target is not None
            (family, place), self._addresses = self._addresses[0], self._addresses[1:]
            try:
                server = room.namespaces.socket(self.target.namespace, family, _socket.SOCK_STREAM)
            except OSError:
                continue
            if server.connect_ex(place) not in _IN_PROGRESS:
                server.close()
                continue
            server.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
            server.setsockopt(_socket.SOL_SOCKET, _socket.SO_OOBINLINE, 1)
            self.server = self.inward.sink = self.outward.source = server.detach()
            self.forward.dialing[self] = room.loop.now + _DIAL_SECONDS
            room.loop.watch(self.forward.look)
            room.loop.add(self.server, self.outward, STREAM)
            return

    def hear_of(self, descriptor: int, mask: int) -> None:
        """Learn whether the server answered, if it is the server that there are news of."""
        if descriptor != self.server:
            return
        # An attempt to write before it answered (`hurry`) takes the error away; what is left then is the hangup.
        if mask & (ERROR | HANGUP):
            self.redial()
        else:
            self._begin()

    def hurry(self) -> None:
        """Pass on what the client sent already, if the server has answered already.

        Within one machine both are mostly so, and the server hears its client a turn of the loop sooner: on a busy
        machine, that is a whole wait for the processor.
        """
        if not self.closed and self.inward.begin():
            self._begin()

    def _begin(self) -> None:
        """The server has answered: carry bytes."""
        self.connecting = False
        del self.forward.dialing[self]
        if self.target is not None:
            self.target.judge(True, self.forward.room.loop.now)
        self._tried = self._addresses = ()
        self.inward.writable = self.outward.writable = True
        self.inward.pump()
        if not self.closed:
            self.outward.pump()

    def redial(self) -> None:
        """The server did not answer: go on with its next address, or another server."""
        self.forward.dialing.pop(self, None)
        self._close_server()
        if self.target is not None and not self._addresses:
            self.target.judge(False, self.forward.room.loop.now)
        self.dial()

    def _leave_target(self) -> None:
        if self.target is not None:
            self.target.open -= 1
            self.target = None

    def _close_server(self) -> None:
        if self.server >= 0:
            self.forward.room.loop.drop(self.server)
            os.close(self.server)
            self.server = -1

    def break_off(self, descriptor: int) -> None:
        """Reset the end `descriptor`, as the other one has been: what was cut short must not look like all there is.

        A reset throws away what is still on its way, so it has to wait until that has arrived.
        """
        if sockets.unsent(descriptor):
            self.forward.broken[self] = (descriptor, self.forward.room.loop.now + _BREAKING_SECONDS)
            self.forward.room.loop.watch(self.forward.reset_broken)
        else:
            sockets.abort_on_close(descriptor)
            self.close()

    def abort(self) -> None:
        """Reset the client and close."""
        if not self.closed:
            sockets.abort_on_close(self.client)
            self.close()

    def close(self) -> None:
        """Close both sockets and give back what was borrowed."""
        if self.closed:
            return
        self.closed = True
        self.inward.close()
        self.outward.close()
        self._close_server()
        self.forward.room.loop.drop(self.client)
        os.close(self.client)
        self._leave_target()
        self.forward.forget(self)


class TcpForward:
    """A forwarded TCP port: takes the connections of `listener`, a descriptor that it owns (-1: none)."""

    def __init__(self, room: Room, listener: int, balance: Balance) -> None:
        self.room = room
        self.listener = listener
        self.balance = balance
        self.connections: set[Connection] = set()
        self.dialing: dict[Connection, float] = {}  # in the order of their deadlines
        self.broken: dict[Connection, tuple[int, float]] = {}  # the end to be reset, and when at the latest
        self.listen()

    def resume(self, listener: int) -> None:
        """Take connections again, after `stop`."""
        self.listener = listener
        self.listen()

    def listen(self) -> None:
        """Take connections, from now on or again."""
        self.room.waiting.discard(self)
        if self.listener >= 0:
            self.room.loop.add(self.listener, self, LISTENER)

    def handle(self, mask: int) -> None:
        """Take the connections that wait."""
        room = self.room
        for _ in range(_AT_ONCE):
            if room.connections >= room.most:
                self._wait()
                return
            try:
                client = sockets.accept(self.listener)
            except OSError:  # EMFILE, ENFILE, ENOBUFS, ENOMEM: the client stays in the queue until there is room
                self._wait()
                return
            if client < 0:
                return
            room.connections += 1
            connection = Connection(self, client)
            self.connections.add(connection)
            connection.dial()
            connection.hurry()
            if not connection.closed:
                room.loop.add(client, connection.inward, STREAM)

    def _wait(self) -> None:
        self.room.loop.pause(self.listener)
        self.room.wait(self)

    def look(self, now: float) -> bool:
        """Go on where a server does not answer in time; a timer of the loop."""
        while self.dialing:
            connection, deadline = next(iter(self.dialing.items()))
            if deadline > now:
                return True
            connection.redial()
        return False

    def reset_broken(self, now: float) -> bool:
        """Reset ends that have got everything that was on its way to them; a timer of the loop."""
        for connection, (descriptor, deadline) in tuple(self.broken.items()):
            if now > deadline or not sockets.unsent(descriptor):
                sockets.abort_on_close(descriptor)
                connection.close()
        return bool(self.broken)

    def forget(self, connection: Connection) -> None:
        """Hear that a connection is closed."""
        self.connections.discard(connection)
        self.dialing.pop(connection, None)
        self.broken.pop(connection, None)
        self.room.leave()

    def stop(self) -> None:
        """Take no more connections; those that there are go on, and those that wait are left to other processes.

        When the last process that has the listener closes it, the kernel resets whoever waits.
        """
        if self.listener >= 0:
            self.room.waiting.discard(self)
            self.room.loop.pause(self.listener)
            os.close(self.listener)
            self.listener = -1

    def cut(self) -> None:
        """End what is left: for when there was time enough."""
        self.stop()
        for connection in tuple(self.connections):
            connection.abort()
