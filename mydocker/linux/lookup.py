"""Two ways to look a path up inside a directory, and the kernel's name for an open descriptor."""

from __future__ import annotations

import ctypes
import os
import sys

from mydocker.linux import libc
from mydocker.linux.files import RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_NO_SYMLINKS, openat2


def open_in_root(root: int, path: str, flags: int = os.O_PATH) -> int:
    """Open `path` as a process whose root directory is `root` would; magic links of procfs are refused."""
    return openat2(root, path, flags, resolve=RESOLVE_IN_ROOT)


def open_no_links(root: int, path: str, flags: int = os.O_PATH) -> int:
    """Open `path` beneath `root`; any symbolic link in it, the last component included, is refused with ELOOP."""
    return openat2(root, path.strip("/") or ".", flags, resolve=RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)


def magic_link(descriptor: int) -> str:
    """Return the path under which the kernel knows an open descriptor of this process, whatever its name is."""
    return f"/proc/self/fd/{descriptor}"


def file_system_type(descriptor: int) -> int:
    """Return the magic number of the file system that `descriptor` lies on (statfs(2), f_type)."""
    buffer = ctypes.create_string_buffer(256)
    libc.call("fstatfs", descriptor, buffer)
    size = ctypes.sizeof(ctypes.c_long)
    return int.from_bytes(buffer.raw[:size], sys.byteorder)
