"""The text of a Dockerfile, and places in it."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property

from mydocker.errors import DockerfileError
from mydocker.values import NamedTuple

BYTE_ORDER_MARK = "\ufeff"


class Span(NamedTuple):
    """A piece of the text: lines and columns count from 1, `end_column` and `end` are one past the last character.

    `start` and `end` are offsets into the decoded text without its byte-order mark.
    """

    line: int
    column: int
    end_line: int
    end_column: int
    start: int
    end: int


class Source:
    """A Dockerfile's text with its name. Bytes that are no UTF-8 are kept as surrogates, so nothing is lost."""

    def __init__(self, text: bytes | str, filename: str = "Dockerfile") -> None:
        decoded = text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else text
        self.filename = filename
        self.has_mark = decoded.startswith(BYTE_ORDER_MARK)
        self.text = decoded.removeprefix(BYTE_ORDER_MARK)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Source) and (self.filename, self.text) == (other.filename, other.text)

    def __hash__(self) -> int:
        return hash((self.filename, self.text))

    @cached_property
    def line_starts(self) -> list[int]:
        """The offset at which each line begins."""
        starts, at = [0], self.text.find("\n")
        while at >= 0:
            starts.append(at + 1)
            at = self.text.find("\n", at + 1)
        return starts

    def line_of(self, offset: int) -> int:
        """Return the number of the line in which an offset lies."""
        return bisect_right(self.line_starts, offset)

    def line(self, number: int) -> str:
        """Return the text of a line, without its end."""
        starts = self.line_starts
        if not 1 <= number <= len(starts):
            return ""
        end = starts[number] if number < len(starts) else len(self.text)
        return self.text[starts[number - 1] : end].rstrip("\r\n")

    def span(self, start: int, end: int) -> Span:
        """Return the span of the characters from `start` up to `end`, which may be on a later line."""
        starts = self.line_starts
        line = bisect_right(starts, start)
        last = line if line == len(starts) or end < starts[line] else bisect_right(starts, end)
        return Span(line, start - starts[line - 1] + 1, last, end - starts[last - 1] + 1, start, end)

    def error(self, span: Span, what: str, why: str = "", hint: str = "") -> DockerfileError:
        """Return the error that shows `span` with a caret (its first line, when it has several)."""
        end_column = span.end_column if span.end_line == span.line else len(self.line(span.line)) + 1
        return DockerfileError(
            what,
            why,
            hint,
            filename=self.filename,
            line=span.line,
            column=span.column,
            end_column=end_column,
            source=self.line(span.line),
        )
