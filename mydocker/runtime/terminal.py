"""The user's own terminal while a container's is shown on it: raw mode, its size, the keys that detach."""

from __future__ import annotations

import fcntl
import os
import struct
import sys
import termios
from contextlib import contextmanager

from mydocker.errors import UsageError
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

DETACH_KEYS = "ctrl-p,ctrl-q"


def in_main_thread() -> bool:
    """Tell whether this is the thread that signals arrive in, which alone may ask for them."""
    threading = sys.modules.get("threading")  # nobody has made a thread without it
    return threading is None or threading.current_thread() is threading.main_thread()


def size(descriptor: int) -> tuple[int, int]:
    """Return rows and columns, (0, 0) where `descriptor` is no terminal."""
    try:
        rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(descriptor, termios.TIOCGWINSZ, bytes(8)))
    except OSError:
        return 0, 0
    return rows, columns


def set_size(descriptor: int, rows: int, columns: int) -> None:
    """Set rows and columns; the processes on the terminal get SIGWINCH."""
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


@contextmanager
def raw(descriptor: int) -> Iterator[None]:
    """Pass every key through while the block runs; the old settings come back whatever happens (cfmakeraw(3))."""
    if not os.isatty(descriptor):
        yield
        return
    before = termios.tcgetattr(descriptor)
    after = termios.tcgetattr(descriptor)
    after[0] &= ~(
        termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP
        | termios.INLCR | termios.IGNCR | termios.ICRNL | termios.IXON
    )  # fmt: skip
    after[1] &= ~termios.OPOST
    after[2] = after[2] & ~(termios.CSIZE | termios.PARENB) | termios.CS8
    after[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    after[6][termios.VMIN], after[6][termios.VTIME] = 1, 0
    termios.tcsetattr(descriptor, termios.TCSADRAIN, after)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def parse_keys(text: str) -> bytes:
    """Return the bytes of a key sequence like `ctrl-p,ctrl-q` or `ctrl-a,d`; "" is none. Raise UsageError."""
    sequence = b""
    for word in text.split(",") if text else []:
        if len(word) == 1:
            sequence += word.encode()
        elif word.startswith("ctrl-") and len(word) == 6 and word[5].lower() in "abcdefghijklmnopqrstuvwxyz@[\\]^_":
            sequence += bytes((ord(word[5].upper()) & 0x1F,))
        else:
            raise UsageError(
                f"unknown key {word!r} in --detach-keys", hint="letters, or ctrl- and a letter, with commas between"
            )
    return sequence


class Detacher:
    """Finds the detaching keys in what is typed; keys that begin the sequence are held back until it is clear."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._held = b""

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """Return what goes to the container, and whether the sequence is complete (the rest is dropped then)."""
        if not self._keys:
            return data, False
        passed = bytearray()
        for value in data:
            self._held += bytes((value,))
            while self._held and not self._keys.startswith(self._held):
                passed.append(self._held[0])
                self._held = self._held[1:]
            if self._held == self._keys:
                return bytes(passed), True
        return bytes(passed), False
