"""Forwarded ports beside docker-proxy and the bare veth: throughput, connections, latency, idle connections.

Everything happens in network namespaces of its own: a host, and a container behind a veth. docker-proxy goes over the
veth, as it has to; mydocker's service dials inside the container's namespace.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, NamedTuple

from benchmarks._harness import Contender, Timing, measure, report
from mydocker.linux import namespaces
from mydocker.linux.process import start_ticks
from mydocker.network.portmap import starting
from mydocker.network.portmap.mappings import Folder
from mydocker.network.portmap.ports import parse

if TYPE_CHECKING:
    from collections.abc import Callable

_ROUNDS = int(os.environ.get("BENCH_ROUNDS", "9"))
_HOST, _CONTAINER = "10.200.0.1", "10.200.0.2"
_SINK, _ECHO, _HOLD = 9001, 9002, 9003  # the container's ports
_MEGABYTES = 1024
_CONNECTIONS = 1500
_CLIENTS = 3
_IDLE = 10_000
_PROXY = shutil.which("docker-proxy", path=f"{os.environ['PATH']}:/usr/sbin:/usr/libexec/docker")


class Way(NamedTuple):
    """One way to the container's servers: who it is, where each of its ports is found, and whose CPU time to count."""

    name: str
    places: dict[int, tuple[str, int]]
    processes: Callable[[], list[int]]
    why_not: str = ""


def main() -> None:
    """Enter a namespace, set everything up, measure."""
    if os.geteuid():
        sys.exit("benchmarks of networks need root")
    namespaces.unshare(namespaces.CLONE_NEWNET)
    with tempfile.TemporaryDirectory(prefix="bench-net-") as place, ExitStack() as stack:
        container = stack.enter_context(_Process(_serve))
        _ip(f"link add veth0 type veth peer name eth0 netns {container.pid}")
        _ip("link set lo up")
        _ip(f"address add {_HOST}/24 dev veth0")
        _ip("link set veth0 up")
        inside = ("nsenter", f"--net=/proc/{container.pid}/ns/net", "ip")
        for words in ("link set lo up", f"address add {_CONTAINER}/24 dev eth0", "link set eth0 up"):
            subprocess.run([*inside, *words.split()], check=True)
        ways = [_ours(place, container.pid or 0, stack), _docker(stack), _bare()]
        _throughput(ways)
        _connections(ways)
        _latency(ways)
        _idle(ways)


class _Process:
    """A child process, killed at the end."""

    def __init__(self, target: Callable[[], None]) -> None:
        self._process = multiprocessing.get_context("fork").Process(target=target, daemon=False)

    def __enter__(self) -> _Process:
        self._process.start()
        self.pid = self._process.pid
        time.sleep(0.5)
        return self

    def __exit__(self, *unused: object) -> None:
        subprocess.run(["pkill", "-KILL", "-P", str(self.pid)], check=False)
        self._process.kill()
        self._process.join()


def _ip(words: str) -> None:
    subprocess.run(["ip", *words.split()], check=True)


# The container's servers ---------------------------------------------------------------------------------------------


def _serve() -> None:
    """Be the container: a sink for bytes, an echo for short connections, a holder of idle ones."""
    os.setsid()
    namespaces.unshare(namespaces.CLONE_NEWNET)
    for port, talk in ((_SINK, _swallow), (_ECHO, _echo), (_ECHO, _echo)):
        listener = _listen(port)
        if os.fork() == 0:
            while True:
                client, _ = listener.accept()
                with client, suppress(OSError):
                    talk(client)
    held = []
    listener = _listen(_HOLD)
    while True:
        client, _ = listener.accept()
        client.sendall(b"+")
        held.append(client)


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("0.0.0.0", port))
    listener.listen(4096)
    return listener


def _swallow(client: socket.socket) -> None:
    buffer = bytearray(1 << 18)
    while client.recv_into(buffer):
        pass
    client.sendall(b"+")


def _echo(client: socket.socket) -> None:
    # The server ends first, as HTTP's do: what has to wait for a minute then is not one of the client's ports.
    client.sendall(client.recv(1000))


# The ways to them ----------------------------------------------------------------------------------------------------


def _ours(place: str, container: int, stack: ExitStack) -> Way:
    folder = Folder(f"{place}/portmap")
    ports = [list(publish) for port in (_SINK, _ECHO, _HOLD) for publish in parse(f"{_HOST}:{port}:{port}")]
    message = {
        "do": "publish",
        "container": "bench",
        "name": "bench",
        "pid": container,
        "ticks": start_ticks(container),
    }
    starting.call(folder, {**message, "ports": ports})
    service = int(starting.call(folder, {"do": "stay"}))
    stack.callback(lambda: starting.call(folder, {"do": "stop"}))

    def processes() -> list[int]:
        with open(f"/proc/{service}/task/{service}/children") as file:
            return [service, *map(int, file.read().split())]

    return Way("mydocker", {port: (_HOST, port) for port in (_SINK, _ECHO, _HOLD)}, processes)


