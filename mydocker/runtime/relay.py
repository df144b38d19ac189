"""Bytes between a container's streams and the outside: exactly, both streams apart, nothing lost at the end."""

from __future__ import annotations

import errno
import os
import select

from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_BLOCK = 1 << 16


class Relay:
    """A poll loop over descriptors, each with a handler that is called when there is something to read.

    A handler that returns False is taken off the loop; its descriptor is the owner's to close.
    """

    def __init__(self) -> None:
        self._poll = select.poll()
        self._handlers: dict[int, Callable[[], bool]] = {}

    def add(self, descriptor: int, handler: Callable[[], bool], events: int = select.POLLIN) -> None:
        """Watch a descriptor for something to read, or for other `events` of poll(2)."""
        self._handlers[descriptor] = handler
        self._poll.register(descriptor, events)

    def remove(self, descriptor: int) -> None:
        """Stop watching a descriptor; one that is not watched is fine."""
        if self._handlers.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def turn(self, timeout: float | None = None) -> bool:
        """Serve what is ready, or wait up to `timeout` seconds for it; tell whether anything was."""
        ready = self._poll.poll(None if timeout is None else int(timeout * 1000))
        for descriptor, _ in ready:
            handler = self._handlers.get(descriptor)
            if handler is not None and not handler():
                self.remove(descriptor)
        return bool(ready)

    def drain(self, descriptors: list[int]) -> None:
        """Read what is left in streams whose writers are gone; wait for nothing."""
        for descriptor in descriptors:
            handler = self._handlers.get(descriptor)
            while handler is not None and _has_data(descriptor) and handler():
                continue
            self.remove(descriptor)


def _has_data(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def read(descriptor: int) -> bytes:
    """Return the next bytes, b"" at the end; the master of a terminal without a slave (EIO) is at its end."""
    try:
        return os.read(descriptor, _BLOCK)
    except OSError as err:
        if err.errno == errno.EIO:
            return b""
        raise


def write_all(descriptor: int, data: bytes) -> bool:
    """Write all of it, also to a descriptor that somebody made non-blocking; False when nobody reads any more."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            poll = select.poll()
            poll.register(descriptor, select.POLLOUT)
            poll.poll()
        except (BrokenPipeError, ConnectionResetError):
            return False
        except OSError as err:
            if err.errno == errno.EIO:  # a terminal that was closed
                return False
            raise
    return True
