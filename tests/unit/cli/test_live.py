"""The view of a build on a terminal, drawn into a string."""

from __future__ import annotations

import io
import re

from mydocker.cli.live import Failures, Rich
from mydocker.cli.tail import Tail
from mydocker.events import BuildPlanned, Notice, Progress, StepFinished, StepOutput, StepStarted


def started(step: str = "app 1/1", text: str = "RUN make") -> StepStarted:
    return StepStarted(step, text, "app", 1)


def finished(outcome: str, step: str = "app 1/1", text: str = "RUN make") -> StepFinished:
    return StepFinished(step, text, "app", 1, outcome, 1.5, "", "")


def plain(text: str) -> str:
    """Return what is to be read, without the terminal's control sequences."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_a_tail_keeps_the_last_lines_without_what_drives_a_terminal() -> None:
    tail = Tail()
    tail.feed(b"one\ntwo\n\x1b[31mred\x1b[0m\x1b]0;title\x07\n10 %\r20 %\r30 ")
    tail.feed(b"%\r\nlast\x07")
    assert tail.lines() == ["one", "two", "red", "30 %", "last\\x07"]
    assert tail.lines(2) == ["30 %", "last\\x07"]
    assert tail.lines(0) == []


def test_a_tail_stays_small_whatever_is_written() -> None:
    tail = Tail()
    for _ in range(100):
        tail.feed(b"x" * 100_000)
    tail.feed(b"\n" + b"y\n" * 100_000)
    assert len(tail.lines()) == 200
    assert sum(map(len, tail.lines())) < 10_000


def test_a_build_that_runs_nothing_is_told_in_plain_lines() -> None:
    stream = io.StringIO()
    with Rich(stream, force=True) as reporter:
        reporter(BuildPlanned(1, 0))
        reporter(Notice("look out", "warning"))
        reporter(finished("hit"))
    assert stream.getvalue() == "warning: look out\n= [app 1/1] RUN make  (cached)\n"


def test_what_runs_is_shown_with_its_output_and_what_ended_stays() -> None:
    stream = io.StringIO()
    with Rich(stream, force=True) as reporter:
        reporter(BuildPlanned(3, 0))
        reporter(started())
        reporter(StepOutput("app 1/1", b"compiling [red]x[/red]\n\x1b[2J", 1))
        reporter(Progress("download", 10, 100))
        assert reporter._live is not None
        reporter._live.refresh()
        reporter(finished("run"))
    shown = plain(stream.getvalue())
    assert "▶ [app 1/1] RUN make" in shown
    assert "compiling [red]x[/red]" in shown, "brackets are text, no markup"
    assert "0 steps settled, 1 running, 2 left" in shown
    assert "download: 10 B of 100 B (10 %)" in shown
    assert "✓ [app 1/1] RUN make  (1.5 s)" in shown
    assert "\x1b[2J" not in stream.getvalue()
    assert stream.getvalue().rstrip().endswith("\x1b[2K") or "\x1b[?25h" in stream.getvalue(), "the cursor is back"


def test_a_failing_step_shows_everything_it_said() -> None:
    stream = io.StringIO()
    with Rich(stream, force=True) as reporter:
        reporter(started())
        reporter(StepOutput("app 1/1", "".join(f"line {number}\n" for number in range(50)).encode(), 2))
        reporter(finished("failed"))
    shown = plain(stream.getvalue())
    assert "✗ [app 1/1] RUN make  (failed after 1.5 s)" in shown
    assert all(f"    line {number}\n" in shown for number in range(50))


def test_a_quiet_build_shows_only_what_a_failing_step_said() -> None:
    stream = io.StringIO()
    reporter = Failures(stream)
    for event in (started("a"), StepOutput("a", b"fine\n", 1), finished("run", "a"), Notice("nothing", "warning")):
        reporter(event)
    assert stream.getvalue() == ""
    for event in (started("b"), StepOutput("b", b"broken\n", 1), finished("failed", "b")):
        reporter(event)
    assert stream.getvalue() == "[b]   broken\n"


def test_a_reader_that_has_gone_away_is_no_error_of_the_build() -> None:
    stream = io.StringIO()
    stream.close()
    Rich(stream, force=True)(Notice("heard by nobody"))
