"""How an unfinished command line can go on: commands, flags and their values, from the parsers alone."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import pytest

from mydocker.cli import VERBS
from mydocker.cli.candidates import Answer, complete
from mydocker.cli.main import Context, parser_for
from mydocker.cli.names import PATHS, SOURCES

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def answer(tmp_path: Path) -> object:
    context = Context(str(tmp_path / "no-store"))
    return lambda line: complete(line.split(" "), context)


def texts(found: Answer) -> list[str]:
    return [each.text for each in found.candidates]


def test_commands(answer) -> None:  # type: ignore[no-untyped-def]
    assert texts(answer("st")) == ["start", "stop", "stats"]
    assert "complete" not in texts(answer("comp"))
    assert texts(answer("--root /x unp")) == ["unpause"]
    assert texts(answer("nothing-like-it")) == []
    assert answer("--root ") == Answer((), paths=True)
    assert texts(answer("--ver")) == ["--version"]


def test_flags_in_both_spellings_with_their_purpose(answer) -> None:  # type: ignore[no-untyped-def]
    assert texts(answer("run --na")) == ["--name"]
    assert texts(answer("run -na")) == ["-name"]
    assert answer("run --na").candidates[0].purpose == "name of the container"
    assert "--tty" in texts(answer("run -"))


def test_values_of_flags(answer) -> None:  # type: ignore[no-untyped-def]
    assert texts(answer("ps --format ")) == ["table", "json"]
    assert texts(answer("ps --format=j")) == ["--format=json"]
    assert texts(answer("kill --signal KI")) == ["KILL"]
    assert texts(answer("run --cap-add NET_A")) == ["NET_ADMIN"]
    assert texts(answer("run --restart on")) == ["on-failure"]
    assert answer("build --file ").paths
    assert answer("run --name ") == Answer(())


def test_a_flag_that_takes_a_value_is_not_mistaken_for_an_argument(answer) -> None:  # type: ignore[no-untyped-def]
    assert texts(answer("completion b")) == ["bash"]
    assert texts(answer("completion bash z")) == []
    assert texts(answer("ps -q --format t")) == ["table"]
    assert texts(answer("volume -f --label a=b pr")) == ["prune"]


def test_behind_the_command_of_a_container_nothing_is_ours(answer) -> None:  # type: ignore[no-untyped-def]
    assert texts(answer("run -ti base sh --na")) == []
    assert texts(answer("exec web ls --wor")) == []


def test_help_knows_commands_and_topics(answer) -> None:  # type: ignore[no-untyped-def]
    assert {"stats", "statuses"} <= set(texts(answer("help stat")))


def test_no_store_is_made_by_asking(answer, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert texts(answer("exec ")) == []
    assert texts(answer("run ")) == []
    assert not (tmp_path / "no-store").exists()


def test_every_source_of_names_is_asked_by_some_command() -> None:
    metavars: set[str] = set()
    todo = [parser_for(verb) for verb in VERBS]
    for parser in todo:
        for action in parser._actions:
            metavars.add(str(action.metavar))
            if isinstance(action, argparse._SubParsersAction):
                todo += action.choices.values()
    assert {*SOURCES, *PATHS} <= metavars
