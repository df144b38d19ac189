"""Pipes for splice(2): lent to a stream while bytes are in flight, and taken back empty."""

from __future__ import annotations

import fcntl
import os

# Large enough for what a socket holds; only pages that are in it cost memory (pipe(7)).
CAPACITY = 1 << 20
_SPARE = 32


class Pipe:
    """A pipe and how many bytes are in it."""

    __slots__ = ("held", "reader", "writer")

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.held = 0
        try:
            fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, CAPACITY)
        except PermissionError:
            return  # beyond what one user may have (pipe-user-pages-soft): it keeps its size

    def close(self) -> None:
        """Close both ends."""
        os.close(self.reader)
        os.close(self.writer)


class Pipes:
    """Empty pipes to be lent; a few are kept for the next."""

    def __init__(self) -> None:
        self._spare: list[Pipe] = []
        self.lent = 0

    def take(self) -> Pipe | None:
        """Return an empty pipe, or None when the process can have no more descriptors."""
        try:
            pipe = self._spare.pop() if self._spare else Pipe()
        except OSError:
            return None
        self.lent += 1
        return pipe

    def give_back(self, pipe: Pipe) -> None:
        """Take a pipe back; one with bytes left in it, of a broken connection, is closed."""
        self.lent -= 1
        if pipe.held or len(self._spare) >= _SPARE:
            pipe.close()
        else:
            self._spare.append(pipe)
