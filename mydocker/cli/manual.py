"""The manual page, made of the parsers of all commands and the topics: roff for man(1), with the macros of man(7)."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mydocker import __version__
from mydocker.cli import VERBS
from mydocker.cli.help import topic, topic_names
from mydocker.cli.main import parser_for
from mydocker.cli.parser import expanded_help

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mydocker.cli import Verb

_DATE = "2026-11-24"  # of the commands that are described, not of the day on which somebody prints them
_STATUSES = (
    ("0", "done"),
    ("1", "it failed; the message says why"),
    ("125", "mydocker itself could not do it: a wrong flag, or a container that could not be set up"),
    ("126", "the container's program cannot be executed"),
    ("127", "there is no such program in the container"),
    ("other", "the container's own status, 128 and the number of the signal for one that was killed"),
)


def manual() -> str:
    """Return the whole page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield f'.TH MYDOCKER 1 "{_DATE}" "mydocker {__version__}" "User Commands"'
    yield ".SH NAME"
    yield r"mydocker \- build images and run containers without a daemon"
    yield ".SH SYNOPSIS"
    yield r".B mydocker"
    yield r"[\fB\-\-root\fR \fIDIR\fR] [\fB\-\-debug\fR] \fICOMMAND\fR [\fIARGUMENTS\fR]"
    for group in dict.fromkeys(verb.group for verb in VERBS):
        yield f".SH {_text(group).upper()}"
        for verb in VERBS:
            if verb.group == group and not verb.hidden:
                yield from _command(verb)
    yield ".SH EXIT STATUS"
    for number, meaning in _STATUSES:
        yield from (".TP", rf"\fB{number}\fR", _text(meaning))
    for name in topic_names():
        yield f".SH {_text(name).upper()}"
        yield from _verbatim(topic(name).partition("\n")[2].strip("\n"))


def _command(verb: Verb) -> Iterator[str]:
    parser = parser_for(verb)
    usage = " ".join(parser.format_usage().split()).removeprefix("usage: ")
    yield f'.SS "{_text(" ".join((verb.name, *verb.aliases)))}"'
    yield _text(verb.purpose[:1].upper() + verb.purpose[1:] + ".")
    yield ".PP"
    yield _text(usage)
    for action in parser._actions:
        if action.help == argparse.SUPPRESS or action.dest in ("help", "root", "debug"):
            continue
        yield ".TP"
        yield _heading(action)
        yield _text(expanded_help(parser, action))
    if parser.epilog:
        yield ".PP"
        yield from _verbatim(parser.epilog)


def _heading(action: argparse.Action) -> str:
    metavar = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
    takes = "" if action.nargs == 0 else rf" \fI{_text(str(metavar))}\fR"
    if not action.option_strings:
        return takes.strip()
    return ", ".join(rf"\fB{_text(option)}\fR" for option in action.option_strings) + takes


def _verbatim(text: str) -> Iterator[str]:
    yield from (".nf", *(_text(line) for line in text.splitlines()), ".fi")


def _text(text: str) -> str:
    """Return text as roff takes it literally: no escapes, real hyphens, no line that looks like a request."""
    safe = text.replace("\\", r"\e").replace("-", r"\-").replace("\n", " ")
    return rf"\&{safe}" if safe.startswith((".", "'")) else safe
