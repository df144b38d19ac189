"""How a build is told: on a terminal, in a pipe, quietly; and what a failure shows in each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.system.build.terminals import on_a_terminal, plain

if TYPE_CHECKING:
    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root


def test_a_terminal_shows_what_runs_while_it_runs(mydocker: CommandLine) -> None:
    (mydocker.directory / "Dockerfile").write_text("FROM base\nRUN echo working; sleep 0.6; echo done\nRUN true\n")
    mydocker("buildBase")
    status, shown = on_a_terminal(mydocker, "build", "-t", "a:1")
    assert status == 0
    assert "\x1b[?25l" in shown, "the cursor is hidden while the view is there"
    assert shown.count("\x1b[?25h") >= 1, "and shown again"
    read = plain(shown)
    assert "▶ [0 1/2] RUN echo working" in read
    assert re.search(r"0 steps settled, 1 running, 1 left\n.*\n +working", read)
    assert re.search(r"✓ \[0 1/2\] RUN echo working; sleep 0.6; echo done  \(\d+\.\d s\)", read)
    assert "2 steps run, 0 found in the cache" in read
    status, shown = on_a_terminal(mydocker, "build", "-t", "a:1")
    assert status == 0
    assert "\x1b" not in shown, "nothing runs: there is no view, only lines"
    assert "= [0 2/2] RUN true  (cached)" in shown


def test_a_failure_on_a_terminal_shows_output_line_caret_and_status(mydocker: CommandLine) -> None:
    (mydocker.directory / "Dockerfile").write_text("FROM base\nRUN echo it broke; exit 3\n")
    status, shown = on_a_terminal(mydocker, "build")
    read = plain(shown)
    assert status == 1
    assert "✗ [0 1/1] RUN echo it broke; exit 3  (failed after" in read
    assert "    it broke\n" in read
    assert "Dockerfile:2:1: the command ended with exit status 3" in read
    assert "    RUN echo it broke; exit 3\n    ^^^^^^^^^^^^^^^^^^^^^^^^^" in read
    assert mydocker.leftovers() == []


@pytest.mark.parametrize("progress", ["plain", "rich", "json", "quiet"])
def test_a_failure_shows_its_output_in_every_form(mydocker: CommandLine, progress: str) -> None:
    (mydocker.directory / "Dockerfile").write_text("FROM base\nRUN echo it broke; exit 3\n")
    done = mydocker.run("build", *(["-q"] if progress == "quiet" else ["--progress", progress]))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("it broke") >= 2, "in the output, and in the line of the Dockerfile"
    assert "^^^^" in done.stderr


def test_the_summary_counts_what_was_run_found_and_skipped(mydocker: CommandLine) -> None:
    (mydocker.directory / "Dockerfile").write_text(
        "FROM base AS one\nRUN true\nRUN true\nFROM base AS two\nRUN sleep 0.2\nRUN true\n"
    )
    assert mydocker.run("build").stderr.splitlines()[-1] == "2 steps run, 0 found in the cache, 2 skipped"
    last = mydocker.run("build").stderr.splitlines()[-1]
    assert re.fullmatch(r"0 steps run, 2 found in the cache, 2 skipped, \d+\.\d s saved", last)


def test_an_interrupt_gives_the_terminal_back(mydocker: CommandLine) -> None:
    mydocker("buildBase")
    (mydocker.directory / "Dockerfile").write_text(
        "FROM base AS a\nRUN echo begun; sleep 86.4\nFROM base\nRUN sleep 86.4\nCOPY --from=a / /a\n"
    )
    status, shown = on_a_terminal(mydocker, "build", "-j", "2", interrupt_at=b"           begun")
    assert status == 130
    assert shown.endswith("\x1b[?25h\r\x1b[1A\x1b[2K"), "the cursor is back, and the view is gone"
    assert mydocker.leftovers() == []
