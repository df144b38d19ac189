"""Background jobs: a line that ends in `&` runs as a process of its own, and is reported when it has ended."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
import threading
from typing import TYPE_CHECKING, NamedTuple

from mydocker.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import IO


class Job(NamedTuple):
    """One line in the background: its number, its words, its process and the file with what it wrote."""

    number: int
    words: tuple[str, ...]
    process: subprocess.Popen[bytes]
    output: IO[bytes]

    @property
    def line(self) -> str:
        """The line as it was typed, without the `&`."""
        return shlex.join(self.words)

    @property
    def status(self) -> str:
        """`running`, or `ended (STATUS)`."""
        return "running" if self.process.poll() is None else f"ended ({self.exit_status})"

    @property
    def exit_status(self) -> int:
        """The exit status of a job that has ended, as shells count: 128 and the signal's number for a killed one."""
        code = self.process.returncode
        return code if code >= 0 else 128 - code

    def written(self) -> str:
        """Return what the job wrote up to now, results and messages in their order."""
        with open(f"/proc/self/fd/{self.output.fileno()}", "rb") as file:
            return file.read().decode(errors="replace")


class Jobs:
    """The background jobs of one shell; `tell` hears, on another thread, of each that has ended."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._jobs: list[Job] = []

    def start(self, words: Sequence[str], root: str | None) -> Job:
        """Start a command line in a process of its own, without input."""
        chosen = ["--root", root] if root else []
        output = tempfile.TemporaryFile(prefix="mydocker-job-")
        process = subprocess.Popen(
            [sys.executable, "-m", "mydocker", *chosen, *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        job = Job(len(self._jobs) + 1, tuple(words), process, output)
        self._jobs.append(job)
        threading.Thread(target=self._watch, args=(job,), daemon=True).start()
        return job

    def _watch(self, job: Job) -> None:
        job.process.wait()
        self._tell(f"[{job.number}] {job.status}: {job.line}")

    def list(self) -> tuple[Job, ...]:
        """Return all jobs, the oldest first."""
        return tuple(self._jobs)

    def find(self, number: str) -> Job:
        """Return the job of that number (`2` or `%2`). Raise NotFound."""
        for job in self._jobs:
            if str(job.number) == number.removeprefix("%"):
                return job
        raise NotFound(f"there is no job {number}", hint="'jobs' lists them")

    def close(self) -> tuple[Job, ...]:
        """Ask the jobs that still run to end, wait for them, and return them."""
        running = tuple(job for job in self._jobs if job.process.poll() is None)
        for job in running:
            job.process.terminate()
        for job in running:
            job.process.wait()
        for job in self._jobs:
            job.output.close()
        self._jobs.clear()
        return running
