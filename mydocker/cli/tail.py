"""The end of what a step wrote, fit to be shown: nothing in it drives a terminal."""

from __future__ import annotations

import re
from collections import deque

from mydocker.cli.output import visible

_MOST_LINES = 200
_LONGEST_LINE = 4096
# Control sequences, and strings like window titles (ECMA-48, sections 5.4 and 5.6).
_SEQUENCES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")


class Tail:
    """The last lines of some output; a line that was rewritten by carriage returns is in its last form."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=_MOST_LINES)
        self._open = ""

    def feed(self, data: bytes) -> None:
        """Take output."""
        *whole, last = (self._open + data.decode(errors="replace")).split("\n")
        self._lines.extend(_last_form(line) for line in whole[-_MOST_LINES:])
        self._open = last[-_LONGEST_LINE:]

    def lines(self, count: int = _MOST_LINES) -> list[str]:
        """Return at most `count` last lines."""
        found = [*self._lines, *([_last_form(self._open)] if self._open else [])]
        return found[-count:] if count else []


def _last_form(line: str) -> str:
    plain = _SEQUENCES.sub("", line[-_LONGEST_LINE:].rstrip("\r").rpartition("\r")[2])
    return visible(plain.replace("\t", "    "))
