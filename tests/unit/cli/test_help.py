"""Help is where it is looked for: purposes, examples, defaults, topics, the manual page, and what was meant."""

from __future__ import annotations

import argparse
import io
import re
from typing import TYPE_CHECKING

import pytest

from mydocker.cli import VERBS, Verb
from mydocker.cli.help import topic, topic_names
from mydocker.cli.main import parser_for, run_command_line
from mydocker.cli.manual import manual
from mydocker.cli.output import Output

if TYPE_CHECKING:
    from collections.abc import Iterator

each_verb = pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)


def run(*words: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    return run_command_line(list(words), Output(out, err)), out.getvalue(), err.getvalue()


def parsers(verb: Verb) -> Iterator[argparse.ArgumentParser]:
    todo = [parser_for(verb)]
    for parser in todo:
        yield parser
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                todo += action.choices.values()


@each_verb
def test_every_command_has_a_purpose_and_an_example(verb: Verb) -> None:
    assert re.fullmatch(r"[a-z].{10,79}[^.]", verb.purpose)
    examples = "".join(parser.epilog or "" for parser in parsers(verb))
    assert re.search(rf"examples?:.*mydocker {verb.name}\b", examples, re.DOTALL)


@each_verb
def test_every_flag_and_argument_is_explained_with_its_default(verb: Verb) -> None:
    for parser in parsers(verb):
        shown = parser.format_help()
        for action in parser._actions:
            if action.help == argparse.SUPPRESS:
                continue
            assert action.help, f"{verb.name}: {action.option_strings or action.dest} is not explained"
            if (
                action.option_strings
                and action.nargs != 0
                and action.default not in (None, "", [], argparse.SUPPRESS, 0)
            ):
                assert str(action.default) in shown


@each_verb
def test_examples_parse(verb: Verb) -> None:
    import shlex

    for parser in parsers(verb):
        for line in (parser.epilog or "").splitlines():
            _, found, example = line.partition("mydocker ")
            if not found or not line.strip().startswith(("mydocker", "example")):
                continue
            command = re.split(r" [|<>;] |;| #", example)[0]
            name, *words = shlex.split(command)
            wanted = next(each for each in VERBS if each.name == name)
            parser_for(wanted).parse_args(words)


def test_help_of_a_command_a_topic_and_everything() -> None:
    run_verb = next(verb for verb in VERBS if verb.name == "run")
    assert run("help", "run") == (0, parser_for(run_verb).format_help(), "")
    assert parser_for(run_verb).format_usage() == "usage: mydocker run [FLAGS] [IMAGE] [COMMAND...]\n"
    assert run("help", "statuses") == (0, topic("statuses"), "")
    status, out, _ = run("help")
    assert status == 0
    assert all(name in out for name in topic_names())


@pytest.mark.parametrize("name", topic_names())
def test_topics_are_short_and_begin_with_their_purpose(name: str) -> None:
    lines = topic(name).splitlines()
    assert lines[0].startswith(f"{name}: ")
    assert lines[1] == ""
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100


def test_what_was_mistyped_is_suggested() -> None:
    assert "did you mean 'images'?" in run("imagse")[2]
    assert (
        "did you mean --name?" in run("run", "--nmae", "x")[2] + run("ps", "--nmae", "x")[2] + run("create", "--nam")[2]
    )
    assert "did you mean --format?" in run("ps", "--fromat", "json")[2]
    assert "did you mean 'statuses'?" in run("help", "statusse")[2]
    assert run("help", "zzzz")[0] == 1
    assert "did you mean 'images'?" in run("image", "ls")[2]
    assert "one of create, ls," in run("volume")[2]
    assert run("network", "create")[2].startswith("mydocker: network create: the following")


def test_a_topic_of_a_commands_name_stands_below_its_flags() -> None:
    assert run("help", "shell")[1].endswith("\n\n" + topic("shell"))


# `events` and `inspect` are JSON always; `network list` and the like have it with their action.
_LISTING = frozenset(
    {"ps", "images", "history", "layers", "blame", "diff", "df", "fsck", "port", "portmap"}
    | {"volume", "top", "stats", "lint", "parse"}
)


def test_everything_that_lists_can_do_so_as_json() -> None:
    for verb in VERBS:
        if verb.name in _LISTING:
            action = parser_for(verb)._option_string_actions.get("--format")
            assert action is not None, verb.name
            assert "json" in (action.choices or ()), verb.name


def test_topics_are_listed() -> None:
    out = run("help", "topics")[1]
    assert out.startswith("Topics:")
    assert all(f"  {name} " in out for name in topic_names())


def test_the_manual_has_every_command_and_flag() -> None:
    text = manual().replace(r"\-", "-")
    for verb in VERBS:
        assert (f'.SS "{verb.name}' in text) != verb.hidden
    assert ".SH EXIT STATUS" in text
    assert r"\fB--no-trunc\fR" in text


def test_no_line_of_the_manual_is_a_request_by_accident() -> None:
    known = {"TH", "SH", "SS", "TP", "PP", "B", "nf", "fi"}
    for line in manual().splitlines():
        assert not line.startswith("'")
        if line.startswith("."):
            assert line[1:].split()[0] in known, line
