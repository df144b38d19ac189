"""Containers for processes with threads: a small interpreter, started once, that forks on demand.

Forking a process with threads and going on in Python is unsound, and starting an interpreter for every container costs
more than the container. So the first request starts the zygote: a fresh process with one thread and this package's
runtime loaded. For each request it forks a keeper, which starts the container as anybody else would, waits for it and
reports. The chain holds from both ends: a container dies with its keeper (parent-death signal), a keeper ends its
container when the requester's end of the connection closes, and the zygote ends with the last requester.
"""

from __future__ import annotations

import _socket
import marshal
import os
import select
import signal
import struct
import sys
import threading
from typing import Any, NoReturn

from mydocker.errors import RuntimeFailure
from mydocker.linux.process import handing_over
from mydocker.runtime import channel, launch
from mydocker.runtime.plan import Launch

_ENDED = b"X"  # keeper: the container ended; the wait status follows
_REQUEST = b"S"
_DESCRIPTORS = 5  # plan, three streams, the keeper's end of the connection

_BOOT = "import sys; sys.path[:0] = [{path!r}]; from mydocker.runtime import zygote; zygote.serve({descriptor})"


class _Zygote:
    """The one zygote of this process; made at the first request, again after a fork or when it is gone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._end: _socket.socket | None = None
        self._owner = 0

    def request(self, plan: int, streams: tuple[int, int, int], end: _socket.socket) -> None:
        """Ask for one container."""
        with self._lock:
            if self._end is None or self._owner != os.getpid():
                self._end = _spawn()
                self._owner = os.getpid()
            try:
                _send(self._end, plan, streams, end)
            except (BrokenPipeError, ConnectionResetError):
                self._end = _spawn()
                _send(self._end, plan, streams, end)


_ZYGOTE = _Zygote()
_waiting: set[_socket.socket] = set()


def interrupt() -> None:
    """Make every `run` that waits in another thread end now: its container is killed, and it raises RuntimeFailure."""
    for end in list(_waiting):
        end.shutdown(_socket.SHUT_RDWR)


def run(prepared: Launch, streams: tuple[int, int, int]) -> int:
    """Run a container to its end in the zygote; as `mydocker.runtime.sandbox.run`."""
    ours, theirs = channel.pair()
    _waiting.add(ours)
    try:
        plan = os.memfd_create("plan", os.MFD_CLOEXEC)
        try:
            with os.fdopen(os.dup(plan), "wb") as file:
                marshal.dump(tuple(prepared), file)
            _ZYGOTE.request(plan, streams, theirs)
        finally:
            os.close(plan)
            theirs.close()
        message, _ = channel.receive(ours)
    finally:
        _waiting.discard(ours)
        ours.close()
    if message[:1] == _ENDED:
        return launch.exit_status(int.from_bytes(message[1:], "little"))
    if message:
        raise launch.translate(channel.decode_failure(message), prepared.plan)
    raise RuntimeFailure("cannot run a container", "the process that kept it was killed")


def _send(end: _socket.socket, plan: int, streams: tuple[int, int, int], theirs: _socket.socket) -> None:
    descriptors = struct.pack("5i", plan, *streams, theirs.fileno())
    end.sendmsg([_REQUEST], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, descriptors)])


def _spawn() -> _socket.socket:
    """Start the zygote; its end of the connection closes with this process."""
    import mydocker

    ours, theirs = channel.pair()
    descriptor = theirs.fileno()
    package = os.path.dirname(os.path.dirname(os.path.abspath(mydocker.__file__)))
    code = _BOOT.format(path=package, descriptor=descriptor)
    arguments = [sys.executable, "-I", "-S", "-c", code]
    actions: list[tuple[Any, ...]] = [(os.POSIX_SPAWN_OPEN, stream, "/dev/null", os.O_RDWR, 0) for stream in (0, 1)]
    actions += handing_over(descriptor)
    os.posix_spawn(sys.executable, arguments, {"PATH": "/usr/bin:/bin"}, file_actions=actions, setsid=True)
    theirs.close()
    return ours


def serve(descriptor: int) -> None:
    """Be the zygote: fork a keeper for every request, until nobody can ask any more."""
    end = _socket.socket(fileno=descriptor)
    os.set_inheritable(descriptor, False)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers report for themselves; nobody waits for them
    while True:
        message, descriptors = channel.receive(end)
        if not message:
            return
        if len(descriptors) == _DESCRIPTORS and os.fork() == 0:
            _keep(end, descriptors)
        for received in descriptors:
            os.close(received)


def _keep(end: _socket.socket, descriptors: list[int]) -> NoReturn:
    """Be a keeper: start the container, wait for it or for the requester's end, report."""
    end.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    plan, stdin, stdout, stderr, reply = descriptors
    requester = _socket.socket(fileno=reply)
    try:
        os.lseek(plan, 0, os.SEEK_SET)
        with os.fdopen(plan, "rb") as file:
            prepared = Launch(*marshal.load(file))
        started = launch.fork(prepared.plan, (stdin, stdout, stderr), prepared.pid_namespace)
        for stream in (stdin, stdout, stderr):
            os.close(stream)
        channel.send(requester, _ENDED + _wait(started.pid, reply).to_bytes(4, "little"))
    except launch.Refused as err:
        channel.send(requester, err.message)
    except BaseException as err:
        channel.send(requester, channel.encode_failure("keeper", err))
    finally:
        os._exit(0)


def _wait(pid: int, requester: int) -> int:
    """Wait for the container; kill it when the requester goes away."""
    process = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(process, select.POLLIN)
    poll.register(requester, 0)
    if any(descriptor == requester for descriptor, _ in poll.poll()):
        signal.pidfd_send_signal(process, signal.SIGKILL)
    return os.waitpid(pid, 0)[1]
