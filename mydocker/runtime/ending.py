"""Ending containers: signals to the very process on record, and waiting until its keeper has put all in order."""

from __future__ import annotations

import os
import select
import signal
import time

from mydocker.errors import Busy, UsageError
from mydocker.linux.process import start_ticks
from mydocker.runtime.record import CREATED, PAUSED
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.runtime.bundle import Bundle
    from mydocker.runtime.record import State

_PAUSE = 0.005
_LONGEST_PAUSE = 0.1
_PATIENCE = 30.0  # how long a keeper may take to clean up after its container


def open_process(state: State) -> int | None:
    """Return a pidfd of the recorded process, None when it has ended.

    The number may have been given to another process since; the time of its start, compared *after* the descriptor is
    open, tells them apart (podman #25104).
    """
    if not state.pid:
        return None
    try:
        descriptor = os.pidfd_open(state.pid)
    except ProcessLookupError:
        return None
    if start_ticks(state.pid) != state.ticks:
        os.close(descriptor)
        return None
    return descriptor


def parse_signal(text: str | int) -> int:
    """Return the number of a signal given as number or name, with or without SIG. Raise UsageError."""
    word = str(text).upper()
    if word.isascii() and word.isdigit():
        number = int(word)
    else:
        try:
            number = int(signal.Signals[word if word.startswith("SIG") else f"SIG{word}"])
        except KeyError:
            number = 0
    if not 0 < number <= signal.SIGRTMAX:
        raise UsageError(f"unknown signal {text}", hint="a number, or a name like TERM or SIGTERM")
    return number


def send(bundle: Bundle, number: int) -> None:
    """Send a signal to a container's first process. Raise Busy when it is not running."""
    process = open_process(bundle.read_state())
    if process is None:
        raise Busy(f"container {bundle.id[:12]} is not running")
    try:
        signal.pidfd_send_signal(process, number)
    except ProcessLookupError:
        return
    finally:
        os.close(process)


def stop(bundle: Bundle, number: int, timeout: float) -> None:
    """Ask the first process to end; kill it after `timeout` seconds (negative: never); return when all is in order."""
    with bundle.changing():
        state = bundle.read_state()
        bundle.write_state(state._replace(manual=True))
    process = open_process(state)
    if process is not None:
        try:
            if state.status == PAUSED:
                from mydocker.runtime import pausing

                pausing.resume(bundle)
            _signal(process, number)
            poll = select.poll()
            poll.register(process, select.POLLIN)
            if not poll.poll(None if timeout < 0 else timeout * 1000):
                _signal(process, signal.SIGKILL)
                poll.poll()
        finally:
            os.close(process)
    await_keeper(bundle)


def kill_and_wait(bundle: Bundle) -> None:
    """Kill a container and return when its keeper has put all in order."""
    with bundle.changing():
        state = bundle.read_state()
        bundle.write_state(state._replace(manual=True))
    deadline = time.monotonic() + _PATIENCE
    while bundle.is_kept() and time.monotonic() < deadline:
        process = open_process(bundle.read_state())  # again and again: it may be starting, or restarting
        if process is not None:
            try:
                _signal(process, signal.SIGKILL)
            finally:
                os.close(process)
        time.sleep(_PAUSE)


def await_keeper(bundle: Bundle, timeout: float = _PATIENCE) -> bool:
    """Wait until nobody keeps the container any more; tell whether that came about."""
    deadline = time.monotonic() + timeout
    pause = _PAUSE / 5
    while bundle.is_kept():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
    return True


def wait(bundle: Bundle) -> int:
    """Wait until a container is not running; return its exit status. One never started counts as ended, with 0."""
    while True:
        try:
            state = bundle.read_state()
        except FileNotFoundError:
            return 0
        process = open_process(state)
        if process is not None:
            poll = select.poll()
            poll.register(process, select.POLLIN)
            poll.poll()
            os.close(process)
        elif not bundle.is_kept() or state.status == CREATED:
            try:
                return bundle.read_state().exit_status
            except FileNotFoundError:
                return state.exit_status
        time.sleep(_PAUSE)


def _signal(process: int, number: int) -> None:
    try:
        signal.pidfd_send_signal(process, number)
    except ProcessLookupError:
        return