def _docker(stack: ExitStack) -> Way:
    if _PROXY is None:
        return Way("docker-proxy", {}, list, why_not="docker-proxy is not installed")
    started = []
    for port in (_SINK, _ECHO, _HOLD):
        words = [_PROXY, "-proto", "tcp", "-host-ip", _HOST, "-host-port", str(port + 1000),
                 "-container-ip", _CONTAINER, "-container-port", str(port)]  # fmt: skip
        # It tells on descriptor 3 how its start went. A session of its own, as under dockerd and as our service has:
        # on a busy machine the kernel shares processors between sessions (sched(7), autogroup).
        start = ["sh", "-c", 'exec "$@" 3>/dev/null 2>/dev/null', "sh", *words]
        process = subprocess.Popen(start, start_new_session=True)
        stack.callback(process.wait)
        stack.callback(process.terminate)
        started.append(process.pid)
    time.sleep(0.5)
    return Way("docker-proxy", {port: (_HOST, port + 1000) for port in (_SINK, _ECHO, _HOLD)}, lambda: started)


def _bare() -> Way:
    return Way("bare veth", {port: (_CONTAINER, port) for port in (_SINK, _ECHO, _HOLD)}, list)


# What is measured ----------------------------------------------------------------------------------------------------


def _compare(title: str, ways: list[Way], act: Callable[[Way], object]) -> None:
    used: dict[str, float] = {}

    def run(way: Way) -> Callable[[], object]:
        def timed() -> None:
            before = _cpu(way.processes())
            act(way)
            used[way.name] = used.get(way.name, 0.0) + _cpu(way.processes()) - before

        return timed

    contenders = [Contender(way.name, run(way), why_not=way.why_not) for way in ways]
    report(title, contenders, measure(contenders, _ROUNDS, warm_up=1))
    for name, seconds in used.items():
        if seconds:
            print(f"  {name:<28}{seconds / (_ROUNDS + 1) * 1000:9.1f} ms of CPU time in its own processes")


def _cpu(processes: list[int]) -> float:
    """Return the user and system seconds of processes."""
    ticks = 0
    for pid in processes:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _throughput(ways: list[Way]) -> None:
    block = bytes(1 << 18)

    def send(way: Way) -> None:
        with socket.create_connection(way.places[_SINK]) as client:
            for _ in range(_MEGABYTES * 4):
                client.sendall(block)
            client.shutdown(socket.SHUT_WR)
            client.recv(1)

    _compare(f"{_MEGABYTES} MiB over one connection", ways, send)


def _visit(place: tuple[str, int]) -> None:
    with socket.socket() as client:
        client.connect(place)
        client.sendall(b"x" * 100)
        while client.recv(1000):
            pass


def _connections(ways: list[Way]) -> None:
    def visitor(place: tuple[str, int]) -> None:
        for _ in range(_CONNECTIONS // _CLIENTS):
            _visit(place)

    def visit(way: Way) -> None:
        fork = multiprocessing.get_context("fork")
        clients = [fork.Process(target=visitor, args=(way.places[_ECHO],)) for _ in range(_CLIENTS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
            if client.exitcode:
                sys.exit(f"a client of {way.name} failed")

    _compare(f"{_CONNECTIONS} short connections from {_CLIENTS} clients", ways, visit)


def _latency(ways: list[Way]) -> None:
    present = [way for way in ways if not way.why_not]
    found: dict[str, list[float]] = {way.name: [] for way in present}
    for turn in range(-1, _ROUNDS):
        for way in present:
            times = []
            for _ in range(500):
                began = time.perf_counter()
                _visit(way.places[_ECHO])
                times.append(time.perf_counter() - began)
            if turn >= 0:
                found[way.name].append(sorted(times)[494])
    contenders = [Contender(way.name, lambda: None, why_not=way.why_not) for way in ways]
    title = "99th percentile of 500 short connections, one after the other"
    report(title, contenders, [Timing(name, tuple(times)) for name, times in found.items()])


def _idle(ways: list[Way]) -> None:
    """Hold idle connections and weigh the processes: what they have of their own, and a share of what is shared."""
    way = ways[0]
    before = _weight(way.processes())
    clients = []
    for _ in range(_IDLE):
        client = socket.create_connection(way.places[_HOLD])
        client.recv(1)  # the server has it
        clients.append(client)
    after = _weight(way.processes())
    print(f"\n{len(clients)} idle connections through {way.name}")
    print(f"  {after / 1024:.1f} MiB in {len(way.processes())} processes ({before / 1024:.1f} MiB without them)")
    for client in clients:
        client.close()


def _weight(processes: list[int]) -> int:
    """Return the proportional set size of processes, in KiB (proc(5), smaps_rollup)."""
    total = 0
    for pid in processes:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return total


if __name__ == "__main__":
    main()
