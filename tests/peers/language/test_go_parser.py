"""BuildKit's own parser, compiled from Go (the PyPI package dockerfile), judges made-up Dockerfiles."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mydocker.dockerfile import parse_syntax, tree
from mydocker.errors import DockerfileError

go = pytest.importorskip("dockerfile", reason="needs the PyPI package dockerfile, BuildKit's parser")

# The package holds an older parser (BuildKit 0.12), so what has changed since stays out of the pieces: text behind an
# array, blanks behind <<, the check directive. Characters outside of ASCII in flags, which it garbles, stay out too.
_PIECES = (
    "FROM ", "from a AS b", "ARG ", "ENV ", "ENV a=b ", "LABEL ", "RUN ", "COPY ", "ADD ", "CMD ", "ENTRYPOINT ",
    "HEALTHCHECK ", "NONE", "ONBUILD ", "SHELL ", "USER ", "VOLUME ", "WORKDIR ", "EXPOSE 80/TCP ", "STOPSIGNAL ",
    "MAINTAINER ", "# escape=`\n", "# syntax=x\n", "# note", "# c \\\n", "\n", "\n", "\n", "\n", "\r\n", "\n\n",
    "\\\n", "\\\n", "  \\  \n", "`\n", "\\ ", " ", " ", "\t", "\\", "`", '"', "'", "$", "${", "}", "$x", "${x:-", "=",
    "<<EOF", "<<-'E'", "1<<X ", "EOF\n", "E\n", "X\n", "--", "--from=", "--mount=type=cache,target=/x ", "--x='a b' ",
    '--y="q\\"r" ', "--link ", '["a", "b"]\n', ",", "/", "a", "b c", "#", "!", "foo", "\x0b", "\x0c",
)  # fmt: skip

TEXTS = st.lists(st.sampled_from(_PIECES), max_size=25).map("".join)


@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXTS, st.booleans())
def test_parser_agrees_with_buildkits(text: str, begun: bool) -> None:
    text = f"FROM x\n{text}" if begun else text
    try:
        wanted = go.parse_string(text)
    except go.GoParseError:
        with pytest.raises(DockerfileError):
            parse_syntax(text)
        return
    got = tree.syntax_tree(parse_syntax(text))["commands"]
    assert [_ours(command) for command in got] == [_theirs(command) for command in wanted]


def _ours(command: dict[str, Any]) -> Any:
    heredocs = [(one["name"], one["file_descriptor"], one["content"]) for one in command["heredocs"]]
    original = None if heredocs else command["original"]
    flags = None if command["sub_cmd"] is not None else tuple(command["flags"])
    places = (command["start_line"], command["end_line"])
    names = (command["cmd"], command["sub_cmd"])
    return names, command["json"], places, flags, tuple(command["value"]), heredocs, original


def _theirs(command: Any) -> Any:
    heredocs = [(one.name, one.file_descriptor, one.content) for one in command.heredocs]
    # It writes here-documents into `original` in a way of its own, and drops the flags of ONBUILD's instruction.
    original = None if heredocs else command.original or ""
    flags = None if command.sub_cmd is not None else tuple(command.flags)
    names = (command.cmd or "", command.sub_cmd)
    return names, command.json, (command.start_line, command.end_line), flags, command.value, heredocs, original
