"""Text to syntax tree: logical lines (`lines`), each read as a command (`reader`), with the places in the file."""

from __future__ import annotations

from mydocker.dockerfile import lines, reader
from mydocker.dockerfile.source import Source
from mydocker.dockerfile.syntax import Command, Flag, Syntax, Word
from mydocker.errors import DockerfileError, DockerfileErrors
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.dockerfile.lines import Logical
    from mydocker.dockerfile.reader import Part, Read
    from mydocker.dockerfile.source import Span


def parse_syntax(text: bytes | str, filename: str = "Dockerfile") -> Syntax:
    """Parse a Dockerfile into its syntax tree; raises `DockerfileErrors` with every mistake that was found.

    This is the level of BuildKit's parser: an unknown instruction is no mistake here.
    """
    syntax, mistakes = read_syntax(text, filename)
    if mistakes:
        raise DockerfileErrors(mistakes)
    return syntax


def read_syntax(text: bytes | str, filename: str = "Dockerfile") -> tuple[Syntax, list[DockerfileError]]:
    """Parse what can be parsed, and return it with the mistakes found, in the order of the file."""
    source = Source(text, filename)
    split = lines.split(source)
    mistakes = list(split.mistakes)
    commands: list[Command] = []
    empty: list[Span] = []
    for line in split.logical:
        empty.extend(source.span(at, at + len(source.line(source.line_of(at)))) for at in line.empty_lines)
        try:
            commands.append(_command(source, line, reader.read(line.text, split.escape)))
        except DockerfileError as mistake:
            mistakes.append(_placed(source, line, mistake))
    if not split.logical and not mistakes:
        mistakes.append(
            DockerfileError(
                "no instructions", "the file is empty or all comments", "begin with FROM", filename=filename, line=1
            )
        )
    mistakes.sort(key=lambda mistake: mistake.line)
    return Syntax(source, split.directives, split.escape, tuple(commands), tuple(empty)), mistakes


def _command(source: Source, line: Logical, read: Read, *, inner: bool = False) -> Command:
    start = line.offset(read.start) if inner else line.begin
    flags = tuple(_flag(source, line, part) for part in read.flags)
    return Command(
        Word(read.keyword, _span(source, line, read.start, read.start + len(read.keyword))),
        flags,
        read.form,
        tuple(_word(source, line, part) for part in read.arguments),
        _word(source, line, read.check) if read.check else None,
        _command(source, line, read.inner, inner=True) if read.inner else None,
        line.heredocs,
        () if inner else line.comments,
        line.text[read.start :] if inner else line.text,
        source.span(start, max(line.end, start)),
    )


def _span(source: Source, line: Logical, start: int, end: int) -> Span:
    """Return the place of a part of a logical line; it may begin and end on different physical lines."""
    first = line.offset(start)
    return source.span(first, line.offset(end - 1) + 1 if end > start else first)


def _word(source: Source, line: Logical, part: Part) -> Word:
    return Word(part.text, _span(source, line, part.start, part.end))


def _flag(source: Source, line: Logical, part: Part) -> Flag:
    name, equals, value = part.text[2:].partition("=")
    return Flag(name, value if equals else None, _span(source, line, part.start, part.end))


def _placed(source: Source, line: Logical, mistake: DockerfileError) -> DockerfileError:
    """Move a mistake from its columns in the logical line to its place in the file."""
    span = _span(source, line, mistake.column - 1, max(mistake.end_column, mistake.column + 1) - 1)
    return source.error(span, mistake.what, mistake.why, mistake.hint)
