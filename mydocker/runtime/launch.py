"""The parent's side: fork a child that carries a plan out, and hear how it went.

Only a process with a single thread may do this: the child goes on in Python, and a lock that another thread held at the
moment of the fork would never be released in it. Processes with threads ask `mydocker.runtime.zygote` for a child.

The PID namespace is made or joined here, because it takes effect for children only; the parent returns to its own at
once, so one process starts any number of containers.
"""

from __future__ import annotations

import contextlib
import errno
import os

from mydocker.errors import CommandNotExecutable, CommandNotFound, RuntimeFailure
from mydocker.linux import namespaces, process
from mydocker.runtime import channel, init
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

NEW_PID_NAMESPACE = ""


class Refused(Exception):
    """The child reported a failure; `message` is what it sent, for passing on."""

    def __init__(self, message: bytes) -> None:
        super().__init__(message)
        self.message = message


class Started(NamedTuple):
    """A container whose program runs: its process, and the master of its terminal (-1 without one)."""

    pid: int
    master: int


def start(
    plan: tuple[tuple[Any, ...], ...],
    streams: tuple[int, int, int],
    *,
    pid_namespace: str | int | None = NEW_PID_NAMESPACE,
    on_ready: Callable[[int], bytes] | None = None,
    meanwhile: Callable[[], None] | None = None,
) -> Started:
    """Start a container and return once its program has been executed.

    `pid_namespace` is "" for a new one, None for the caller's own, else the path of one to join, or a pidfd of a
    process in it. `on_ready` is called with the child's process id when the plan comes to its operation `ready`; what
    it returns is the state that hooks in the child are told. `meanwhile` is called while the child is on its way there.
    Raise CommandNotFound, CommandNotExecutable or RuntimeFailure; no process is left then. The caller waits for the
    process.
    """
    try:
        return fork(plan, streams, pid_namespace, on_ready, meanwhile)
    except Refused as err:
        raise translate(channel.decode_failure(err.message), plan) from None


def fork(
    plan: tuple[tuple[Any, ...], ...],
    streams: tuple[int, int, int],
    pid_namespace: str | int | None,
    on_ready: Callable[[int], bytes] | None = None,
    meanwhile: Callable[[], None] | None = None,
) -> Started:
    """Do as `start`, but raise `Refused` with what the child said."""
    with process.collecting_orphans() if _has_second_process(plan) else contextlib.nullcontext():
        return _fork_and_listen(plan, streams, pid_namespace, on_ready, meanwhile)


def _has_second_process(plan: tuple[tuple[Any, ...], ...]) -> bool:
    """Tell whether the child ends after making a child of its own that goes on (`mydocker.runtime.mapping.enter`)."""
    return ("mapped", "enter", True) in plan


def _fork_and_listen(
    plan: tuple[tuple[Any, ...], ...],
    streams: tuple[int, int, int],
    pid_namespace: str | int | None,
    on_ready: Callable[[int], bytes] | None,
    meanwhile: Callable[[], None] | None,
) -> Started:
    ours, theirs = channel.pair()
    try:
        pid = _fork(plan, (ours, theirs), streams, pid_namespace)
    finally:
        theirs.close()
    master = -1
    try:
        if meanwhile is not None:
            meanwhile()
        while True:
            message, descriptors = channel.receive(ours)
            if message == b"":
                break
            if message == channel.CONSOLE:
                master = descriptors[0]
            elif message[:1] == channel.CHILD:
                os.waitpid(pid, 0)
                pid = int(message[1:])
                channel.send(ours, channel.CHILD)
            elif message == channel.READY:
                told = on_ready(pid) if on_ready is not None else b""
                channel.send(ours, channel.READY + told)
            else:
                raise Refused(message)
    except BaseException:
        if master >= 0:
            os.close(master)
        abandon(pid)
        raise
    finally:
        ours.close()
    return Started(pid, master)


def _fork(
    plan: tuple[tuple[Any, ...], ...],
    ends: tuple[Any, Any],
    streams: tuple[int, int, int],
    pid_namespace: str | int | None,
) -> int:
    if pid_namespace is None:
        return _fork_here(plan, ends, streams)
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if pid_namespace == NEW_PID_NAMESPACE:
            namespaces.unshare(namespaces.CLONE_NEWPID)
        elif isinstance(pid_namespace, int):
            namespaces.setns(pid_namespace, namespaces.CLONE_NEWPID)
        else:
            namespaces.join(pid_namespace, namespaces.CLONE_NEWPID)
        try:
            return _fork_here(plan, ends, streams)
        finally:
            namespaces.setns(own, namespaces.CLONE_NEWPID)
    except OSError as err:
        raise RuntimeFailure(
            "cannot make a process namespace", err.strerror or str(err), "containers need root, or CAP_SYS_ADMIN"
        ) from err
    finally:
        os.close(own)


def _fork_here(plan: tuple[tuple[Any, ...], ...], ends: tuple[Any, Any], streams: tuple[int, int, int]) -> int:
    ours, theirs = ends
    pid = os.fork()
    if pid == 0:
        ours.close()  # with a copy of it open, the child would never hear that its parent was killed
        init.run(plan, theirs, streams)
    return pid


def abandon(pid: int) -> None:
    """Kill a child and wait for it."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 9)
    os.waitpid(pid, 0)


_NOT_FOUND = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)
_HINTS = {
    errno.ENOSPC: "the file system, or a limit like /proc/sys/user/max_mnt_namespaces, is full",
    errno.EPERM: "containers need root, or the capability that this step asks for",
    errno.EMFILE: "too many open files: raise the limit of descriptors (ulimit -n)",
}


def translate(failure: channel.Failure, plan: tuple[tuple[Any, ...], ...]) -> RuntimeFailure:
    """Return what the child that carried out `plan` reported as one of this project's errors."""
    shown = f" {failure.path}" if failure.path else ""
    if failure.operation == "exec":
        # The sealed program between us and the container's knows a number only; the plan ends with the command.
        shown = shown or f" {plan[-1][1][0]}"
        if failure.code in _NOT_FOUND:
            hint = "the command is looked up inside the container; is it, or its interpreter, in the image?"
            return CommandNotFound(f"cannot run{shown}", failure.message.lower(), hint)
        return CommandNotExecutable(f"cannot run{shown}", failure.message.lower())
    if failure.operation == "user":
        return RuntimeFailure("cannot find out who the container runs as", failure.message)
    step = failure.operation.replace("_", " ")
    return RuntimeFailure(f"cannot set up the container: {step}{shown}", failure.message, _HINTS.get(failure.code, ""))


def exit_status(wait_status: int) -> int:
    """Return the exit status as shells and docker count it: 128 + number for a signal."""
    code = os.waitstatus_to_exitcode(wait_status)
    return 128 - code if code < 0 else code
