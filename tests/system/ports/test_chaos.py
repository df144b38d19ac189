"""Many clients and servers that behave badly at once: every byte arrives or an error does, and nothing leaks."""

from __future__ import annotations

import os
import random
import socket
import struct
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.system.ports.conftest import eventually, read_all

if TYPE_CHECKING:
    from tests.system.ports.conftest import Machine

pytestmark = pytest.mark.root

_CLIENTS = 150
_ABORT = struct.pack("ii", 1, 0)


def descriptors(machine: Machine) -> list[int]:
    return sorted(len(os.listdir(f"/proc/{pid}/fd")) for pid in machine.processes())


def misbehave(client: socket.socket, dice: random.Random) -> None:
    """Serve: a header tells how much to swallow, how much to answer, and how to end."""
    header = client.recv(12, socket.MSG_WAITALL)
    swallow, answer, end = struct.unpack("!III", header)
    left = swallow
    while left > 0 and (piece := client.recv(min(left, dice.choice((1000, 1 << 17))))):
        left -= len(piece)
        if dice.random() < 0.02:
            time.sleep(0.01)
    block = bytes(range(256)) * 256
    for start in range(0, answer, len(block)):
        client.sendall(block[: min(len(block), answer - start)])
    if end == 1:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
    elif end == 2:
        client.shutdown(socket.SHUT_WR)
        read_all(client)


def test_nothing_leaks_and_nothing_is_cut_short(machine: Machine) -> None:
    machine.serve(7001, lambda client: misbehave(client, random.Random(1)))
    machine("portmap", "forward", "-p", "8080:127.0.0.1:7001", "-p", "8081:127.0.0.1:7009")
    before = descriptors(machine)
    wrong: list[str] = []

    def visit(seed: int) -> None:
        dice = random.Random(seed)
        swallow, answer = (dice.choice((0, 1, 100, 65536, 65537, 500_000, 3_000_000)) for _ in range(2))
        end = dice.choice((0, 0, 1, 2))
        way = dice.choice(("whole", "whole", "whole", "leave", "reset", "nobody"))
        client = clients[seed]
        with suppress(ConnectionError), client:
            client.connect(("127.0.0.1", 8081 if way == "nobody" else 8080))
            client.sendall(struct.pack("!III", swallow, answer, end))
            client.sendall(bytes(swallow if way == "whole" else swallow // 2))
            if way == "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
            if way != "whole":
                return
            if dice.random() < 0.5:
                client.shutdown(socket.SHUT_WR)
            received = read_all(client)  # an end that is none raises ConnectionResetError
            if received != (bytes(range(256)) * (answer // 256 + 1))[:answer]:
                wrong.append(f"client {seed}: {len(received)} of {answer} bytes")

    with machine.inside():
        clients = [socket.socket() for _ in range(_CLIENTS)]
    for client in clients:
        client.settimeout(60)
    threads = [threading.Thread(target=visit, args=(seed,)) for seed in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert eventually(lambda: all(server["open"] == 0 for each in machine.mappings() for server in each["servers"]))  # type: ignore[attr-defined]
    # What is left at most are the spare pipes of each worker: two descriptors each.
    assert eventually(lambda: all(now - then <= 64 for then, now in zip(before, descriptors(machine), strict=True)))
