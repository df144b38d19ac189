"""Logical lines to commands, with rule `instruction` of grammar/dockerfile.lark.

Positions here are offsets into the logical line; `parsing` turns them into places of the file.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedInput, UnexpectedToken

from mydocker.dockerfile import grammars
from mydocker.dockerfile.words import SPACES
from mydocker.errors import DockerfileError

if TYPE_CHECKING:
    from collections.abc import Sequence

_FORMS = {"EXEC": "exec", "TEXT": "text", "ITEM": "words", "WORD": "words", "PAIR": "pairs", "KEY": "old"}
_SURROGATE = re.compile("[\ud800-\udfff]")
_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_FLAG_PART = re.compile(r"""(["'])((?:[^"'\\]|\\.|(?!\1)["'])*)(?:\1|\\?\Z)|\\(.|\Z)|([^"'\\]++)""", re.DOTALL)
_BLANK = re.compile(f"[{SPACES}]")
_KEYWORD = re.compile(r"\b(?:env|label)\b", re.IGNORECASE)
# A text that could be meant as a JSON array: these commands look at it when it is no array of strings.
_EXEC_COMMANDS = {"RUN", "CMD", "ENTRYPOINT", "SHELL", "HEALTHCHECK", "COPY", "ADD", "VOLUME"}


class Part(NamedTuple):
    """A word of the line and where it lies."""

    text: str
    start: int
    end: int


class Read(NamedTuple):
    """One instruction as read from a line; see `syntax.Command` for the fields."""

    keyword: str
    start: int
    flags: tuple[Part, ...]
    form: str
    arguments: tuple[Part, ...]
    check: Part | None
    inner: Read | None


def read(line: str, escape: str) -> Read:
    """Read one logical line; raises `DockerfileError` with `column` and `end_column` counted in the line."""
    text = line.strip(SPACES)
    if not text:
        return Read("", 0, (), "none", (), None, None)
    # Plain blanks in front, whatever blanks they were: the keyword begins behind them, and places stay what they are.
    text = text.rjust(len(line.rstrip(SPACES)))
    try:
        return _parser(escape).parse(text)  # type: ignore[return-value]
    except UnexpectedInput as error:
        raise _explain(line, error) from None
    except _NotStringsError as error:
        raise _error(
            error.start,
            error.end,
            "not an array of strings",
            "the exec form is a JSON array whose elements are all strings",
            'put every element between double quotes: ["executable", "argument"]',
        ) from None


class _NotStringsError(Exception):
    """A JSON array with something else than strings in it."""

    def __init__(self, start: int, end: int) -> None:
        super().__init__(start, end)
        self.start = start
        self.end = end


class _InstructionRules(Transformer[Token, Read]):
    """One callback serves all instructions: their rules differ in what they accept, not in what they are made of."""

    def old_form(self, children: list[Token]) -> list[Token]:
        return children

    def run(self, children: list[Any]) -> Read:
        return _made(children)

    arg = env = label = cmd = entrypoint = shell = healthcheck = copy = add = volume = run
    expose = user = workdir = stopsignal = maintainer = onbuild = unknown = run


setattr(_InstructionRules, "from", _InstructionRules.run)  # a keyword of Python's cannot be assigned above


def _made(children: list[Any]) -> Read:
    keyword: Token = children[0]
    at = 1
    flags = []
    while at < len(children) and isinstance(children[at], Token) and children[at].type == "FLAG":
        flags.append(_flag(children[at]))
        at += 1
    rest = [child for child in children[at:] if not (isinstance(child, Token) and child.type == "DASHES")]
    check = inner = None
    if rest and isinstance(rest[0], list):
        rest = rest[0]
    elif rest and isinstance(rest[0], Read):
        inner = rest.pop()
    elif rest and rest[0].type == "CHECK":
        check = _part(rest.pop(0))
    form = _FORMS[rest[0].type] if rest else "none"
    if form == "exec":
        arguments = _strings(rest[0])
    else:
        if rest and keyword.type in _EXEC_COMMANDS and rest[0][0] == "[":
            _refuse_other_arrays(rest)
        arguments = tuple(_part(token) for token in rest)
    return Read(str(keyword), keyword.start_pos or 0, tuple(flags), form, arguments, check, inner)


def _part(token: Token) -> Part:
    return Part(str(token), token.start_pos or 0, token.end_pos or 0)


def _flag(token: Token) -> Part:
    """Take the quotes and backslashes out of a flag."""
    text = str(token)
    if '"' in text or "'" in text or "\\" in text:
        text = _FLAG_PART.sub(_unquoted, text)
    return Part(text, token.start_pos or 0, token.end_pos or 0)


def _unquoted(found: re.Match[str]) -> str:
    if found[1]:
        return re.sub(r"\\(.)", r"\1", found[2], flags=re.DOTALL)
    return found[3] if found[4] is None else found[4]


def _strings(token: Token) -> tuple[Part, ...]:
    """Return the strings of an exec form. Half a surrogate pair becomes U+FFFD, as in Go's encoding/json."""
    start = token.start_pos or 0
    return tuple(
        Part(_SURROGATE.sub("\ufffd", json.loads(found[0])), start + found.start(), start + found.end())
        for found in _JSON_STRING.finditer(token)
    )


def _refuse_other_arrays(rest: Sequence[Token]) -> None:
    """Refuse a JSON array that holds something else than strings; what is no JSON at all is the shell form."""
    first, last = rest[0], rest[-1]
    start, end = first.start_pos or 0, last.end_pos or 0
    text = " ".join(rest)
    try:
        json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except ValueError:
        return
    except RecursionError:
        pass  # nested a thousand levels deep: an array of arrays, whatever is in them
    raise _NotStringsError(start, end)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError("a number beyond a double's range")
    return number


@cache
def _parser(escape: str) -> Lark:
    return grammars.build(
        "dockerfile", ["instruction"], escape, transformer=_InstructionRules(), propagate_positions=False
    )


def _error(start: int, end: int, what: str, why: str, hint: str) -> DockerfileError:
    return DockerfileError(what, why, hint, column=start + 1, end_column=end + 1)


def _explain(line: str, error: UnexpectedInput) -> DockerfileError:
    """Turn lark's complaint into ours. Only ENV and LABEL can be malformed at this level."""
    text = line.rstrip(SPACES)
    keyword = _KEYWORD.findall(text)[0].upper()
    if isinstance(error, UnexpectedToken) and error.token.type == "$END":
        name = _BLANK.split(text)[-1]
        return _error(
            len(text) - len(name),
            len(text),
            f"{keyword} {name} has no value",
            "expected key=value",
            f"write {keyword} {name}=VALUE",
        )
    at = error.pos_in_stream or 0
    word = _BLANK.split(text[at:], maxsplit=1)[0]
    return _error(
        at,
        at + len(word),
        f"cannot find = in {word!r}",
        f"{keyword} takes key=value pairs here, as the first one is a pair",
        "put the value between quotes if it holds blanks",
    )
