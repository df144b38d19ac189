"""The command line as users type it: both spellings of flags, bundles, the end of flags, and mistakes."""

from __future__ import annotations

import argparse

import pytest

from mydocker.cli.parser import Parser
from mydocker.errors import UsageError


def run_like() -> Parser:
    """A parser with the kinds of flags that `run` has."""
    parser = Parser(prog="mydocker run")
    parser.add_argument("-i", "--interactive", action="store_true")
    parser.add_argument("-t", "--tty", action="store_true")
    parser.add_argument("-d", "--detach", action="store_true")
    parser.add_argument("-e", "--env", action="append")
    parser.add_argument("--name")
    parser.add_argument("--network", "--net")
    parser.add_argument("rest", nargs=argparse.REMAINDER)
    return parser


@pytest.mark.parametrize("words", [["-name", "x"], ["--name", "x"], ["--name=x"], ["-name=x"]])
def test_a_long_flag_is_taken_with_one_dash_and_with_two(words: list[str]) -> None:
    assert run_like().parse_args(words).name == "x"


@pytest.mark.parametrize("words", [["-ti"], ["-it"], ["-t", "-i"]])
def test_short_flags_may_be_bundled(words: list[str]) -> None:
    args = run_like().parse_args([*words, "sh"])
    assert (args.tty, args.interactive, args.rest) == (True, True, ["sh"])


def test_three_bundled_flags() -> None:
    args = run_like().parse_args(["-dti", "sh"])
    assert (args.detach, args.tty, args.interactive) == (True, True, True)


def test_a_short_flag_may_have_its_value_attached() -> None:
    assert run_like().parse_args(["-eA=1", "-e", "B=2"]).env == ["A=1", "B=2"]


def test_flags_behind_the_first_argument_belong_to_the_command() -> None:
    args = run_like().parse_args(["-name", "x", "sh", "-c", "ls --name y", "-d"])
    assert (args.name, args.rest, args.detach) == ("x", ["sh", "-c", "ls --name y", "-d"], False)


@pytest.mark.parametrize("words", [["--nam", "x"], ["-nam", "x"], ["--unknown"], ["-ne", "x"]])
def test_abbreviated_and_unknown_flags_are_mistakes(words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        run_like().parse_args(words)
    assert caught.value.exit_status == 125
    assert caught.value.hint.lower().endswith("see 'mydocker run --help'")


def test_the_help_shows_the_two_dash_spelling_only() -> None:
    text = run_like().format_help()
    assert "--name" in text
    assert " -name" not in text
