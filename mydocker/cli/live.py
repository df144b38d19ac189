"""Views of a build. On a terminal what is settled scrolls by, and what runs is shown below, with its last output.

rich draws it. It is loaded when the first step begins to run: a build that finds everything in the cache needs no view
and does not pay for one.
"""

from __future__ import annotations

import threading
import time

from mydocker.cli.output import visible
from mydocker.cli.progress import Terminal, finished_line, progress_line
from mydocker.cli.tail import Tail
from mydocker.events import BuildPlanned, Event, Notice, Progress, StepFinished, StepOutput, StepStarted
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self, TextIO

    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

_REFRESHES = 8  # a second
_TAIL = 6  # lines of output below each running step, as far as the terminal has room


class _Running(NamedTuple):
    event: StepStarted
    began: float
    tail: Tail


class Rich:
    """The reporter of a build on a terminal; use it in a `with`, which clears what is shown below at the end.

    May be called from several threads. `force` draws also where `stream` is no terminal. Two locks: `_facts` is held
    for moments while values are read and changed, never while anything is printed, because rich calls `_view` under
    locks of its own; `_start` is held while the view is made.
    """

    def __init__(self, stream: TextIO, force: bool = False) -> None:
        self._stream = stream
        self._force = force
        self._before = Terminal(stream)
        self._start = threading.Lock()
        self._facts = threading.Lock()
        self._console: Console | None = None
        self._live: Live | None = None
        self._began = time.monotonic()
        self._running: dict[str, _Running] = {}
        self._transfers: dict[str, tuple[Progress, float]] = {}
        self._planned = 0
        self._settled = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        with self._start:
            live, self._live = self._live, None
        if live is not None:
            live.stop()

    def __call__(self, event: Event) -> None:
        """Take an event. What is printed stays; a reader that has gone away is not an error of the work."""
        try:
            self._take(event)
        except (BrokenPipeError, ValueError):
            return

    def _take(self, event: Event) -> None:
        match event:
            case BuildPlanned():
                with self._facts:
                    self._planned += event.steps
            case StepStarted():
                with self._facts:
                    self._running[event.step] = _Running(event, time.monotonic(), Tail())
                self._begin()
            case StepOutput():
                with self._facts:
                    if running := self._running.get(event.step):
                        running.tail.feed(event.data)
            case StepFinished():
                self._settle(event)
            case Notice():
                self._print(visible(f"warning: {event.text}" if event.level == "warning" else event.text))
            case Progress():
                self._follow(event)

    def _begin(self) -> None:
        """Start the view, if it is not there yet."""
        with self._start:
            if self._live is not None:
                return
            from rich.console import Console
            from rich.live import Live

            self._console = Console(
                file=self._stream, force_terminal=self._force or None, highlight=False, emoji=False, markup=False
            )
            live = Live(
                console=self._console, get_renderable=self._view, refresh_per_second=_REFRESHES, transient=True,
                redirect_stdout=False, redirect_stderr=False, vertical_overflow="crop",
            )  # fmt: skip
            live.start()
            self._live = live

    def _print(self, text: str, style: str = "") -> None:
        """Write a line above the view."""
        if self._live is None or self._console is None:
            self._before(Notice(visible(text)))
            return
        from rich.text import Text

        self._console.print(Text(visible(text, keep="\n"), style), soft_wrap=True)

    def _settle(self, event: StepFinished) -> None:
        with self._facts:
            self._settled += 1
            running = self._running.pop(event.step, None)
        styles = {"hit": "dim", "failed": "bold red"}
        sign = {"hit": "=", "failed": "✗"}.get(event.outcome, "✓")
        self._print(f"{sign} {finished_line(event)}", styles.get(event.outcome, "green"))
        if event.outcome == "failed" and running is not None:
            self._print("\n".join(f"    {line}" for line in running.tail.lines()))

    def _follow(self, event: Progress) -> None:
        if self._live is None:
            self._before(event)
            return
        now = time.monotonic()
        with self._facts:
            _, began = self._transfers.get(event.task, (event, now))
            self._transfers[event.task] = (event, began)
            if event.total and event.done >= event.total:
                del self._transfers[event.task]

    def _view(self) -> Text:
        """Return what is shown below: called by rich, some times a second."""
        from rich.text import Text

        assert self._console is not None
        with self._facts:
            lines = list(self._lines(self._console.height - 1))
        return Text("\n").join(Text(text[: self._console.width - 1], style) for text, style in lines)

    def _lines(self, room: int) -> Iterator[tuple[str, str]]:
        now = time.monotonic()
        left = max(self._planned - self._settled - len(self._running), 0)
        yield f"{now - self._began:.0f} s: {self._settled} steps settled, {len(self._running)} running, {left} left", ""
        room -= 1 + len(self._transfers) + len(self._running)
        tail = min(_TAIL, max(room // max(len(self._running), 1), 0))
        for event, began in self._transfers.values():
            yield progress_line(event, now - began), "cyan"
        for running in self._running.values():
            text = f"▶ [{running.event.step}] {running.event.text}"
            yield f"{now - running.began:6.1f} s {visible(text)}", "bold"
            for line in running.tail.lines(tail):
                yield f"           {line}", "dim"


class Failures:
    """The reporter of `build --quiet`: nothing but what a failing step wrote."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._tails: dict[str, Tail] = {}

    def __call__(self, event: Event) -> None:
        """Take an event."""
        if isinstance(event, StepOutput):
            self._tails.setdefault(event.step, Tail()).feed(event.data)
        elif isinstance(event, StepFinished):
            tail = self._tails.pop(event.step, None)
            if tail is not None and event.outcome == "failed":
                self._stream.write("".join(f"[{event.step}]   {line}\n" for line in tail.lines()))
                self._stream.flush()
