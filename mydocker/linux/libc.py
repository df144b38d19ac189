"""The one door to the C library. ctypes lives here alone.

Every wrapper in this package is a few lines on top of `call` or `syscall`: they raise `OSError(errno, "<call>:
<strerror>", path)` on failure and return the result otherwise. This module also runs between clone and exec, inside a
container's namespaces: it imports os and ctypes only.
"""

from __future__ import annotations

import ctypes
import os

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def _raise(name: str, path: str | bytes | int | None) -> None:
    code = ctypes.get_errno()
    raise OSError(code, f"{name}: {os.strerror(code)}", path)


def call(name: str, *args: object, path: str | bytes | int | None = None) -> int:
    """Call the C library's function `name`; raise `OSError` where it returns -1."""
    result = getattr(_libc, name)(*args)
    if result == -1:
        _raise(name, path)
    return int(result)


def syscall(number: int, name: str, *args: object, path: str | bytes | int | None = None) -> int:
    """Make system call `number`, called `name` in messages; integers are passed as C longs."""
    longs = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args]
    result = _libc.syscall(ctypes.c_long(number), *longs)
    if result == -1:
        _raise(name, path)
    return int(result)


def encode(path: str | bytes) -> bytes:
    """Return `path` as the kernel takes it: file-system encoding, surrogates turned back into their bytes."""
    return os.fsencode(path)
