"""Properties that hold for every text, tried on many made-up ones."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mydocker.dockerfile import expand, ignore, parse_syntax
from mydocker.dockerfile.lint import fix, lint
from mydocker.dockerfile.parsing import read_syntax
from mydocker.dockerfile.printing import print_syntax
from mydocker.errors import DockerfileError
from tests.unit.dockerfile.shapes import shape

if TYPE_CHECKING:
    from collections.abc import Callable

# Pieces that mean something; texts made of them reach much further into the language than random characters do.
_PIECES = (
    "FROM ", "from a AS b", "ARG ", "ENV ", "ENV a=b ", "LABEL ", "RUN ", "COPY ", "ADD ", "CMD ", "ENTRYPOINT ",
    "HEALTHCHECK ", "--interval=1s ", "NONE", "ONBUILD ", "SHELL ", "USER ", "VOLUME ", "WORKDIR ",
    "EXPOSE 80/TCP ", "STOPSIGNAL ", "MAINTAINER ", "# escape=`\n", "# syntax=x\n", "# check=skip=all\n", "# note",
    "\n", "\n", "\n", "\r\n", "\\\n", "`\n", " ", "\t", "\\", "`", '"', "'", "$", "${", "}", "$x", "${x:-", "${x##",
    "${x/a/", "=", "<<EOF", "<<-'E'", "EOF\n", "E\n", "--", "--from=", "--mount=type=cache,target=/x ", "--link ",
    '["a", "b"]', "[", "]", "[1]", ",", "/", "a", "b c", "é", "\ufeff", "\x00", "\x0b", "\x0c", "\x1e", "\x85",
    "\xa0", "\u2028", "\udc80", "apt-get install x", "apk add x", " && ", " | ", "sudo ", "#", "!", "**/", "*", "?",
    "[a-z]",
)  # fmt: skip

TEXTS = st.one_of(st.lists(st.sampled_from(_PIECES), max_size=30).map("".join), st.text(max_size=60))
SETTINGS = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@SETTINGS
@given(TEXTS)
@example("FROM \\\n")
@example("\n# escape=`\nFROM a")
@example("ADD --x \x1e/ b")
@example("RUN \\\t\r ")
@example(" \ufeffFROM a")
@example('FROM --"')
@example("CMD --d\\ \t\r \nRUN x")
@example("HEALTHCHECK -- --interval=5s x")
@example("ONBUILD -- --x y")
@example("COPY <<\x0ca b")
@example("COPY << <<EOF b")
@example("ENV \\  a=1 \\  b")
def test_printed_tree_parses_to_the_same_tree(text: str) -> None:
    try:
        syntax = parse_syntax(text)
    except DockerfileError:
        return
    assert shape(parse_syntax(print_syntax(syntax))) == shape(syntax)


@SETTINGS
@given(st.one_of(TEXTS, st.binary(max_size=60)))
def test_nothing_but_the_languages_own_error_is_raised(text: str | bytes) -> None:
    report = lint(text)
    for mistake in report.mistakes:
        assert mistake.lines()
    for stage in report.dockerfile.stages:
        for one in (stage.from_, *stage.instructions):
            with contextlib.suppress(DockerfileError):
                expand(one, {"x": "1 2"}, escape=report.dockerfile.escape, source=report.dockerfile.source)


@SETTINGS
@given(TEXTS)
def test_every_place_lies_in_the_text(text: str) -> None:
    syntax, mistakes = read_syntax(text)
    source = syntax.source
    for command in syntax.commands:
        for span in [command.span, command.keyword.span, *(word.span for word in command.arguments)]:
            assert 0 <= span.start <= span.end <= len(source.text)
            assert source.span(span.start, span.end) == span
            assert command.span.start <= span.start
            assert span.end <= max(command.span.end, command.span.start)
    for mistake in mistakes:
        assert mistake.line <= len(source.line_starts)


@SETTINGS
@given(TEXTS)
def test_fixed_file_has_no_mistakes_and_nothing_left_to_fix(text: str) -> None:
    report = lint(text)
    if report.mistakes:
        return
    _, _, after = fix.settle(report, lambda one: one.every)
    assert not after.mistakes
    assert not [one for one in after.every if one.fix]


@SETTINGS
@given(st.lists(TEXTS, max_size=5), st.lists(st.sampled_from(["a", "b", "x.c", "..", "é"]), min_size=1, max_size=4))
def test_ignore_patterns_match_or_are_refused(patterns: list[str], parts: list[str]) -> None:
    try:
        matcher = ignore.Matcher(patterns)
    except DockerfileError:
        return
    path = "/".join(parts)
    assert matcher.excluded(path) == ignore.Matcher(patterns).excluded(path)
    for directory in ("/".join(parts[:length]) for length in range(1, len(parts))):
        if matcher.excluded(directory) and not matcher.may_reinclude_below(directory) and ".." not in parts:
            assert matcher.excluded(path), "a walk that stays out of the directory would miss the file"


# Texts that take a careless parser quadratic or exponential time; `n` is how often the part is repeated.
_HARD: dict[str, Callable[[int], str]] = {
    "continuations": lambda n: "RUN a" + " \\\n b" * n + "\n",
    "blank lines in a continuation": lambda n: "RUN a \\\n" + "\n" * n + "b\n",
    "instructions": lambda n: "FROM a\n" + "RUN b\n" * n,
    "words": lambda n: "COPY " + "a " * n + "/\n",
    "pairs": lambda n: "ENV " + 'a="b c" ' * n + "\n",
    "open quotes": lambda n: "ENV a=" + '"' * (2 * n + 1) + "\n",
    "escapes": lambda n: "ENV a=" + "\\a" * n + "\n",
    "flags": lambda n: "RUN " + "--a='b " * n + "\n",
    "heredocs": lambda n: "RUN " + "<<A " * n + "\n" + "A\n" * n,
    "an open heredoc": lambda n: "RUN <<A\n" + "b\n" * n,
    "almost JSON": lambda n: "RUN [" + '"a",' * n + "\n",
    "brackets": lambda n: "RUN " + "[" * n + "\n",
    "blanks and escape tokens": lambda n: "RUN a" + "\\ " * n + "b\n",
    "blanks at the end": lambda n: "RUN a" + " " * n + "\n",
    "comments": lambda n: "# a\n" * n + "FROM a\n",
    "variables": lambda n: "WORKDIR " + "${a}" * n + "\n",
}


def _seconds(text: str) -> float:
    best = 60.0
    for _ in range(3):
        began = time.process_time()
        read_syntax(text)
        best = min(best, time.process_time() - began)
    return best


@pytest.mark.parametrize("name", _HARD)
def test_time_grows_as_the_text(name: str) -> None:
    make = _HARD[name]
    _seconds(make(10))  # builds the parsers
    small, large = _seconds(make(1000)), _seconds(make(8000))
    # Eight times the text in at most twenty times the time: far from the sixty-four of a square.
    assert large < max(small, 0.002) * 20, f"{small:.4f} s became {large:.4f} s"
