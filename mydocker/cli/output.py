"""How results look: tables, lines, JSON, errors. Results to stdout, all else to stderr."""

from __future__ import annotations

import os
import sys

from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TextIO

    from mydocker.errors import MydockerError


class Output:
    """Where a command's answer goes; made once per command line (or per line of the shell)."""

    def __init__(self, stdout: TextIO | None = None, stderr: TextIO | None = None) -> None:
        self._stdout = stdout
        self._stderr = stderr

    @property
    def stdout(self) -> TextIO:
        """The stream for results: the one given, else whatever `sys.stdout` is now."""
        return self._stdout or sys.stdout

    @property
    def stderr(self) -> TextIO:
        """The stream for everything else."""
        return self._stderr or sys.stderr

    def line(self, text: str = "") -> None:
        """Write one line of results; control characters in it are made visible."""
        self.stdout.write(visible(text) + "\n")
        self.stdout.flush()

    def raw(self, text: str) -> None:
        """Write text made by this program itself, as it is."""
        self.stdout.write(text)
        self.stdout.flush()

    def note(self, text: str) -> None:
        """Tell a person something that is no result."""
        self.stderr.write(visible(text) + "\n")
        self.stderr.flush()

    def table(self, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Write a table in the seed's form, the header in any case; on a terminal it is cut to fit."""
        shown = self.table_lines(header, rows)
        self.stdout.write("".join(line + "\n" for line in shown))
        self.stdout.flush()

    def table_lines(self, header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
        """Return the lines that `table` writes."""
        from mydocker.cli.table import lines

        return lines(header, [[visible(cell) for cell in row] for row in rows], self.columns, uses_colour(self.stdout))

    @property
    def columns(self) -> int:
        """The width of the terminal that results go to; 0 where they do not go to one."""
        if not self.stdout.isatty():
            return 0
        return os.get_terminal_size(self.stdout.fileno()).columns

    def json(self, value: object) -> None:
        """Write `value` as one JSON document."""
        import json

        self.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
        self.stdout.flush()

    def error(self, error: MydockerError) -> None:
        """Write an error's lines to stderr, the first behind the program's name."""
        first, *rest = error.lines()
        self.stderr.write("".join(visible(line, keep="\t") + "\n" for line in (f"mydocker: {first}", *rest)))
        self.stderr.flush()


def uses_colour(stream: TextIO) -> bool:
    """Tell whether colour may be written to `stream`: to terminals that have it, unless NO_COLOR says no."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"


def visible(text: str, keep: str = "") -> str:
    """Return `text` with control characters and lone surrogates as escapes: a name must not drive a terminal."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in keep else (f"\\x{ord(c):02x}" if ord(c) < 256 else f"\\u{ord(c):04x}")
        for c in text
    )


def local_time(seconds: float) -> str:
    """Return a time as the seed's tables print it, in the local zone: `2023-10-08 11:31:29`."""
    import time

    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
