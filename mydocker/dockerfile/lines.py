"""Physical lines to logical lines: directives, comments, continuations and the bodies of here-documents.

lark cuts the file into physical lines (rule `file` of grammar/dockerfile.lark). Two things about a line cannot be known
without its neighbours: which escape token continues it, and whether it belongs to a here-document. `_Marker` stands
between lark's lexer and its parser, as lark's own `Indenter` does for Python, and marks the lines.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from lark import Lark, Token, Transformer
from lark.lark import PostLex

from mydocker.dockerfile import grammars, heredocs
from mydocker.dockerfile.syntax import Directive, Heredoc
from mydocker.dockerfile.words import SPACES
from mydocker.errors import DockerfileError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mydocker.dockerfile.heredocs import Mark
    from mydocker.dockerfile.source import Source, Span

    Mistakes = list[DockerfileError]
    # The lines of one instruction: tokens, and a list of tokens for each here-document.
    Lined = list[Token | list[Token]]

_LINE_END = "\r\n"
_DIRECTIVE = re.compile(r"\s*([a-zA-Z]+)\s*=\s*(.+?)\s*\Z", re.DOTALL | re.ASCII)
_ESCAPES = {"ENDS_IN_BACKSLASH": "\\", "ENDS_IN_BACKTICK": "`"}


class Logical(NamedTuple):
    """One logical line: its joined `text`, and where in the file each part of it comes from.

    `starts[i]` is the offset in `text` at which the part begins that lies at `offsets[i]` in the file. In the file the
    whole instruction goes from `begin` to `end`, with all its physical lines, here-documents included.
    """

    text: str
    starts: tuple[int, ...]
    offsets: tuple[int, ...]
    begin: int
    end: int
    comments: tuple[str, ...]
    heredocs: tuple[Heredoc, ...]
    empty_lines: tuple[int, ...]

    def offset(self, position: int) -> int:
        """Return the place in the file of a position in the text."""
        part = bisect_right(self.starts, position) - 1
        return self.offsets[part] + position - self.starts[part]


class Lines(NamedTuple):
    """A file as logical lines, and the mistakes that did not keep it from being cut into them."""

    directives: tuple[Directive, ...]
    escape: str
    logical: tuple[Logical, ...]
    mistakes: tuple[DockerfileError, ...]


def split(source: Source) -> Lines:
    """Cut a file into logical lines, in time proportional to its length.

    Never raises for what the file says: its mistakes are part of the result.
    """
    items: list[Any] = _parser().parse(source.text)  # type: ignore[assignment]
    mistakes: list[DockerfileError] = []
    directives = _directives(source, items, mistakes)
    escape = _escape(directives)
    logical: list[Logical] = []
    comments: list[str] = []
    for item in items:
        if not isinstance(item, Token):
            logical.append(_logical(source, item, escape, comments, mistakes))
            comments = []
        elif "#" in item and item.strip(SPACES)[1:].strip(SPACES):
            # An indented comment keeps its mark here, as in BuildKit: it documents nothing.
            comments.append(item.rstrip(_LINE_END)[1:].strip(SPACES))
        else:
            comments = []
    return Lines(directives, escape, tuple(logical), tuple(mistakes))


class _Marker(PostLex):
    """Says of each physical line what it is where only its neighbours tell."""

    always_accept = ("DIRECTIVE", "COMMENT", "BLANK", "ENDS_IN_BACKSLASH", "ENDS_IN_BACKTICK", "OTHER_LINE")

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        """Turn the tokens of lines into the tokens that the grammar declares; keeps nothing between two files."""
        escape, directives_over = "\\", False
        parts: list[str] = []
        for token in stream:
            if token.type == "DIRECTIVE" and not directives_over:
                escape = _new_escape(token, escape)
                yield token
                continue
            directives_over = True
            if token.type in ("COMMENT", "BLANK", "DIRECTIVE"):
                yield token
                continue
            continues = _ESCAPES.get(token.type) == escape
            parts.append(_content(token, continues=continues, first=not parts))
            yield token.update(type="CONTINUED" if continues else "LINE")
            if not continues:
                yield from self._documents(stream, "".join(parts), escape)
                parts.clear()
        if parts:
            yield Token("END_OF_FILE", "")
            yield from self._documents(stream, "".join(parts), escape)

    def _documents(self, stream: Iterator[Token], text: str, escape: str) -> Iterator[Token]:
        try:
            marks = heredocs.marks(text, escape)
        except DockerfileError:
            return  # told when the line is put together, in `_logical`
        for mark in marks:
            for token in stream:
                line = token.rstrip(_LINE_END)
                if (line.lstrip("\t") if mark.chomp else line) == mark.name:
                    yield token.update(type="TERMINATOR")
                    break
                yield token.update(type="BODY")
            else:
                yield Token("TERMINATOR", "")


class _FileRules(Transformer[Token, list[Any]]):
    """Callbacks of the rules about physical lines: lists of tokens, put together by `split`."""

    def file(self, children: list[Any]) -> list[Any]:
        return children

    def instruction_lines(self, children: list[Any]) -> list[Any]:
        return children

    def heredoc(self, children: list[Token]) -> list[Token]:
        return children


@cache
def _parser() -> Lark:
    return grammars.build("dockerfile", ["file"], "\\", postlex=_Marker(), transformer=_FileRules())


def _start(token: Token) -> int:
    """Return where a token begins; lark leaves it open only for tokens that no text has."""
    return token.start_pos or 0


def _content(line: Token, *, continues: bool, first: bool) -> str:
    """Return what a physical line adds to its logical line: no line end, no continuing escape token."""
    content = line.rstrip(_LINE_END)
    if continues:
        content = content.rstrip(" \t")[:-1]
    return content.lstrip(SPACES) if first else content


def _new_escape(directive: Token, escape: str) -> str:
    name, value = _read_directive(directive)
    return value if name == "escape" and value in ("\\", "`") else escape


def _read_directive(token: Token) -> tuple[str, str]:
    found = _DIRECTIVE.match(token.partition("#")[2].lstrip(SPACES))
    assert found, "the grammar's DIRECTIVE is a case of this expression"
    return found[1].lower(), found[2]


def _directives(source: Source, items: list[Any], mistakes: Mistakes) -> tuple[Directive, ...]:
    """Take the directives from the front of `items`."""
    found: dict[str, Directive] = {}
    while items and isinstance(items[0], Token) and items[0].type == "DIRECTIVE":
        token = items.pop(0)
        name, value = _read_directive(token)
        span = source.span(_start(token), _start(token) + len(token.rstrip(_LINE_END)))
        if name in found:
            first = found[name].span.line
            mistakes.append(
                source.error(span, f"second {name} directive", f"the first is on line {first}", "keep one of them")
            )
        elif name == "escape" and value not in ("\\", "`"):
            mistakes.append(source.error(span, f"invalid escape token {value!r}", "", "it can be \\ or `"))
        found.setdefault(name, Directive(name, value, span))
    return tuple(found.values())


def _escape(directives: tuple[Directive, ...]) -> str:
    return next((one.value for one in directives if one.name == "escape" and one.value in ("\\", "`")), "\\")


def _logical(source: Source, lines: Lined, escape: str, comments: list[str], mistakes: Mistakes) -> Logical:
    """Join the lines of one instruction, and read its here-documents."""
    parts: list[str] = []
    starts: list[int] = []
    offsets: list[int] = []
    length = end = 0
    for line in lines:
        if isinstance(line, Token) and line.type in ("CONTINUED", "LINE"):
            content = _content(line, continues=line.type == "CONTINUED", first=not parts)
            starts.append(length)
            offsets.append(_start(line) + (0 if parts else len(line) - len(line.lstrip(SPACES))))
            parts.append(content)
            length += len(content)
        if isinstance(line, Token) and line:
            end = _start(line) + len(line.rstrip(_LINE_END))
    text = "".join(parts)
    empty = tuple(_start(line) for line in lines if isinstance(line, Token) and line.type == "BLANK")
    logical = Logical(text, tuple(starts), tuple(offsets), offsets[0], end, tuple(comments), (), empty)
    if "<<" not in text:
        return logical
    try:
        marks = heredocs.marks(text, escape)
    except DockerfileError as mistake:
        mistakes.append(source.error(_mark_span(source, logical), mistake.what, mistake.why, mistake.hint))
        return logical
    bodies = [line for line in lines if not isinstance(line, Token)]
    documents = [_heredoc(source, logical, *pair, mistakes) for pair in zip(marks, bodies, strict=True)]
    return logical._replace(heredocs=tuple(documents), end=documents[-1].span.end) if documents else logical


def _mark_span(source: Source, logical: Logical) -> Span:
    """Return the place from the first mark of a here-document to the end of its line."""
    start = logical.text.index("<<")
    return source.span(logical.offset(start), logical.offset(len(logical.text) - 1) + 1)


def _heredoc(source: Source, logical: Logical, mark: Mark, lines: list[Token], mistakes: Mistakes) -> Heredoc:
    *body, terminator = lines
    if terminator:
        start = _start(body[0] if body else terminator)
        span = source.span(start, _start(terminator) + len(terminator.rstrip(_LINE_END)))
    else:
        # Nothing ends the body, so it goes to the end of the file.
        mistakes.append(
            source.error(
                _mark_span(source, logical),
                "unterminated here-document",
                f"no line after this one holds {mark.name!r} and nothing else",
                f"end it with a line {mark.name}, or quote the << if no here-document is meant",
            )
        )
        span = source.span(_start(body[0]) if body else len(source.text), len(source.text))
    content = "".join(body)
    return Heredoc(mark.name, mark.file_descriptor, mark.expand, mark.chomp, content, span)
