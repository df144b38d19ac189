"""The service's workers: started, told what to forward, replaced when they die."""

from __future__ import annotations

import _socket
import os
import resource
import signal
import time
import zlib

from mydocker.errors import NetworkError
from mydocker.linux import process
from mydocker.network.forwarding.loop import IN, Loop
from mydocker.network.forwarding.worker import main as forward
from mydocker.network.forwarding.worker import receive, send
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from mydocker.network.portmap.mappings import Mapping

CONNECTIONS = 10_000  # that there is room for at the least
# More than two processors' worth: on a busy machine a connection need not wait for the turn of one certain process.
_WORKERS = 4
_MOST_WORKERS = 16  # where the limit of open files is so low that CONNECTIONS need them
_WANTED_DESCRIPTORS = 65536
_SHORTEST_LIFE = 1.0
_PATIENCE = 2.0
# What sending to a worker that died says: the second where it left messages unread (unix(7)).
_DEAD = (BrokenPipeError, ConnectionResetError)
_AT_ONCE = 8  # ports whose counts are asked for at once: each may have some hundred targets


class Order(NamedTuple):
    """What a worker has to know of a mapping: each server's addresses and namespace (-1: the host's), in order."""

    mapping: Mapping
    listener: _socket.socket
    servers: tuple[tuple[tuple[str, ...], int], ...]


class Count(NamedTuple):
    """The open connections to a server, and whether it answered when that was tried last (monotonic seconds)."""

    open: int = 0
    well: bool = True
    judged: float = 0.0

    def add(self, other: Count) -> Count:
        """Return what two workers know together: who tried last is right."""
        latest = max(self, other, key=lambda count: count.judged)
        return latest._replace(open=self.open + other.open)


class Worker:
    """One worker process; it is told of each listener once."""

    def __init__(self, pid: int, channel: _socket.socket, workers: Workers) -> None:
        self.pid = pid
        self.channel = channel
        self.began = time.monotonic()
        self.told: dict[str, bool] = {}  # what it forwards, and whether it takes connections for it
        self._workers = workers

    def handle(self, mask: int) -> None:
        """Hear from the worker out of turn: that it is dead."""
        self._workers.replace(self)


