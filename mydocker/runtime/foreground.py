"""A container in the foreground, without a terminal of its own: the command's streams are the container's."""

from __future__ import annotations

import os
import signal

from mydocker.runtime import relay
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from mydocker.runtime.carrier import Carrier

# What reaches the command is meant for the container (docker's --sig-proxy); what stops or kills it cannot be passed
# on.
_PASSED_ON = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGALRM,
)
_INSISTING = 3


class Foreground:
    """The front of `run` without -t and -d: reads `stdin` (None: the container has none), writes `stdout`, `stderr`."""

    def __init__(self, stdin: int | None, stdout: int, stderr: int, pass_signals: bool = True) -> None:
        self._stdin = stdin
        self._targets = {1: stdout, 2: stderr}
        self._pass_signals = pass_signals
        self._before: list[tuple[int, object]] = []
        self._wakeup = (-1, -1)
        self._interrupts = 0

    def connect(self, carrier: Carrier) -> None:
        """Begin: watch the standard input and signals."""
        if self._stdin is not None:
            carrier.relay.add(self._stdin, lambda: self._typed(carrier))
        if self._pass_signals:
            self._watch_signals(carrier)

    def _typed(self, carrier: Carrier) -> bool:
        assert self._stdin is not None
        try:
            data = relay.read(self._stdin)
        except BlockingIOError:
            return True
        if data and carrier.type_in(data):
            return True
        carrier.close_input()
        return False

    def _watch_signals(self, carrier: Carrier) -> None:
        """Turn signals into bytes on a pipe: the relay is woken, and nothing happens inside a handler."""
        self._wakeup = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._before.append((-1, signal.set_wakeup_fd(self._wakeup[1], warn_on_full_buffer=False)))
        for number in _PASSED_ON:
            self._before.append((number, signal.signal(number, lambda *_: None)))
        carrier.relay.add(self._wakeup[0], lambda: self._signalled(carrier))

    def _signalled(self, carrier: Carrier) -> bool:
        for number in relay.read(self._wakeup[0]):
            if number in (signal.SIGINT, signal.SIGTERM):
                self._interrupts += 1
            if number == signal.SIGHUP or self._interrupts >= _INSISTING:
                # The terminal is gone, or somebody insists: process 1 ignores what it has no handler for.
                carrier.signal(signal.SIGKILL)
            elif number in _PASSED_ON:
                carrier.signal(number)
        return True

    def output(self, stream: int, data: bytes) -> bool:
        """Take output."""
        return relay.write_all(self._targets[stream], data)

    def disconnect(self, status: int) -> None:
        """End: the signals' old meaning comes back."""
        for number, handler in reversed(self._before):
            if number < 0:
                assert isinstance(handler, int)
                signal.set_wakeup_fd(handler)
            else:
                signal.signal(number, handler)  # type: ignore[arg-type]
        for end in self._wakeup:
            if end >= 0:
                os.close(end)
        self._before.clear()
        self._wakeup = (-1, -1)


class OwnTerminal:
    """The front of a process with a terminal, shown on the user's own: keys in, screen out, the size kept the same."""

    def __init__(self, stdin: int | None, stdout: int) -> None:
        self._stdin = stdin
        self._stdout = stdout
        self._wakeup = (-1, -1)
        self._old = -1
        self._before: object = None
        self._raw: AbstractContextManager[None] | None = None

    def connect(self, carrier: Carrier) -> None:
        """Begin: raw mode, keys, window sizes."""
        if self._stdin is None:
            return
        from mydocker.runtime import terminal

        stdin = self._stdin
        self._wakeup = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._old = signal.set_wakeup_fd(self._wakeup[1], warn_on_full_buffer=False)
        self._before = signal.signal(signal.SIGWINCH, lambda *_: None)
        carrier.relay.add(self._wakeup[0], lambda: self._resized(carrier, stdin))
        carrier.relay.add(stdin, lambda: carrier.type_in(relay.read(stdin)) or False)
        self._raw = terminal.raw(stdin)
        self._raw.__enter__()

    def _resized(self, carrier: Carrier, stdin: int) -> bool:
        from mydocker.runtime import terminal

        relay.read(self._wakeup[0])
        rows, columns = terminal.size(stdin)
        if rows and columns:
            terminal.set_size(carrier.master, rows, columns)
        return True

    def output(self, stream: int, data: bytes) -> bool:
        """Take output."""
        return relay.write_all(self._stdout, data)

    def disconnect(self, status: int) -> None:
        """End: the terminal as it was."""
        if self._raw is not None:
            self._raw.__exit__(None, None, None)
            signal.signal(signal.SIGWINCH, self._before)  # type: ignore[arg-type]
            signal.set_wakeup_fd(self._old)
            os.close(self._wakeup[0])
            os.close(self._wakeup[1])
