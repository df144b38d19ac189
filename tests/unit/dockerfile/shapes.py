"""What must stay the same when a syntax tree is printed and parsed again: everything but the places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mydocker.dockerfile.syntax import Command, Syntax


def shape(syntax: Syntax) -> Any:
    """Return a syntax tree without its places, comments and the way it was laid out."""
    directives = [(one.name, one.value) for one in syntax.directives]
    return (directives, syntax.escape, [_command(command) for command in syntax.commands])


def _command(command: Command) -> Any:
    return (
        command.keyword.text,
        [(flag.name, flag.value) for flag in command.flags],
        command.form,
        [word.text for word in command.arguments],
        command.check.text if command.check else None,
        _command(command.inner) if command.inner else None,
        [(one.name, one.file_descriptor, one.expand, one.chomp, one.content) for one in command.heredocs],
    )
