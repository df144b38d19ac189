"""Capabilities: their names, the five sets of a thread (capabilities(7)). Runs between clone and exec."""

from __future__ import annotations

import ctypes
import errno

from mydocker.linux import libc

# In the kernel's order (linux/capability.h): the position is the number.
NAMES = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
]

_PR_CAPBSET_READ = 23
_PR_CAPBSET_DROP = 24
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_VERSION_3 = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def mask(names: list[str] | tuple[str, ...]) -> int:
    """Return the bit mask of capability names; raise KeyError for an unknown one."""
    bits = 0
    for name in names:
        try:
            bits |= 1 << NAMES.index(name)
        except ValueError:
            raise KeyError(name) from None
    return bits


def names_of(bits: int) -> list[str]:
    """Return the names in a bit mask, in the kernel's order."""
    return [name for number, name in enumerate(NAMES) if bits >> number & 1]


def held() -> int:
    """Return the bounding set of this thread as a bit mask: what a child could at most be given."""
    bits = 0
    for number in range(len(NAMES)):
        try:
            present = libc.call("prctl", _PR_CAPBSET_READ, ctypes.c_ulong(number), 0, 0, 0)
        except OSError:  # a kernel that knows fewer
            break
        bits |= present << number
    return bits


def drop_bounding(keep: int) -> None:
    """Remove everything but `keep` from the bounding set."""
    for number in range(64):
        if keep >> number & 1:
            continue
        try:
            libc.call("prctl", _PR_CAPBSET_DROP, ctypes.c_ulong(number), 0, 0, 0)
        except OSError as err:
            if err.errno == errno.EINVAL:  # past the last one that the kernel knows
                return
            raise


def set_sets(effective: int, permitted: int, inheritable: int) -> None:
    """Set the sets of this thread, see capset(2)."""
    header = _Header(_VERSION_3, 0)
    low = 0xFFFFFFFF
    data = (_Data * 2)(
        _Data(effective & low, permitted & low, inheritable & low),
        _Data(effective >> 32, permitted >> 32, inheritable >> 32),
    )
    libc.call("capset", ctypes.byref(header), ctypes.byref(data))


def set_ambient(bits: int) -> None:
    """Make the ambient set exactly `bits` (each has to be permitted and inheritable)."""
    libc.call("prctl", _PR_CAP_AMBIENT, ctypes.c_ulong(_PR_CAP_AMBIENT_CLEAR_ALL), 0, 0, 0)
    for number in range(len(NAMES)):
        if bits >> number & 1:
            libc.call("prctl", _PR_CAP_AMBIENT, ctypes.c_ulong(_PR_CAP_AMBIENT_RAISE), ctypes.c_ulong(number), 0, 0)
