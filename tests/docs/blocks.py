"""Reads the code blocks of a document, and compares what commands print with what it says they print.

`sh` blocks are run; of `console` blocks the lines behind `$ ` or `# ` are run one by one, and what they print is
compared; `python` blocks are run together, as one program. A block behind a comment `<!-- not run here: REASON -->` is
left alone. Ids, digests, process numbers, times and sizes may differ from what is printed; `...` stands for any lines.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

_SKIPPED = re.compile(r"<!-- not run here: .+ -->")
_PROMPTS = ("$ ", "# ")
_VARYING = (
    (re.compile(r", \d+\.\d s saved"), ""),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<digest>"),
    (re.compile(r"\b[0-9a-f]{12}\b"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\dZ?"), "<time>"),
    (re.compile(r"\b\d+(\.\d+)? ?(B|kB|MB|GB|KiB|MiB|GiB)\b"), "<size>"),
    (re.compile(r"\b\d+(\.\d+)?( s\b|%)"), "<amount>"),
    (re.compile(r"\b\d{3,7}\b"), "<number>"),
    (re.compile(r" +"), " "),
)


class Command(NamedTuple):
    """Text for bash, and the lines that it prints (None: they are not compared)."""

    text: str
    prints: tuple[str, ...] | None
    line: int


class Block(NamedTuple):
    """A fenced block: its language, its text, and the number of its first line."""

    language: str
    text: str
    line: int


def blocks(document: Path) -> list[Block]:
    """Return the blocks of a document that are to be run."""
    found: list[Block] = []
    inside: list[str] | None = None
    language, start, skipped = "", 0, False
    for number, line in enumerate(document.read_text().splitlines(), 1):
        if inside is None and line.startswith("```"):
            inside, language, start = [], line[3:].strip(), number + 1
        elif inside is not None and line == "```":
            if not skipped:
                found.append(Block(language, "\n".join(inside), start))
            inside, skipped = None, False
        elif inside is not None:
            inside.append(line)
        elif line.strip():
            skipped = _SKIPPED.fullmatch(line.strip()) is not None
    return found


def commands(block: Block) -> list[Command]:
    """Return the commands of an `sh` or `console` block."""
    if block.language == "sh":
        return [Command(block.text, None, block.line)]
    found: list[Command] = []
    for number, line in enumerate(block.text.splitlines(), block.line):
        if line.startswith(_PROMPTS):
            found.append(Command(line[2:], (), number))
        else:
            last = found[-1]
            found[-1] = last._replace(prints=(*(last.prints or ()), line))
    return [each if each.prints else each._replace(prints=None) for each in found]


def normal(line: str) -> str:
    """Return a line of output without what differs from one day to the next."""
    for pattern, name in _VARYING:
        line = pattern.sub(name, line)
    return line.strip()


def fits(expected: tuple[str, ...], printed: list[str]) -> bool:
    """Tell whether output is what the document says, `...` standing for any lines."""
    wanted = "\n".join(r"(?:.*\n)*.*" if line.strip() == "..." else re.escape(normal(line)) for line in expected)
    return re.fullmatch(wanted, "\n".join(map(normal, printed))) is not None
