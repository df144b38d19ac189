"""Text for pictures: what a node says, cut to the width that it has, with nothing in it that a format cannot carry."""

from __future__ import annotations

import unicodedata

from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.build.graph import Node


def plain(text: str) -> str:
    """Return `text` in one line, with controls, lone surrogates and what XML 1.0 forbids shown as replacements.

    Signs that turn the direction of writing are among them: they would make a picture say what no file says.
    """
    return "".join(c if c.isprintable() and unicodedata.category(c) != "Cf" else _stand_in(c) for c in text)


def _stand_in(char: str) -> str:
    return " " if char in "\t\n\r\v\f\u2028\u2029" or char.isspace() else "\ufffd"


def width(text: str) -> int:
    """Return how many columns a text takes in a monospaced font."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def fitted(text: str, columns: int) -> str:
    """Return `text` as it fits into so many columns, with an ellipsis where something is missing."""
    text = plain(text)
    if width(text) <= columns:
        return text
    taken = 0
    for at, char in enumerate(text):
        taken += width(char)
        if taken > columns - 1:
            return text[:at] + "…"
    return text


def size(count: int) -> str:
    """Return a number of bytes in words, in powers of 1000."""
    amount, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"


def facts(node: Node) -> str:
    """Return what became of a step in a few words: `run 3.2 s, 4.1 MB`."""
    if node.state == "hit":
        parts = [f"cached, {node.saved:.1f} s saved" if node.saved >= 0.1 else "cached"]
    elif node.state in ("run", "failed"):
        parts = [f"{node.state} {node.seconds:.1f} s"]
    else:
        parts = [node.state]
    if node.size:
        parts.append(size(node.size))
    return ", ".join(parts)
