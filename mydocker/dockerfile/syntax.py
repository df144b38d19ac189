"""The syntax tree: what the text says, before anything is known about the meaning of an instruction.

A `Command` is one instruction as written, with the exact place of every part. `instructions` gives them their types.
"""

from __future__ import annotations

from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mydocker.dockerfile.source import Source, Span


class Word(NamedTuple):
    """An argument as written (quotes, escapes and variables still in it), or a string of an exec form."""

    text: str
    span: Span


class Flag(NamedTuple):
    """`--name=value` without the quotes that protected it; `value` is None where there is no `=`."""

    name: str
    value: str | None
    span: Span

    def __str__(self) -> str:
        return f"--{self.name}" if self.value is None else f"--{self.name}={self.value}"


class Heredoc(NamedTuple):
    """A here-document: `<<name`; `expand` unless a part of the name was quoted, `chomp` after `<<-`.

    `content` is the body as written; `text` is what a reader of the document gets.
    """

    name: str
    file_descriptor: int
    expand: bool
    chomp: bool
    content: str
    span: Span

    @property
    def text(self) -> str:
        """The body, without the leading tabs of each line when the mark was `<<-`."""
        if not self.chomp:
            return self.content
        return "".join(line.lstrip("\t") for line in self.content.splitlines(keepends=True))


class Command(NamedTuple):
    """One instruction as written.

    `form` tells how its arguments were given: "exec" (a JSON array), "text" (one text to the end of the line), "words",
    "pairs" (`key=value` ...), "old" (`key value`) or "none". `check` is the word after HEALTHCHECK. Pairs are words
    with the `=` in them; the old form is two words.
    """

    keyword: Word
    flags: tuple[Flag, ...]
    form: str
    arguments: tuple[Word, ...]
    check: Word | None
    inner: Command | None
    heredocs: tuple[Heredoc, ...]
    comments: tuple[str, ...]
    original: str
    span: Span

    @property
    def name(self) -> str:
        """The keyword in capital letters."""
        return self.keyword.text.upper()


class Directive(NamedTuple):
    """A parser directive: `name` is "syntax", "escape" or "check"."""

    name: str
    value: str
    span: Span


class Syntax(NamedTuple):
    """A whole file: its directives, commands, and the spans of blank lines inside continued instructions."""

    source: Source
    directives: tuple[Directive, ...]
    escape: str
    commands: tuple[Command, ...]
    empty_continuations: tuple[Span, ...]
