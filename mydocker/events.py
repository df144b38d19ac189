"""Progress as events, and the reporter that hears them. Every room may use it.

Work never prints. It tells a reporter what happens, and the reporter (`mydocker.cli.output`) decides how that looks:
a rewritten line on a terminal, plain lines in a pipe, JSON on request.
"""

from __future__ import annotations

from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Protocol

    class Reporter(Protocol):
        """Hears events, possibly from several threads at once; never raises, never blocks for long."""

        def __call__(self, event: Event) -> None:
            """Take one event."""


class BuildPlanned(NamedTuple):
    """A build is planned: it has so many `steps`; `skipped` are those of stages that no target needs."""

    steps: int
    skipped: int


class StepStarted(NamedTuple):
    """A build step begins to run. `step` is its id in the graph, `text` the instruction as the file has it."""

    step: str
    text: str
    stage: str
    line: int


class StepOutput(NamedTuple):
    """Bytes that a running step wrote; `stream` is 1 (stdout) or 2 (stderr)."""

    step: str
    data: bytes
    stream: int


class StepFinished(NamedTuple):
    """A build step ended: "run", "hit" or "failed" is its `outcome`, `seconds` what it took, `why` a sentence."""

    step: str
    text: str
    stage: str
    line: int
    outcome: str
    seconds: float
    why: str
    diff_id: str


class Progress(NamedTuple):
    """`done` of `total` bytes (0: unknown) of something long; the same `task` text again replaces the last report."""

    task: str
    done: int
    total: int


class Notice(NamedTuple):
    """Something a person should know that is no error; `level` is "info" or "warning"."""

    text: str
    level: str = "info"


Event = BuildPlanned | StepStarted | StepOutput | StepFinished | Progress | Notice


def silent(event: Event) -> None:
    """Hear an event and say nothing: the default of the API."""
