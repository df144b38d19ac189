"""Terminals by descriptor: what ioctl_tty(2) offers beyond the standard library. Runs between clone and exec."""

from __future__ import annotations

import ctypes
import os
import struct

from mydocker.linux import libc

# asm-generic/ioctls.h
_TIOCSPTLCK = 0x40045431
_TIOCGPTPEER = 0x5441
_TIOCSWINSZ = 0x5414
_TIOCSCTTY = 0x540E


def open_peer(master: int) -> int:
    """Unlock a terminal and return its slave, opened through the master: no name is looked up."""
    unlocked = ctypes.c_int(0)
    libc.call("ioctl", master, ctypes.c_ulong(_TIOCSPTLCK), ctypes.byref(unlocked))
    return libc.call("ioctl", master, ctypes.c_ulong(_TIOCGPTPEER), os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)


def resize(master: int, rows: int, columns: int) -> None:
    """Set the size of a terminal in characters."""
    libc.call("ioctl", master, ctypes.c_ulong(_TIOCSWINSZ), struct.pack("HHHH", rows, columns, 0, 0))


def take_control(slave: int) -> None:
    """Make a terminal the controlling one of this session."""
    libc.call("ioctl", slave, ctypes.c_ulong(_TIOCSCTTY), 0)
