"""Syntax trees back to text: one instruction on a line, one blank between words, here-documents as they were.

The text parses to the same tree, but for the places. Comments and blank lines are not part of the tree and are lost,
except the comments right before an instruction.
"""

from __future__ import annotations

import json

from mydocker.dockerfile import heredocs, reader
from mydocker.dockerfile.source import BYTE_ORDER_MARK
from mydocker.dockerfile.words import SPACES
from mydocker.errors import DockerfileError
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.dockerfile.reader import Read
    from mydocker.dockerfile.syntax import Command, Flag, Syntax


def print_syntax(syntax: Syntax) -> str:
    """Return the text of a syntax tree."""
    directives = "".join(f"# {one.name}={one.value}\n" for one in syntax.directives)
    commands = "".join(_command(command, syntax.escape) for command in syntax.commands)
    # A blank line keeps a comment from being read as a directive, and a first word from losing a byte-order mark.
    return f"{directives}\n{commands}" if commands.startswith(("#", BYTE_ORDER_MARK)) else directives + commands


def _command(command: Command, escape: str) -> str:
    if not command.keyword.text:
        return f"{escape}\n"  # a continuation that the end of the file leaves empty
    comments = "".join(f"# {comment}\n" for comment in command.comments)
    documents = "".join(f"{one.content}{one.name}\n" for one in command.heredocs)
    line = _line(command)
    if not _reads_the_same(line, command, escape):
        line = command.original.strip(SPACES)
    # A form feed is a blank that keeps the escape token before it from continuing the line.
    guard = "\f" if line.endswith(escape) else ""
    return f"{comments}{line}{guard}\n{documents}"


def _reads_the_same(line: str, command: Command, escape: str) -> bool:
    """Tell whether a line means its command: with other blanks an escape token or a `<<` can meet another word."""
    try:
        read = reader.read(line, escape)
        marks = heredocs.marks(line, escape)
    except DockerfileError:
        return False
    return _same(read, command) and [one.name for one in marks] == [one.name for one in command.heredocs]


def _same(read: Read, command: Command) -> bool:
    if (read.inner is None) != (command.inner is None) or (read.check is None) != (command.check is None):
        return False
    inner = read.inner is None or command.inner is None or _same(read.inner, command.inner)
    check = read.check is None or command.check is None or read.check.text == command.check.text
    words = (read.keyword, read.form, [part.text for part in read.arguments], [part.text for part in read.flags])
    wanted = (
        command.keyword.text,
        command.form,
        [word.text for word in command.arguments],
        [str(flag) for flag in command.flags],
    )
    return inner and check and words == wanted


def _line(command: Command) -> str:
    rest = [command.check.text] if command.check else []
    if command.inner:
        rest.append(_line(command.inner))
    elif command.form == "exec":
        rest.append(json.dumps([word.text for word in command.arguments], ensure_ascii=False))
    else:
        rest += [word.text for word in command.arguments]
    # Two dashes come before what looks like a flag, and behind an unknown keyword that ends in a blank.
    alone = not rest and not command.flags and command.keyword.text[-1:] in SPACES
    dashes = ["--"] if alone or (rest and rest[0].startswith("--")) else []
    return " ".join([command.keyword.text, *(_flag(flag) for flag in command.flags), *dashes, *rest])


def _flag(flag: Flag) -> str:
    """Return a flag with its blanks between quotes, and a backslash before what would be taken for a mark."""
    return "".join(
        f'"{character}"' if character in SPACES else f"\\{character}" if character in "\"'\\" else character
        for character in str(flag)
    )
