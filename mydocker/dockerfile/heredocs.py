"""Here-documents: which ones a logical line opens (Dockerfile reference, "Here-Documents").

Only RUN, COPY and ADD, directly or after ONBUILD, can open one, and not in exec form. The line is split into words
as a shell would; a word that is `<<name`, maybe with a file descriptor before and a `-` after, opens a document.
"""

from __future__ import annotations

import re

from mydocker.dockerfile import words
from mydocker.errors import DockerfileError
from mydocker.values import NamedTuple

_MARK = re.compile(r"(\d*)<<(-?)\s*([^<]*)", re.ASCII)
_LINE_RULES = words.Rules(keep_quotes=True, keep_escapes=True, keep_unset=True)
_NAME_RULES = words.Rules(keep_unset=True)
_QUOTED_NAME_RULES = words.Rules(keep_quotes=True, keep_unset=True)
_LARGEST = 2**64 - 1
_MOST_DIGITS = 100
_OPENERS = ("RUN", "COPY", "ADD")


class Mark(NamedTuple):
    """The mark of a here-document, `<<name`."""

    name: str
    file_descriptor: int
    expand: bool
    chomp: bool


def marks(line: str, escape: str) -> tuple[Mark, ...]:
    """Return the marks in a logical line that may open here-documents, in order.

    Raises `DockerfileError` for a name that cannot be read.
    """
    if "<<" not in line or not _may_open(line, escape):
        return ()
    try:
        # The escape token is a backslash here, whatever the file says: the line is a shell's.
        parts = words.expand(line, {}, rules=_LINE_RULES).words
    except DockerfileError:
        return ()  # as BuildKit: what is no well-formed line of words opens nothing
    return tuple(found for part in parts if (found := mark(part)))


def mark(word: str) -> Mark | None:
    """Return the mark that a word is, or None."""
    found = _MARK.fullmatch(word)
    if not found or not found[3]:
        return None
    names = words.expand(found[3], {}, rules=_NAME_RULES).words
    if len(names) != 1:
        return None
    quoted = words.expand(found[3], {}, rules=_QUOTED_NAME_RULES).words[0]
    expand = _quotes(names[0]) == _quotes(quoted)
    # More digits than a number of 64 bits has give the largest one, as in Go.
    descriptor = min(int(found[1] or 0), _LARGEST) if len(found[1]) <= _MOST_DIGITS else _LARGEST
    return Mark(names[0], descriptor, expand, found[2] == "-")


def _quotes(text: str) -> int:
    return text.count("'") + text.count('"')


def _may_open(line: str, escape: str) -> bool:
    from mydocker.dockerfile import reader

    try:
        command = reader.read(line, escape)
    except DockerfileError:
        return False
    inner = command.inner or command
    return inner.keyword.upper() in _OPENERS and inner.form != "exec"
