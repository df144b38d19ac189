"""A process and its streams: started by us, its bytes carried between its ends and a front, its exit status fetched."""

from __future__ import annotations

import os
import signal

from mydocker.runtime import launch, relay
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Front(Protocol):
        """Where the bytes come from and go to."""

        def connect(self, carrier: Carrier) -> None:
            """Begin: descriptors may be added to the carrier's relay."""

        def output(self, stream: int, data: bytes) -> bool:
            """Take output; False when nobody will ever read this stream again."""

        def disconnect(self, status: int) -> None:
            """End: the process has ended and everything has been read."""

    class Timer(Protocol):
        """Something that is done from time to time."""

        def due(self) -> float:
            """Return in how many seconds `tick` wants to be called."""

        def tick(self) -> None:
            """Do what is due, if anything is."""

        def cancel(self) -> None:
            """Stop: the process has ended."""


class Streams(NamedTuple):
    """The process's ends of its standard streams, and ours: input to write (-1: none), outputs to read."""

    theirs: tuple[int, int, int]
    stdin: int
    outputs: tuple[tuple[int, int], ...]

    def close_theirs(self) -> None:
        """Close what the process has by now."""
        for descriptor in self.theirs:
            os.close(descriptor)

    def close(self) -> None:
        """Close everything: the process was never started."""
        self.close_theirs()
        for descriptor in (self.stdin, *(end for end, _ in self.outputs)):
            if descriptor >= 0:
                os.close(descriptor)


def make_streams(tty: bool, interactive: bool) -> Streams:
    """Return pipes; with `tty` nothing, because the terminal takes their place."""
    if tty:
        return Streams((_null(), _null(), _null()), -1, ())
    stdin_read, stdin_write = os.pipe2(os.O_CLOEXEC) if interactive else (_null(), -1)
    out_read, out_write = os.pipe2(os.O_CLOEXEC)
    err_read, err_write = os.pipe2(os.O_CLOEXEC)
    return Streams((stdin_read, out_write, err_write), stdin_write, ((out_read, 1), (err_read, 2)))


def _null() -> int:
    return os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)


class Carrier:
    """One started process; `record` gets every piece of output before the front does."""

    def __init__(
        self,
        started: launch.Started,
        streams: Streams,
        front: Front,
        record: Callable[[int, bytes], None] | None = None,
    ) -> None:
        self._pidfd = os.pidfd_open(started.pid)  # what can fail is first: until then the streams are the caller's
        streams.close_theirs()
        self.pid = started.pid
        self.relay = relay.Relay()
        self.master = started.master
        self.stdin = streams.stdin
        self.timers: list[Timer] = []
        self._front = front
        self._record = record
        self._outputs: list[int] = []
        outputs = streams.outputs
        if self.master >= 0:
            self.stdin = self.master
            outputs = ((self.master, 1),)
        for end, stream in outputs:
            self._outputs.append(end)
            self.relay.add(end, self._reader(end, stream))

    def _reader(self, end: int, stream: int) -> Callable[[], bool]:
        def pass_on() -> bool:
            data = relay.read(end)
            if data:
                if self._record is not None:
                    self._record(stream, data)
                if self._front.output(stream, data):
                    return True
            # The end, or nobody reads any more: then the process's next write fails as in any pipe.
            self.relay.remove(end)
            self._outputs.remove(end)
            if end != self.master:
                os.close(end)
            return False

        return pass_on

    def run(self) -> int:
        """Carry bytes until the process has ended; return its wait status. The front is still connected."""
        ended = False

        def end() -> bool:
            nonlocal ended
            ended = True
            return False

        self.relay.add(self._pidfd, end)
        self._front.connect(self)
        while not ended:
            self.relay.turn(min((timer.due() for timer in self.timers), default=None))
            for timer in self.timers:
                timer.tick()
        for timer in self.timers:
            timer.cancel()
        _, status = os.waitpid(self.pid, 0)
        self.relay.drain(list(self._outputs))
        self._close()
        return status

    def abandon(self) -> None:
        """Kill the process and forget its streams; nothing has been carried."""
        launch.abandon(self.pid)
        self._close()

    def _close(self) -> None:
        for descriptor in {*self._outputs, self.stdin, self.master, self._pidfd} - {-1}:
            os.close(descriptor)
        self._outputs.clear()
        self.stdin = self.master = self._pidfd = -1

    def finish(self) -> int:
        """Carry bytes to the end, disconnect the front, return the exit status as docker counts."""
        status = launch.exit_status(self.run())
        self._front.disconnect(status)
        return status

    def signal(self, number: int) -> None:
        """Send a signal to the process, if it still is there."""
        if self._pidfd < 0:
            return
        try:
            signal.pidfd_send_signal(self._pidfd, number)
        except ProcessLookupError:
            return

    def type_in(self, data: bytes) -> bool:
        """Write to the process's standard input; False when it has been closed."""
        return self.stdin >= 0 and relay.write_all(self.stdin, data)

    def close_input(self) -> None:
        """End the standard input: a pipe is closed; a terminal stays, as with docker."""
        if self.stdin >= 0 and self.stdin != self.master:
            os.close(self.stdin)
            self.stdin = -1
