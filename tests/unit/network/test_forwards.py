"""What a forward does when servers refuse, descriptors are short, workers die: with sockets, within one process."""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from mydocker.linux import sockets
from mydocker.network.forwarding.loop import IN, Loop
from mydocker.network.forwarding.pipes import Pipes
from mydocker.network.forwarding.targets import Address, Balance, Namespaces, Target
from mydocker.network.forwarding.tcp import Room, TcpForward
from mydocker.network.forwarding.udp import UdpForward
from mydocker.network.portmap import workers
from mydocker.network.portmap.control import Conversation
from mydocker.network.portmap.mappings import Mapping, Server
from mydocker.network.portmap.workers import Order, Worker, Workers

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def room() -> Room:
    return Room(Loop(), Pipes(), Namespaces(), 100)


@contextmanager
def running(loop: Loop) -> Iterator[None]:
    """Run a loop in a thread; its ticks let it notice the end."""
    loop.watch(lambda _now: True)
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        yield
    finally:
        loop.running = False
        thread.join()


def tcp(room: Room, *places: tuple[str, int]) -> tuple[TcpForward, tuple[str, int]]:
    """Return a forward to servers, and where it listens."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    place = listener.getsockname()
    balance = Balance()
    balance.targets = [Target(str(each), (Address(socket.AF_INET, each),)) for each in places]
    return TcpForward(room, listener.detach(), balance), place


def refusing(kind: int = socket.SOCK_STREAM) -> socket.socket:
    """Return a socket that has a port, at which nobody listens."""
    made = socket.socket(socket.AF_INET, kind)
    made.bind(("127.0.0.1", 0))
    return made


def test_a_client_that_speaks_first_gets_to_the_next_server_when_one_refuses(room: Room) -> None:
    with refusing() as sick, socket.create_server(("127.0.0.1", 0)) as well:
        forward, place = tcp(room, sick.getsockname(), well.getsockname())
        with socket.create_connection(place, 5) as client:
            client.sendall(b"hello")
            select.select([forward.listener], [], [], 5)
            forward.handle(IN)  # the client's bytes are there already, the refusal is, too
            well.settimeout(5)
            with running(room.loop), well.accept()[0] as server:
                server.settimeout(5)
                assert server.recv(100) == b"hello"
        assert [target.well for target in forward.balance.targets] == [False, True]
        forward.cut()


def test_a_port_is_taken_up_again_when_the_machine_has_room_again(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    accept, short = sockets.accept, [errno.ENFILE, errno.ENOMEM]

    def stumble(listener: int) -> int:
        if short:
            number = short.pop()
            raise OSError(number, os.strerror(number))
        return accept(listener)

    monkeypatch.setattr(sockets, "accept", stumble)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        forward, place = tcp(room, server.getsockname())
        with running(room.loop), socket.create_connection(place, 5):
            server.accept()[0].close()
        forward.cut()
    assert not short


def test_a_datagram_server_that_failed_is_tried_again_and_well_when_it_answers(room: Room) -> None:
    listener = refusing(socket.SOCK_DGRAM)
    listener.setblocking(False)
    with refusing(socket.SOCK_DGRAM) as first, refusing(socket.SOCK_DGRAM) as second:
        balance = Balance()
        both = (first.getsockname(), second.getsockname())
        balance.targets = [Target(str(each), (Address(socket.AF_INET, each),)) for each in both]
        failed = balance.targets[0]
        forward = UdpForward(room, listener, balance)
        failed.judge(False, room.loop.now)
        clients = [refusing(socket.SOCK_DGRAM) for _ in range(4)]

        def send(clients: list[socket.socket]) -> list[str]:
            known = len(forward.connections)
            for client in clients:
                client.sendto(b"x", listener.getsockname())
            forward.handle(IN)
            return [session.target.key for session in forward.connections[known:]]

        assert send(clients[:2]) == [str(second.getsockname())] * 2
        room.loop.now += 60
        assert sorted(send(clients[2:])) == sorted(map(str, both))
        first.settimeout(5)
        first.sendto(b"y", first.recvfrom(10)[1])
        (session,) = [each for each in forward.connections if each.target is failed]
        session.handle(IN)
        assert (failed.well, failed.judged) == (True, room.loop.now)
        for client in clients:
            client.close()
        forward.cut()


@pytest.fixture
def hired(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Workers, subprocess.Popen[bytes], socket.socket]]:
    """Workers, of which there is one that only sleeps: its process, and its end of the channel."""
    monkeypatch.setattr(workers, "_raise_limit", lambda: 65536)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(0.1)
    made = Workers(Loop(), list)
    with subprocess.Popen(["sleep", "60"]) as sleeper, ours, theirs:
        monkeypatch.setattr(made, "_all", [Worker(sleeper.pid, ours, made)])
        yield made, sleeper, theirs
        sleeper.kill()


@pytest.fixture
def order() -> Iterator[Order]:
    with refusing() as listener:
        yield Order(Mapping("0.0.0.0", 1, (Server(1, "127.0.0.1"),)), listener, ((("127.0.0.1",), -1),))


def test_a_worker_that_dies_with_orders_unread_is_no_failure(
    hired: tuple[Workers, subprocess.Popen[bytes], socket.socket], order: Order
) -> None:
    made, _, channel = hired
    made.set(order, 0)
    channel.close()  # its last message unread: the next one is answered by ECONNRESET, all others by EPIPE
    made.set(order, 0)
    made.set(order, 0)
    assert made.open() == 0


def test_a_worker_that_dies_with_a_question_unread_is_no_failure(
    hired: tuple[Workers, subprocess.Popen[bytes], socket.socket], order: Order
) -> None:
    made, _, channel = hired
    made.set(order, 0)
    channel.close()
    assert made.open() == 0


def test_a_worker_that_takes_no_orders_is_killed_to_be_replaced(
    hired: tuple[Workers, subprocess.Popen[bytes], socket.socket], order: Order
) -> None:
    made, sleeper, _ = hired
    for _ in range(10_000):  # until its channel is full
        made.set(order, 0)
        if sleeper.poll() is not None:
            break
    assert sleeper.wait(5) == -signal.SIGKILL


def test_a_conversation_of_which_there_is_nothing_to_hear_goes_on() -> None:
    ours, theirs = socket.socketpair()
    ours.settimeout(0.2)
    loop = Loop()
    with theirs:
        conversation = Conversation(loop, ours, lambda request: request["do"])
        conversation.handle(IN)  # an event for another descriptor that had its number
        theirs.sendall(b'{"version": 1, "do": "list"}\n')
        conversation.handle(IN)
        theirs.settimeout(5)
        assert b'"ok": "list"' in theirs.recv(1000)
    ours.close()
    loop.close()