class Workers:
    """All workers of a service. `orders` returns what a new one has to be told."""

    def __init__(self, loop: Loop, orders: Callable[[], list[Order]]) -> None:
        self._loop = loop
        self._orders = orders
        self._descriptors = _raise_limit()
        enough = -(-2 * CONNECTIONS // self._descriptors) + (self._descriptors < 2 * CONNECTIONS + 512)
        self._count = max(_WORKERS, min(enough, _MOST_WORKERS))
        self._all: list[Worker] = []

    def start(self) -> None:
        """Start the workers."""
        self._all = [self._fork() for _ in range(self._count)]

    def _fork(self) -> Worker:
        ours, theirs = _pair()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            process.prctl(process.PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            process.set_name("mydocker-ports")
            os.dup2(theirs.detach(), 3, inheritable=False)
            process.close_from(4)
            forward(_socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, 3), self._descriptors)
        theirs.close()
        ours.settimeout(_PATIENCE)
        worker = Worker(pid, ours, self)
        self._loop.add(ours.fileno(), worker, IN)
        return worker

    def replace(self, dead: Worker) -> None:
        """Put a new worker in the place of one that died. Raise NetworkError when it had only just been started."""
        self._end(dead)
        if time.monotonic() - dead.began < _SHORTEST_LIFE:
            raise NetworkError("the forwarding service failed", "its workers die as soon as they start")
        worker = self._all[self._all.index(dead)] = self._fork()
        for order in self._orders():
            self._tell(worker, order, 0)

    def _end(self, worker: Worker) -> None:
        # Not `drop`: a worker that was forked just now may have a copy yet, and with it the kernel would go on to tell
        # of this one's end under a number that its successor has by then.
        self._loop.pause(worker.channel.fileno())
        worker.channel.close()
        os.kill(worker.pid, signal.SIGKILL)
        os.waitpid(worker.pid, 0)

    def _chosen(self, mapping: Mapping) -> list[Worker]:
        """Return who takes connections for a mapping: all, or one where it matters who had the last turn."""
        if len(mapping.servers) == 1 and mapping.protocol == "tcp":
            return self._all
        return [self._all[zlib.crc32(mapping.key.encode()) % len(self._all)]]

    def set(self, order: Order, grace: float) -> None:
        """Let a mapping be forwarded, from now on or to other servers; connections to others end within `grace`."""
        for worker in self._all:
            self._tell(worker, order, grace)

    def _tell(self, worker: Worker, order: Order, grace: float) -> None:
        mapping = order.mapping
        listens = worker in self._chosen(mapping)
        if not listens and mapping.key not in worker.told:
            return
        begins = listens and not worker.told.get(mapping.key)
        worker.told[mapping.key] = listens
        targets = [
            {"key": server.key, "port": server.port, "addresses": addresses, "namespace": namespace >= 0}
            for server, (addresses, namespace) in zip(mapping.servers, order.servers, strict=True)
        ]
        message = {"do": "set", "key": mapping.key, "policy": mapping.policy, "listener": begins, "targets": targets,
                   "listen": listens, "grace": grace}  # fmt: skip
        listener = [order.listener.fileno()] if begins else []
        descriptors = [*listener, *(namespace for _, namespace in order.servers if namespace >= 0)]
        try:
            send(worker.channel, message, descriptors)
        except _DEAD:  # it is going to be replaced, and its successor told of everything
            return
        except TimeoutError:  # so is one that hangs
            os.kill(worker.pid, signal.SIGKILL)

    def end(self, key: str, grace: float) -> None:
        """Forward a port no more; connections have `grace` seconds to end."""
        for worker in self._all:
            if key in worker.told:
                del worker.told[key]
                self._ask(worker, {"do": "end", "key": key, "grace": grace})  # when it has answered, the port is free

    def count(self) -> dict[tuple[str, str], Count]:
        """Return what is known of each server, by the keys of the mapping and of the server."""
        total: dict[tuple[str, str], Count] = {}
        for worker in self._all:
            for key, counts in self._count_all(worker):
                for server, values in counts.items():
                    total[key, server] = total.get((key, server), Count()).add(Count(*values))
        return total

    def _count_all(self, worker: Worker) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the counts of all that a worker forwards, asked for in pieces that fit into messages."""
        keys = sorted(worker.told)
        for start in range(0, len(keys), _AT_ONCE):
            answer = self._ask(worker, {"do": "count", "keys": keys[start : start + _AT_ONCE]})
            yield from answer.get("forwards", {}).items()

    def open(self) -> int:
        """Return how many connections there are, also those whose port is forwarded no more."""
        return sum(self._ask(worker, {"do": "count", "keys": []}).get("open", 0) for worker in self._all)

    def _ask(self, worker: Worker, message: dict[str, Any]) -> dict[str, Any]:
        """Return a worker's answer; nothing of one that died (the loop is going to hear of that) or hangs."""
        try:
            send(worker.channel, message)
            answer, _ = receive(worker.channel)
        except _DEAD:
            return {}
        except TimeoutError:
            os.kill(worker.pid, signal.SIGKILL)
            return {}
        return answer or {}

    def stop(self) -> None:
        """End all workers, and with them what they carry."""
        for worker in self._all:
            self._end(worker)
        self._all = []


def _pair() -> tuple[_socket.socket, _socket.socket]:
    return _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC)


def _raise_limit() -> int:
    """Raise the limit of open files as far as this process may; return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (max(_WANTED_DESCRIPTORS, hard), hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            return wanted
        except (ValueError, OSError):  # beyond the hard limit: that takes CAP_SYS_RESOURCE
            continue
    return soft
