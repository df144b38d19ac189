"""The container's terminal: a fresh pair from the container's own devpts (runtime-spec config.md, process.terminal).

The slave is taken from the master by TIOCGPTPEER, never opened by its name, and put on /dev/console by descriptor:
what stands at /dev/pts/N or /dev/console in the image plays no part (CVE-2025-52565). Runs between clone and exec.
"""

from __future__ import annotations

import os

from mydocker.linux import mounts, terminals
from mydocker.linux.lookup import file_system_type, open_no_links

_DEVPTS_MAGIC = 0x1CD1
_PTMX = os.makedev(5, 2)


def open_pair(root: int, rows: int, columns: int) -> tuple[int, int]:
    """Return master and slave of a new terminal of the devpts mounted at /dev/pts below `root`."""
    master = open_no_links(root, "/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    if file_system_type(master) != _DEVPTS_MAGIC or os.fstat(master).st_rdev != _PTMX:
        os.close(master)
        raise OSError(1, "not the multiplexer of a devpts", "/dev/pts/ptmx")
    os.set_blocking(master, True)
    slave = terminals.open_peer(master)
    if rows and columns:
        terminals.resize(master, rows, columns)
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
    terminals.take_control(slave)
    for stream in (0, 1, 2):
        os.dup2(slave, stream)
