"""A machine for each test: a network namespace with a store, in which ports are forwarded and servers run.

The tests' own sockets are made inside of it: a socket belongs to the namespace in which it was made.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from mydocker.linux import namespaces
from tests.system.conftest import CommandLine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Machine(CommandLine):
    """A network namespace with a store; called, it runs `mydocker` there."""

    def __init__(self, root: Path, directory: Path) -> None:
        super().__init__(root, directory)
        script = "ip link set lo up && ip address add 10.99.0.1/32 dev lo && echo && exec sleep infinity"
        self._holder = subprocess.Popen(["unshare", "-n", "sh", "-c", script], stdout=subprocess.PIPE, text=True)
        assert self._holder.stdout is not None
        self._holder.stdout.readline()
        self._namespace = f"/proc/{self._holder.pid}/ns/net"
        self._sockets: list[socket.socket] = []

    def close(self) -> None:
        """End the service and the namespace."""
        self.run("portmap", "stop")
        for each in self._sockets:
            each.close()
        self._holder.kill()
        self._holder.communicate()

    def enter(self, *words: object) -> list[str]:
        """Return a command line that runs in the namespace."""
        return ["nsenter", f"--net={self._namespace}", *map(str, words)]

    def words(self, *arguments: object) -> list[str]:
        """Return the words of a `mydocker` command."""
        return self.enter(*super().words(*arguments))

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Make sockets in the namespace."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        namespaces.join(self._namespace, namespaces.CLONE_NEWNET)
        try:
            yield
        finally:
            namespaces.setns(home, namespaces.CLONE_NEWNET)
            os.close(home)

    def connect(self, port: int, host: str = "127.0.0.1") -> socket.socket:
        """Return a connection, as a client on the machine makes it."""
        with self.inside():
            made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._sockets.append(made)
        made.settimeout(20)
        made.connect((host, port))
        return made

    def datagrams(self, host: str = "127.0.0.1") -> socket.socket:
        """Return a UDP socket."""
        with self.inside():
            made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self._sockets.append(made)
        made.settimeout(5)
        return made

    def serve(self, port: int, talk: Callable[[socket.socket], None], host: str = "127.0.0.1") -> socket.socket:
        """Serve each connection to a port in a thread of its own; return the listening socket, which ends it."""
        with self.inside():
            listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._sockets.append(listener)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(4096)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    self._sockets.append(client)
                    threading.Thread(target=converse, args=(client,), daemon=True).start()

        def converse(client: socket.socket) -> None:
            with suppress(OSError), client:
                talk(client)

        threading.Thread(target=accept, daemon=True).start()
        return listener

    def name(self, port: int, name: str) -> socket.socket:
        """Serve a port by saying a name."""
        return self.serve(port, lambda client: client.sendall(name.encode()))

    def said(self, port: int, host: str = "127.0.0.1") -> str:
        """Return everything that comes from a port."""
        with self.connect(port, host) as client:
            return read_all(client).decode()

    def mappings(self) -> list[dict[str, object]]:
        """Return what `portmap list` knows."""
        found: list[dict[str, object]] = json.loads(self("portmap", "list", "--format", "json"))
        return found

    def service(self) -> int:
        """Return the process id of the service."""
        (found,) = [pid for pid in self.processes() if parent(pid) not in self.processes()]
        return found

    def processes(self) -> list[int]:
        """Return the processes of the service and its workers: those that live and have this store's lock open."""
        lock = os.stat(self.root / "portmap" / "lock").st_ino
        with open("/proc/locks") as file:
            owner = [int(line.split()[4]) for line in file if line.split()[5].endswith(f":{lock}")]
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if {pid, parent(pid)} & {*owner}]


def parent(pid: int) -> int:
    """Return a process's parent, 0 when there is none or it is only waited for."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            state, above = file.read().rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if state == "Z" else int(above)


def read_all(client: socket.socket) -> bytes:
    """Return everything up to the end."""
    data = bytearray()
    while piece := client.recv(1 << 18):
        data += piece
    return bytes(data)


def eventually(test: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Tell whether something becomes true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if test():
            return True
        time.sleep(0.02)
    return test()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A machine with an empty store; nothing of the service may live on after the test."""
    (tmp_path / "work").mkdir()
    made = Machine(tmp_path / "store", tmp_path / "work")
    try:
        yield made
    finally:
        made.close()
    if (tmp_path / "store" / "portmap" / "lock").exists():
        assert eventually(lambda: made.processes() == []), "the service lives on"
