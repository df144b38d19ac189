"""The loopback device of a network namespace, switched on without netlink (netdevice(7))."""

from __future__ import annotations

import _socket
import fcntl
import struct

_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1


def switch_on() -> None:
    """Bring the device `lo` of the calling thread's network namespace up; the kernel gives it its addresses."""
    end = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC, 0)
    try:
        fcntl.ioctl(end.fileno(), _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", _IFF_UP))
    finally:
        end.close()
