"""Socket calls on bare descriptors, for a process that has tens of thousands of them and no object for each.

Python's own `accept` formats an address and leaves the connection blocking; here one system call does what is wanted.
"""

from __future__ import annotations

import _socket
import ctypes
import errno
import fcntl
import os
import struct
import termios

from mydocker.linux import libc

_SOCK_FLAGS = 0o4000 | 0o2000000  # SOCK_NONBLOCK | SOCK_CLOEXEC
_SHUT_WR = 1
_TCP_CLOSE = 7  # include/net/tcp_states.h
_SOL_SOCKET, _SO_LINGER = 1, 13
_ABORT = (ctypes.c_int * 2)(1, 0)

_accept4 = ctypes.CDLL(None, use_errno=True).accept4
_accept4.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)
# What accept(2) says of the connection at the head of the queue, not of the listener: try the next one.
_OF_THE_CONNECTION = frozenset((
    errno.ECONNABORTED, errno.ENETDOWN, errno.EPROTO, errno.ENOPROTOOPT, errno.EHOSTDOWN, errno.ENONET,
    errno.EHOSTUNREACH, errno.EOPNOTSUPP, errno.ENETUNREACH, errno.EPERM, errno.EINTR,
))  # fmt: skip


def accept(listener: int) -> int:
    """Take one connection, not blocking and closed on exec; return -1 when there is none. Raise OSError (EMFILE ...).

    Connections that broke while they waited are passed over, as accept(2) asks for.
    """
    while True:
        descriptor = int(_accept4(listener, None, None, _SOCK_FLAGS))
        if descriptor >= 0:
            return descriptor
        code = ctypes.get_errno()
        if code == errno.EAGAIN:
            return -1
        if code not in _OF_THE_CONNECTION:
            raise OSError(code, f"accept4: {os.strerror(code)}")


def shut_down_writing(descriptor: int) -> None:
    """Tell the other end that nothing more comes (shutdown(2), SHUT_WR)."""
    libc.call("shutdown", descriptor, _SHUT_WR)


def unsent(descriptor: int) -> int:
    """Return how many bytes the other end has not acknowledged yet (tcp(7), SIOCOUTQ); 0 when it has reset us."""
    made = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM | _socket.SOCK_NONBLOCK, 0, descriptor)
    state = made.getsockopt(_socket.IPPROTO_TCP, _socket.TCP_INFO, 1)[0]
    made.detach()
    if state == _TCP_CLOSE:  # the count is of no meaning then
        return 0
    (count,) = struct.unpack("i", fcntl.ioctl(descriptor, termios.TIOCOUTQ, b"\0\0\0\0"))
    return int(count)


def abort_on_close(descriptor: int) -> None:
    """Let close(2) reset the connection instead of ending it in order (SO_LINGER of 0 seconds, socket(7))."""
    libc.call("setsockopt", descriptor, _SOL_SOCKET, _SO_LINGER, _ABORT, ctypes.sizeof(_ABORT))
