"""Tables: the seed's form to the letter in a file or a pipe; on a terminal cut to its width, and in colour.

A column is three blanks wider than its widest cell, and at least twelve characters. On a terminal that is too narrow
the widest columns give way first; what is cut ends in an ellipsis. --format json and pipes give whole values.
"""

from __future__ import annotations

from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_GAP = 3
_NARROWEST = 12
_LEAST = 6  # a column is not made narrower than this: two letters, an ellipsis and the gap

_BOLD, _GREEN, _RED, _YELLOW, _PLAIN = "\x1b[1m", "\x1b[32m", "\x1b[31m", "\x1b[33m", "\x1b[0m"
_COLOURED_COLUMN = "STATUS"


def lines(header: Sequence[str], rows: Sequence[Sequence[str]], columns: int = 0, colour: bool = False) -> list[str]:
    """Return the lines of a table, for a terminal of so many columns (0: none, nothing is cut)."""
    cells = [list(header), *(list(row) for row in rows)]
    widths = [max(_NARROWEST, *(width(row[i]) + _GAP for row in cells)) for i in range(len(header))]
    if columns:
        widths = _fitted(cells, widths, columns)
    found = []
    for number, row in enumerate(cells):
        parts = []
        for i, (cell, wide) in enumerate(zip(row, widths, strict=False)):
            last = i == len(row) - 1
            text = _cut(cell, wide - (0 if last else 1)) if columns else cell
            painted = _paint(text, header[i], number == 0) if colour and text else text
            parts.append(painted if last else painted + " " * (wide - width(text)))
        found.append("".join(parts).rstrip())
    return found


def width(text: str) -> int:
    """Return the columns that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def _fitted(cells: list[list[str]], widths: list[int], columns: int) -> list[int]:
    """Return widths that fit the terminal: first without the wide gaps, then cutting the widest, down to a limit."""
    last = len(widths) - 1
    fitted = list(widths)
    fitted[last] = max(width(row[last]) for row in cells)  # nothing stands behind the last column
    if sum(fitted) > columns:
        fitted[:last] = [max(width(row[i]) for row in cells) + 2 for i in range(last)]
    while sum(fitted) > columns and max(fitted) > _LEAST:
        widest = fitted.index(max(fitted))
        fitted[widest] -= 1
    return fitted


def _cut(text: str, wide: int) -> str:
    if width(text) <= wide:
        return text
    while text and width(text) > wide - 1:
        text = text[:-1]
    return f"{text.rstrip()}…"


def _paint(text: str, column: str, is_header: bool) -> str:
    if is_header:
        return f"{_BOLD}{text}{_PLAIN}"
    if column != _COLOURED_COLUMN:
        return text
    word = text.partition(" ")[0]
    if word == "running":
        return f"{_RED if 'unhealthy' in text else _GREEN}{text}{_PLAIN}"
    if word in ("paused", "created"):
        return f"{_YELLOW}{text}{_PLAIN}"
    failed = word in ("exited", "ended") and not text.startswith(f"{word} (0)")
    return f"{_RED}{text}{_PLAIN}" if failed else text
