"""Health checks: a command run in the container from time to time, its results counted (docker's HEALTHCHECK)."""

from __future__ import annotations

import os
import select
import signal
import time

from mydocker.errors import MydockerError
from mydocker.runtime import joining, launch
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.runtime.bundle import Bundle
    from mydocker.runtime.record import Health

STARTING, HEALTHY, UNHEALTHY = "starting", "healthy", "unhealthy"
_POLL = 0.1


class Check:
    """The checks of one run. The state's `health` says what they amount to."""

    def __init__(self, bundle: Bundle, settings: Health) -> None:
        self._bundle = bundle
        self._settings = settings
        self._began = time.monotonic()
        self._next = self._began + self._interval(STARTING)
        self._failures = 0
        self._pid = 0
        self._pidfd = -1
        self._deadline = 0.0
        self._status = STARTING
        self._record()

    def _interval(self, status: str) -> float:
        starting = status == STARTING and time.monotonic() - self._began < self._settings.start_period
        return self._settings.start_interval if starting else self._settings.interval

    def due(self) -> float:
        """Return in how many seconds there is something to do."""
        return _POLL if self._pid else max(0.0, self._next - time.monotonic())

    def tick(self) -> None:
        """Start a check, or see how the one under way is doing."""
        now = time.monotonic()
        if self._pid:
            poll = select.poll()
            poll.register(self._pidfd, select.POLLIN)
            if poll.poll(0):
                self._conclude(launch.exit_status(self._reap()) == 0)
            elif now >= self._deadline:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
                self._reap()
                self._conclude(False)
        elif now >= self._next:
            self._start(now)

    def _start(self, now: float) -> None:
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        try:
            options = joining.ExecOptions(self._settings.command)
            started = joining.start(self._bundle, options, (null, null, null))
        except MydockerError:  # the command cannot be run, or the container is paused or ending: that is not healthy
            self._conclude(False)
            return
        finally:
            os.close(null)
        self._pid, self._pidfd = started.pid, os.pidfd_open(started.pid)
        self._deadline = now + self._settings.timeout

    def _reap(self) -> int:
        status = os.waitpid(self._pid, 0)[1]
        os.close(self._pidfd)
        self._pid, self._pidfd = 0, -1
        return status

    def _conclude(self, good: bool) -> None:
        in_start_period = time.monotonic() - self._began < self._settings.start_period
        if good:
            self._failures, self._status = 0, HEALTHY
        elif not (in_start_period and self._status == STARTING):
            self._failures += 1
            if self._failures >= self._settings.retries:
                self._status = UNHEALTHY
        self._next = time.monotonic() + self._interval(self._status)
        self._record()

    def _record(self) -> None:
        with self._bundle.changing():
            state = self._bundle.read_state()
            if state.health != self._status:
                self._bundle.write_state(state._replace(health=self._status))

    def cancel(self) -> None:
        """Stop: the check's process ended with the container."""
        if self._pid:
            self._reap()
