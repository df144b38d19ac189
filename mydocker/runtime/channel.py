"""What parent and child say to each other while a container is set up: messages over a pair of sockets.

The child's end becomes descriptor 3 and closes when the container's program is executed, so the end of the stream is
the good news. Everything before that is one of the messages below. `_socket` is the C half of `socket`, which costs
more to import than the rest of a start; both ends run before exec, one of them inside the container's namespaces.
"""

from __future__ import annotations

import _socket
import marshal
import os
import struct

READY = b"R"  # child: namespaces and mounts are there, hooks may run; parent: go on
CONSOLE = b"C"  # child: here is the master of the terminal
CHILD = b"P"  # child: the process with this number goes on in my place; parent: go on
FAILED = b"E"  # child: an operation failed; marshalled (operation, errno, message, path)
_LARGEST = 1 << 16


class Failure(Exception):
    """What the child reports: the operation that failed, the errno (0: none), the message, the path (may be empty)."""

    def __init__(self, operation: str, code: int, message: str, path: str) -> None:
        super().__init__(operation, code, message, path)
        self.operation = operation
        self.code = code
        self.message = message
        self.path = path


def pair() -> tuple[_socket.socket, _socket.socket]:
    """Return the two ends, parent's first."""
    return _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC, 0)


def send(end: _socket.socket, message: bytes, descriptor: int | None = None) -> None:
    """Send one message, with a descriptor if there is one."""
    rights = [] if descriptor is None else [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack("i", descriptor))]
    end.sendmsg([message], rights)


def receive(end: _socket.socket) -> tuple[bytes, list[int]]:
    """Return the next message and the descriptors that came with it; b"" at the end of the stream."""
    try:
        message, ancillary, _, _ = end.recvmsg(_LARGEST, _socket.CMSG_SPACE(64), _socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:  # the child died with something of ours unread
        return b"", []
    received: list[int] = []
    for level, kind, data in ancillary:
        if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
            received += (number for (number,) in struct.iter_unpack("i", data[: len(data) - len(data) % 4]))
    return message, received


def encode_failure(operation: str, error: BaseException) -> bytes:
    """Return the message that tells of `error` in `operation`."""
    if isinstance(error, OSError):
        path = error.filename if error.filename is not None else ""
        return FAILED + marshal.dumps((operation, error.errno or 0, str(error.strerror or error), _text(path)))
    return FAILED + marshal.dumps((operation, 0, f"{error}" or type(error).__name__, ""))


def decode_failure(message: bytes) -> Failure:
    """Return what a failure message says; the four bytes that the trampoline writes are a failed execve."""
    if message[:1] == FAILED and len(message) > 4:
        operation, code, text, path = marshal.loads(message[1:])
        return Failure(str(operation), int(code), str(text), str(path))
    code = int.from_bytes(message[:4], "little")
    return Failure("exec", code, os.strerror(code), "")


def _text(path: object) -> str:
    return path.decode("utf-8", "replace") if isinstance(path, bytes) else str(path)
