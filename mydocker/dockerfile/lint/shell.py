"""The simple commands of a shell text, with the place of every word in the file.

Not a shell: it knows quotes, comments, continuations and the operators between commands, which is enough to see which
programs are called with which words. Anything it cannot read it leaves out.
"""

from __future__ import annotations

import re

from mydocker.dockerfile.instructions import Run, Shell
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mydocker.dockerfile.lint.subject import Subject

_TOKEN = re.compile(
    r"""
      (?P<blank>   [ \t\r]++ | \\[ \t]*+\r?\n (?:[ \t]*+\#[^\n]*+\n)* )
    | (?P<comment> (?<![^\s;&|(]) \#[^\n]*+ )
    | (?P<end>     &&|\|\||\|&|[;&|()\n]|(?<!\S)[{}](?!\S) )
    | (?P<word>    (?: [^\s'"\\;&|()]++ | \\(?![ \t]*+\r?\n)[\s\S] | "(?:[^"\\]|\\[\s\S])*" | '[^']*+' )+ )
    """,
    re.VERBOSE,
)
_ASSIGNMENT = re.compile(r"\w+=")
_PREFIXES = ("env", "exec", "time", "nice", "then", "do", "else", "if", "while", "until", "!", "sudo")


class ShellWord(NamedTuple):
    """A word of a command with its offsets in the file; `text` is as written."""

    text: str
    start: int
    end: int


class ShellCommand(NamedTuple):
    """A simple command: the words from the program's name on, and the operator that ends it."""

    words: tuple[ShellWord, ...]
    end: str

    @property
    def program(self) -> str:
        """The program's name without its directory."""
        return self.words[0].text.rpartition("/")[2]

    @property
    def options(self) -> tuple[str, ...]:
        """The words that begin with a dash."""
        return tuple(word.text for word in self.words[1:] if word.text.startswith("-"))

    @property
    def verb(self) -> str:
        """The first word that is no option, "" without one."""
        return next((word.text for word in self.words[1:] if not word.text.startswith("-")), "")

    def has(self, *options: str) -> bool:
        """Tell whether one of some options is given; `-y` is also in `-qy`."""
        for given in self.options:
            if given.partition("=")[0] in options:
                return True
            if not given.startswith("--") and any(len(one) == 2 and one[1] in given for one in options):
                return True
        return False


def commands(subject: Subject, run: Run) -> list[ShellCommand]:
    """Return the simple commands of a RUN in shell form, those of its here-documents included."""
    if not isinstance(run.command, Shell):
        return []
    command = subject.command(run)
    found: list[ShellCommand] = []
    for word in command.arguments:
        found += _split(subject.source.text, word.span.start, word.span.end)
    if run.command.text.startswith("<<"):  # the body is the script
        for document in run.heredocs:
            start = document.span.start
            if not document.content.startswith("#!"):
                found += _split(subject.source.text, start, start + len(document.content))
    return found


def _split(text: str, start: int, end: int) -> Iterator[ShellCommand]:
    words: list[ShellWord] = []
    at = start
    while at < end:
        found = _TOKEN.match(text, at, end)
        if not found:
            return
        at = found.end()
        if found["word"]:
            if words or not (_ASSIGNMENT.match(found["word"]) or found["word"] in _PREFIXES[:-1]):
                words.append(ShellWord(found["word"], found.start(), found.end()))
        elif found["end"]:
            if words:
                yield ShellCommand(tuple(words), found["end"])
            words = []
    if words:
        yield ShellCommand(tuple(words), "")
