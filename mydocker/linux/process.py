"""Processes: prctl's switches, descriptors of processes, exec by descriptor. Runs between clone and exec."""

from __future__ import annotations

import ctypes
import errno
import os
from contextlib import contextmanager

from mydocker.linux import libc
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# linux/prctl.h
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36
PR_GET_CHILD_SUBREAPER = 37
PR_SET_NO_NEW_PRIVS = 38

SYS_CLOSE_RANGE = 436
SYS_EXECVEAT = 322 if os.uname().machine == "x86_64" else 281
_AT_EMPTY_PATH = 0x1000
_CLOSE_RANGE_CLOEXEC = 4
_LAST_DESCRIPTOR = 0xFFFFFFFF


def prctl(option: int, value: int) -> None:
    """Set a property of this process to a number."""
    libc.call("prctl", option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))


def set_name(name: str) -> None:
    """Set the name that ps(1) shows, at most 15 bytes."""
    libc.call("prctl", PR_SET_NAME, name.encode(), 0, 0, 0)


def set_file_ids(uid: int, gid: int) -> None:
    """Set who this thread is for file systems (setfsuid(2)); the calls tell nothing, so ask whether it came about."""
    for name, value in (("setfsgid", gid), ("setfsuid", uid)):
        libc.call(name, value)
        if libc.call(name, value) != value:
            raise PermissionError(errno.EPERM, f"{name}: cannot act as {value}")


@contextmanager
def collecting_orphans() -> Iterator[None]:
    """Be the parent of descendants whose own parent ends, while the block runs (prctl(2), PR_SET_CHILD_SUBREAPER)."""
    before = ctypes.c_int()
    libc.call("prctl", PR_GET_CHILD_SUBREAPER, ctypes.byref(before), 0, 0, 0)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        prctl(PR_SET_CHILD_SUBREAPER, before.value)


def handing_over(*descriptors: int) -> list[tuple[int, int, int]]:
    """Return the file actions with which `os.posix_spawn` leaves descriptors open that are close-on-exec here.

    So they stay for every other thread, which may start a program of its own meanwhile. A duplication onto itself
    clears the flag (posix_spawn_file_actions_adddup2(3); glibc from 2.29 on, musl).
    """
    return [(os.POSIX_SPAWN_DUP2, each, each) for each in descriptors]


def close_from(first: int) -> None:
    """Close every descriptor from `first` on (close_range(2), Linux 5.9)."""
    libc.syscall(SYS_CLOSE_RANGE, "close_range", first, _LAST_DESCRIPTOR, 0)


def close_on_exec_from(first: int) -> None:
    """Mark every descriptor from `first` on close-on-exec."""
    try:
        libc.syscall(SYS_CLOSE_RANGE, "close_range", first, _LAST_DESCRIPTOR, _CLOSE_RANGE_CLOEXEC)
    except OSError:  # the flag is of Linux 5.11
        for name in os.listdir("/proc/self/fd"):
            if int(name) >= first:
                try:
                    os.set_inheritable(int(name), False)
                except OSError:  # the descriptor of the listing itself
                    continue


def vectors(argv: list[bytes], env: list[bytes]) -> tuple[ctypes.Array[ctypes.c_char_p], ctypes.Array[ctypes.c_char_p]]:
    """Return argument and environment vectors as execve(2) takes them."""
    return (ctypes.c_char_p * (len(argv) + 1))(*argv, None), (ctypes.c_char_p * (len(env) + 1))(*env, None)


def execute_descriptor(descriptor: int, argv: list[bytes], env: list[bytes]) -> None:
    """Replace this process by the program open on `descriptor` (execveat(2)); return never, or raise."""
    arguments, environment = vectors(argv, env)
    libc.syscall(SYS_EXECVEAT, "execveat", descriptor, b"", arguments, environment, _AT_EMPTY_PATH)


def start_ticks(pid: int) -> int:
    """Return when a process began, in clock ticks since boot (proc(5), stat, field 22); 0 when there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])
    except (FileNotFoundError, ProcessLookupError):
        return 0
