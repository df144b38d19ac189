"""The container's terminal: a fresh pair from the container's own devpts (runtime-spec config.md, process.terminal).

The slave is taken from the master by TIOCGPTPEER, never opened by its name, and put on /dev/console by descriptor:
what stands at /dev/pts/N or /dev/console in the image plays no part (CVE-2025-52565). Runs between clone and exec.
"""

from __future__ import annotations

import ctypes
import os
import struct

from mydocker.linux import libc, mounts
from mydocker.linux.lookup import open_no_links

_TIOCSPTLCK = 0x40045431
_TIOCGPTPEER = 0x5441
_TIOCSWINSZ = 0x5414
_TIOCSCTTY = 0x540E
_DEVPTS_MAGIC = 0x1CD1
_PTMX = os.makedev(5, 2)


def magic(descriptor: int) -> int:
    """Return the type of the file system that `descriptor` lies on (statfs(2), f_type)."""
    buffer = ctypes.create_string_buffer(256)
    libc.call("fstatfs", descriptor, buffer)
    return int(struct.unpack_from("=L" if ctypes.sizeof(ctypes.c_long) == 4 else "=Q", buffer.raw)[0])


def open_pair(root: int, rows: int, columns: int) -> tuple[int, int]:
    """Return master and slave of a new terminal of the devpts mounted at /dev/pts below `root`."""
    master = open_no_links(root, "/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    if magic(master) != _DEVPTS_MAGIC or os.fstat(master).st_rdev != _PTMX:
        os.close(master)
        raise OSError(1, "not the multiplexer of a devpts", "/dev/pts/ptmx")
    os.set_blocking(master, True)
    unlocked = ctypes.c_int(0)
    libc.call("ioctl", master, ctypes.c_ulong(_TIOCSPTLCK), ctypes.byref(unlocked))
    slave = libc.call("ioctl", master, ctypes.c_ulong(_TIOCGPTPEER), os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    if rows and columns:
        libc.call("ioctl", master, ctypes.c_ulong(_TIOCSWINSZ), struct.pack("HHHH", rows, columns, 0, 0))
    return master, slave


def put_on_console(root: int, slave: int) -> None:
    """Mount the slave on /dev/console, a file made for it."""
    device = open_no_links(root, "/dev", os.O_PATH | os.O_DIRECTORY)
    try:
        os.close(os.open("console", os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=device))
        target = open_no_links(device, "console")
        tree = mounts.clone(slave, path="/dev/console")
        try:
            mounts.attach(tree, target, "/dev/console")
        finally:
            os.close(tree)
            os.close(target)
    finally:
        os.close(device)


def take(slave: int) -> None:
    """Make `slave` the controlling terminal of this session, and its standard streams."""
    libc.call("ioctl", slave, ctypes.c_ulong(_TIOCSCTTY), 0)
    for stream in (0, 1, 2):
        os.dup2(slave, stream)
