"""Reporters: how the events of the rooms look on this terminal or in this pipe."""

from __future__ import annotations

import sys

from mydocker.cli.output import visible
from mydocker.events import Event, Notice, Progress, StepFinished, StepOutput, StepStarted
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

    from mydocker.events import Reporter

# Once a second is enough for a log file; a terminal's line is rewritten a little more often.
_SECONDS_BETWEEN_LINES = 1.0
_SECONDS_BETWEEN_REWRITES = 0.1


class Plain:
    """One line for each thing that happens; long transfers say how far they are once a second."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._said: dict[str, float] = {}
        self._began: dict[str, float] = {}

    def __call__(self, event: Event) -> None:
        """Write one event; a reader of the stream that has gone away is not an error of the work."""
        try:
            self._write(event)
        except (BrokenPipeError, ValueError):
            return

    def _write(self, event: Event) -> None:
        match event:
            case StepStarted():
                self._line(f"[{event.step}] {visible(event.text)}")
            case StepOutput():
                self._output(event)
            case StepFinished():
                self._line(finished_line(event))
            case Notice():
                self._line(f"warning: {event.text}" if event.level == "warning" else event.text)
            case Progress():
                self._progress(event)

    def _line(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()

    def _output(self, event: StepOutput) -> None:
        for line in event.data.decode(errors="replace").splitlines():
            self._line(f"[{event.step}]   {visible(line, keep=chr(9))}")

    def _progress(self, event: Progress) -> None:
        text = self._due(event, _SECONDS_BETWEEN_LINES)
        if text:
            self._line(text)

    def _due(self, event: Progress, interval: float) -> str:
        """Return the line for a progress report, or nothing when the last one is too young and this is not the end."""
        import time

        now = time.monotonic()
        began = self._began.setdefault(event.task, now)
        ended = event.total and event.done >= event.total
        if now - self._said.get(event.task, began) < interval and not (ended and event.task in self._said):
            return ""
        self._said[event.task] = now
        if ended:
            self._said.pop(event.task, None)
            self._began.pop(event.task, None)
        return progress_line(event, now - began)


class Json:
    """One JSON object a line for each event, with its kind under `event`; bytes are text, what is no UTF-8 replaced."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, event: Event) -> None:
        """Write one event."""
        import json

        facts = {
            name: value.decode(errors="replace") if isinstance(value, bytes) else value
            for name, value in event._asdict().items()
        }
        self._stream.write(json.dumps({"event": type(event).__name__, **facts}) + "\n")
        self._stream.flush()


class Terminal(Plain):
    """As `Plain`, but transfers rewrite one line at the bottom of the terminal."""

    _shown = False

    def _line(self, text: str) -> None:
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._shown = False
        super()._line(text)

    def _progress(self, event: Progress) -> None:
        text = self._due(event, _SECONDS_BETWEEN_REWRITES)
        if text:
            self._stream.write("\r\x1b[K" + text)
            self._stream.flush()
            self._shown = True
            if event.total and event.done >= event.total:
                self._stream.write("\n")
                self._shown = False


def finished_line(event: StepFinished) -> str:
    """Return how a step ended: `[app 2/3] RUN make  (cached)`."""
    ends = {"hit": "cached", "run": f"{event.seconds:.1f} s", "failed": f"failed after {event.seconds:.1f} s"}
    return f"[{event.step}] {visible(event.text)}  ({ends[event.outcome]})"


def size_text(count: float) -> str:
    """Return a number of bytes in words: `512 B`, `3.4 kB`, `7.1 MB` (powers of 1000, as docker prints sizes)."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def progress_line(event: Progress, seconds: float) -> str:
    """Return `task: done of total (percent), rate, time left`, with what is known of it."""
    rate = event.done / seconds if seconds > 0 else 0.0
    parts = [f"{visible(event.task)}: {size_text(event.done)}"]
    if event.total:
        parts[0] += f" of {size_text(event.total)} ({100 * event.done // event.total} %)"
    if rate:
        parts.append(f"{size_text(rate)}/s")
        if event.total > event.done:
            parts.append(f"{(event.total - event.done) / rate:.0f} s left")
    return ", ".join(parts)


def reporter_for(stream: TextIO | None = None) -> Reporter:
    """Return the reporter that fits `stream` (default: stderr): rewriting on a terminal, plain lines elsewhere."""
    stream = stream or sys.stderr
    return Terminal(stream) if stream.isatty() else Plain(stream)
