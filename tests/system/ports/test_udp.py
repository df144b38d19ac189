"""Datagrams through forwarded ports: sessions, both families, and the address that answers come from."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.system.ports.conftest import Machine

pytestmark = pytest.mark.root


def serve(machine: Machine, port: int, host: str = "127.0.0.1") -> None:
    """Answer each datagram with the sender's port and the datagram itself."""
    server = machine.datagrams(host)
    server.settimeout(None)
    server.bind((host, port))

    def answer() -> None:
        while True:
            try:
                data, sender = server.recvfrom(65535)
                server.sendto(b"%d " % sender[1] + data, sender)
            except OSError:
                return

    threading.Thread(target=answer, daemon=True).start()


def test_each_client_has_a_session_of_its_own(machine: Machine) -> None:
    serve(machine, 7001)
    machine("portmap", "forward", "-p", "8080:127.0.0.1:7001/udp")
    clients = [machine.datagrams() for _ in range(20)]
    senders = []
    for _ in range(2):
        for number, client in enumerate(clients):
            client.sendto(b"%d" % number, ("127.0.0.1", 8080))
        for number, client in enumerate(clients):
            sender, text = client.recv(100).split()
            assert text == b"%d" % number
            senders.append(sender)
    assert senders[:20] == senders[20:]
    assert len(set(senders)) == 20


def test_answers_come_from_the_address_that_was_asked(machine: Machine) -> None:
    serve(machine, 7001)
    machine("portmap", "forward", "-p", "8080:127.0.0.1:7001/udp")
    for host in ("127.0.0.1", "10.99.0.1", "127.0.0.9", "::1"):
        client = machine.datagrams(host)
        client.connect((host, 8080))  # the kernel drops what comes from elsewhere
        client.send(b"hello")
        assert client.recv(100).endswith(b" hello")


def test_a_bound_address_and_an_ipv6_server(machine: Machine) -> None:
    serve(machine, 7001, "::1")
    machine("portmap", "forward", "-p", "10.99.0.1:8080:[::1]:7001/udp")
    client = machine.datagrams()
    client.connect(("10.99.0.1", 8080))
    client.send(b"hello")
    assert client.recv(100).endswith(b" hello")


def test_datagrams_stay_whole(machine: Machine) -> None:
    serve(machine, 7001)
    machine("portmap", "forward", "-p", "8080:127.0.0.1:7001/udp")
    client = machine.datagrams()
    for size in (0, 1, 1472, 9000, 60000):
        data = bytes(index % 251 for index in range(size))
        client.sendto(data, ("127.0.0.1", 8080))
        assert client.recv(65535).partition(b" ")[2] == data


def test_a_server_that_comes_later_is_found(machine: Machine) -> None:
    machine("portmap", "forward", "-p", "8080:127.0.0.1:7001/udp")
    client = machine.datagrams()
    client.sendto(b"lost", ("127.0.0.1", 8080))
    client.settimeout(0.3)
    with pytest.raises(socket.timeout):
        client.recv(100)
    serve(machine, 7001)
    client.settimeout(5)
    client.sendto(b"found", ("127.0.0.1", 8080))
    assert client.recv(100).endswith(b" found")


def test_tcp_and_udp_of_one_number_are_two_ports(machine: Machine) -> None:
    serve(machine, 7001)
    machine.name(7001, "tcp")
    machine("portmap", "forward", "-p", "8080:127.0.0.1:7001/udp", "-p", "8080:127.0.0.1:7001/tcp")
    client = machine.datagrams()
    client.sendto(b"udp", ("127.0.0.1", 8080))
    assert client.recv(100).endswith(b" udp")
    assert machine.said(8080) == "tcp"
