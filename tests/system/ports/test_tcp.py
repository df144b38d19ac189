"""Connections through forwarded ports: every byte, both directions, each end in its own time."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import struct
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.system.ports.conftest import eventually, read_all

if TYPE_CHECKING:
    from tests.system.ports.conftest import Machine

pytestmark = pytest.mark.root

_ABORT = struct.pack("ii", 1, 0)


def echo(client: socket.socket) -> None:
    while data := client.recv(1 << 18):
        client.sendall(data)


def answer_after_the_end(client: socket.socket) -> None:
    client.sendall(hashlib.sha256(read_all(client)).hexdigest().encode())


def test_both_families_reach_a_server_of_either(machine: Machine) -> None:
    machine.name(7001, "four")
    machine.serve(7002, lambda client: client.sendall(b"six"), "::1")
    machine("portmap", "forward", "-p", "8080:127.0.0.1:7001", "-p", "8081:[::1]:7002")
    assert [machine.said(8080, host) for host in ("127.0.0.1", "::1", "10.99.0.1")] == ["four"] * 3
    assert [machine.said(8081, host) for host in ("127.0.0.1", "::1", "10.99.0.1")] == ["six"] * 3


def test_an_address_of_the_host_is_the_only_one(machine: Machine) -> None:
    machine.name(7001, "here")
    machine("portmap", "forward", "-p", "127.0.0.1:8080:127.0.0.1:7001")
    assert machine.said(8080) == "here"
    with pytest.raises(ConnectionRefusedError):
        machine.said(8080, "10.99.0.1")


def test_half_closed_connections_carry_the_answer(machine: Machine) -> None:
    machine.serve(7001, answer_after_the_end)
    machine("portmap", "forward", "-p", "8080:127.0.0.1:7001")
    for size in (0, 1, 65535, 65536, 65537, 30_000_001):
        data = os.urandom(size)
        client = machine.connect(8080)
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client).decode() == hashlib.sha256(data).hexdigest()


def test_both_directions_at_once(machine: Machine) -> None:
    machine.serve(7001, echo)
    machine("portmap", "forward", "-p", "8080:127.0.0.1:7001")
    data = os.urandom(1 << 20) * 24
    client = machine.connect(8080)

    def send() -> None:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    received = read_all(client)
    sender.join()
    assert hashlib.sha256(received).digest() == hashlib.sha256(data).digest()


def test_single_bytes_are_not_held_back(machine: Machine) -> None:
    machine.serve(7001, echo)
    machine("portmap", "forward", "-p", "8080:127.0.0.1:7001")
    client = machine.connect(8080)
    for i in range(300):
        client.send(bytes([i % 256]))
        assert client.recv(10) == bytes([i % 256])


def test_a_slow_reader_slows_the_sender_and_nobody_else(machine: Machine) -> None:
    sent = 0

    def pour(client: socket.socket) -> None:
        nonlocal sent
        block = bytes(1 << 16)
        for _ in range(16 * 64):
            sent += client.send(block)

    machine.serve(7001, pour)
    machine.name(7002, "quick")
    machine("portmap", "forward", "-p", "8080:127.0.0.1:7001", "-p", "8081:127.0.0.1:7002")
    slow = machine.connect(8080)
    slow.recv(1)
    before = -1
    while before != sent:  # until nothing moves any more
        before = sent
        time.sleep(0.2)
    assert sent < 48 << 20  # buffers of sockets and one pipe, not the 64 MiB that there are
    assert machine.said(8081) == "quick"
    assert len(read_all(slow)) + 1 == 64 << 20


def test_a_server_that_resets_resets_the_client(machine: Machine) -> None:
    def reset(client: socket.socket) -> None:
        client.recv(1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)

    machine.serve(7001, reset)
    machine("portmap", "forward", "-p", "8080:127.0.0.1:7001")
    client = machine.connect(8080)
    client.send(b"x")
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_an_answer_that_came_before_a_reset_arrives(machine: Machine) -> None:
    def refuse(client: socket.socket) -> None:
        client.recv(1)
        client.sendall(b"too large")  # closing with unread data resets the connection

    machine.serve(7001, refuse)
    machine("portmap", "forward", "-p", "8080:127.0.0.1:7001")
    client = machine.connect(8080)
    client.sendall(bytes(100_000))
    assert client.recv(100) == b"too large"


def test_an_answer_that_is_cut_short_does_not_look_whole(machine: Machine) -> None:
    def break_off(client: socket.socket) -> None:
        client.sendall(bytes(6_000_000))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)

    machine.serve(7001, break_off)
    machine("portmap", "forward", "-p", "8080:127.0.0.1:7001")
    client = machine.connect(8080)
    time.sleep(0.3)  # a slow reader: what it has not read yet when the reset comes is still on its way
    with pytest.raises(ConnectionResetError):
        read_all(client)


def test_where_nobody_listens_the_client_is_reset(machine: Machine) -> None:
    machine("portmap", "forward", "-p", "8080:127.0.0.1:7001")
    with pytest.raises(ConnectionResetError):
        machine.said(8080)


def test_urgent_data_is_not_lost(machine: Machine) -> None:
    machine.serve(7001, lambda client: client.sendall(read_all(client)))
    machine("portmap", "forward", "-p", "8080:127.0.0.1:7001")
    client = machine.connect(8080)
    client.send(b"before ")
    client.send(b"!", socket.MSG_OOB)
    client.send(b" after")
    client.shutdown(socket.SHUT_WR)
    assert read_all(client) == b"before ! after"


def test_many_idle_connections_cost_little_and_all_work(machine: Machine) -> None:
    machine.serve(7001, echo)
    machine("portmap", "forward", "-p", "8080:127.0.0.1:7001")
    first = machine.connect(8080)
    first.send(b"x")
    assert first.recv(1) == b"x"
    before = memory(machine)
    clients = [machine.connect(8080) for _ in range(800)]
    assert eventually(lambda: sum(connections(machine)) == 801)
    assert (memory(machine) - before) / 800 < 4.0  # KiB for each
    for number, client in enumerate(clients):
        client.send(str(number).encode())
    assert all(client.recv(10) == str(number).encode() for number, client in enumerate(clients))


def test_clients_beyond_the_limit_of_descriptors_wait_for_their_turn(machine: Machine) -> None:
    machine.serve(7001, lambda client: client.sendall(b"+" + client.recv(1)), "0.0.0.0")
    words = machine.enter("prlimit", "--nofile=400:400", *machine.words("portmap", "start", "-d"))
    subprocess.run(words, env=machine.env, check=True, stdout=subprocess.DEVNULL)
    # Two targets: a port with one is served by all workers, of which there are more the less each may have.
    machine("portmap", "forward", "-p", "8080:127.0.0.1:7001", "-p", "8080:127.0.0.2:7001")
    clients = [machine.connect(8080) for _ in range(150)]  # one worker has room for seventy
    assert eventually(lambda: 60 < sum(connections(machine)) < 80)
    for client in clients:
        client.send(b"x")
    for client in clients:
        assert read_all(client) == b"+x"
        client.close()


def connections(machine: Machine) -> list[int]:
    return [int(server["open"]) for mapping in machine.mappings() for server in mapping["servers"]]  # type: ignore[attr-defined]


def memory(machine: Machine) -> int:
    total = 0
    for pid in machine.processes():
        with open(f"/proc/{pid}/smaps_rollup") as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return total


def test_connections_survive_the_end_of_their_mapping(machine: Machine) -> None:
    machine.serve(7001, echo)
    machine("portmap", "forward", "-p", "8080:127.0.0.1:7001")
    client = machine.connect(8080)
    client.send(b"a")
    assert client.recv(1) == b"a"
    machine("portmap", "forward", "-p", "8080:127.0.0.1:7001", "-d")
    assert eventually(lambda: machine.run("portmap", "list", "-q").stdout == "")
    with pytest.raises(ConnectionRefusedError):
        machine.connect(8080)
    client.send(b"b")
    assert client.recv(1) == b"b"
    client.close()
    assert eventually(lambda: machine.processes() == [])


def test_a_worker_that_dies_is_replaced(machine: Machine) -> None:
    machine.name(7001, "here")
    machine("portmap", "forward", "-p", "8080:127.0.0.1:7001")
    service = machine.service()
    time.sleep(1.1)  # sooner, the service takes it for a worker that cannot work
    for pid in machine.processes():
        if pid != service:
            os.kill(pid, signal.SIGKILL)
    assert [machine.said(8080) for _ in range(4)] == ["here"] * 4
    assert machine.service() == service
