"""The command line before any command: help, version, mistakes."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from mydocker import __version__
from mydocker.cli import VERBS
from mydocker.cli.main import parser_for, run_command_line, usage
from mydocker.cli.output import Output

if TYPE_CHECKING:
    from pathlib import Path


def run(*words: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    return run_command_line(list(words), Output(out, err)), out.getvalue(), err.getvalue()


def test_help_lists_every_command_with_its_purpose() -> None:
    status, out, _ = run("--help")
    assert status == 0
    for verb in VERBS:
        assert (f"  {verb.name} " in out) != verb.hidden
        assert (verb.purpose in out) != verb.hidden
    assert out == usage()


def test_version() -> None:
    assert run("--version") == (0, f"mydocker {__version__}\n", "")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error_and_no_file_takes_their_place(closed: str, tmp_path: Path) -> None:
    command = f'exec "{sys.executable}" -m mydocker --root "{tmp_path}/store" images {closed}'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    heading = "" if closed in (">&-", "<&- >&- 2>&-") else "ID "
    assert (done.returncode, done.stdout[: len(heading)], done.stderr) == (0, heading, "")
    written = [path for path in tmp_path.rglob("*") if path.is_file() and b"VERSION" in path.read_bytes()]
    assert written == []


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_command_has_a_parser_and_a_function(verb: object) -> None:
    from importlib import import_module

    from mydocker.cli import Verb

    assert isinstance(verb, Verb)
    assert verb.purpose in parser_for(verb).format_help()
    assert callable(getattr(import_module(f"mydocker.cli.{verb.module}"), verb.function))


def test_a_mistyped_command_gets_a_suggestion() -> None:
    status, out, err = run("imagse")
    assert (status, out) == (125, "")
    assert err == "mydocker: there is no command 'imagse'\nhint: did you mean 'images'?\n"


def test_no_command_is_a_mistake_that_says_what_to_do() -> None:
    status, _, err = run()
    assert status == 125
    assert "mydocker --help" in err


def test_a_bad_flag_names_the_command_to_ask() -> None:
    status, _, err = run("ps", "--colour")
    assert status == 125
    assert err == "mydocker: ps: unrecognized arguments: --colour\nhint: see 'mydocker ps --help'\n"


def test_python_m_mydocker_is_the_same_program() -> None:
    done = subprocess.run([sys.executable, "-m", "mydocker", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"mydocker {__version__}\n"


def test_a_reader_that_goes_away_is_no_error_to_report() -> None:
    done = subprocess.run(
        f"{sys.executable} -m mydocker --help | head -n 1", shell=True, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
