"""Namespaces: the kinds there are, making new ones, joining others'. Runs between clone and exec."""

from __future__ import annotations

import os

from mydocker.linux import libc

CLONE_NEWTIME = 0x00000080
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

# The runtime-spec's names (config-linux.md, Namespaces) -> the flag and the name below /proc/PID/ns.
KINDS = {
    "user": (CLONE_NEWUSER, "user"),
    "cgroup": (CLONE_NEWCGROUP, "cgroup"),
    "ipc": (CLONE_NEWIPC, "ipc"),
    "uts": (CLONE_NEWUTS, "uts"),
    "network": (CLONE_NEWNET, "net"),
    "pid": (CLONE_NEWPID, "pid"),
    "mount": (CLONE_NEWNS, "mnt"),
    "time": (CLONE_NEWTIME, "time"),
}


def unshare(flags: int) -> None:
    """Leave namespaces for new ones."""
    libc.call("unshare", flags)


def setns(descriptor: int, flags: int, path: str = "") -> None:
    """Join the namespace of `descriptor`, or with a pidfd those that `flags` name."""
    libc.call("setns", descriptor, flags, path=path)


def join(path: str, flag: int) -> None:
    """Join the namespace that the file `path` stands for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(descriptor, flag, path)
    finally:
        os.close(descriptor)
