"""Syntax trees and typed stages as plain JSON values, for other tools; docs/dockerfile.md has the schema."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mydocker.dockerfile import options
from mydocker.dockerfile.instructions import NAMES, Maintainer, OnBuild, Run
from mydocker.dockerfile.source import Span
from mydocker.errors import DockerfileError, DockerfileErrors

if TYPE_CHECKING:
    from mydocker.dockerfile.instructions import Instruction
    from mydocker.dockerfile.stages import Dockerfile
    from mydocker.dockerfile.syntax import Command, Syntax

_SURROGATE = re.compile("[\ud800-\udfff]")


def syntax_tree(syntax: Syntax) -> dict[str, Any]:
    """Return a syntax tree at the level of BuildKit's parser."""
    return _clean(
        {
            "ok": True,
            "filename": syntax.source.filename,
            "escape": syntax.escape,
            "directives": [{"name": one.name, "value": one.value, **_place(one.span)} for one in syntax.directives],
            "commands": [_command(command) for command in syntax.commands],
            "empty_continuation_lines": [span.line for span in syntax.empty_continuations],
        }
    )


def typed_tree(dockerfile: Dockerfile) -> dict[str, Any]:
    """Return the typed stages at the level of BuildKit's instructions.Parse, nothing expanded."""
    arguments = [argument for arg in dockerfile.meta_args for argument in arg.arguments]
    return _clean(
        {
            "ok": True,
            "filename": dockerfile.source.filename,
            "escape": dockerfile.escape,
            "directives": [{"name": one.name, "value": one.value, **_place(one.span)} for one in dockerfile.directives],
            "meta_args": [{"key": one.name, "value": one.default, "comment": one.comment} for one in arguments],
            "stages": [
                {
                    "name": stage.name,
                    "base": stage.image,
                    "platform": stage.platform,
                    "comment": stage.from_.comment,
                    **_place(stage.span),
                    "commands": [_instruction(one) for one in stage.instructions],
                }
                for stage in dockerfile.stages
            ],
        }
    )


def mistakes_tree(error: DockerfileError) -> dict[str, Any]:
    """Return what is said instead of a tree: the first mistake, and all of them under `errors`."""
    every = error.mistakes if isinstance(error, DockerfileErrors) else (error,)
    told = [{"error": str(one), "hint": one.hint, "line": one.line, "column": one.column} for one in every]
    return _clean({"ok": False, "filename": error.filename, **told[0], "errors": told})


def _command(command: Command) -> dict[str, Any]:
    outer, inner = command, command.inner
    told = inner or outer
    return {
        "cmd": outer.keyword.text,
        "sub_cmd": inner.keyword.text if inner else None,
        "json": told.form == "exec",
        "original": outer.original,
        "start_line": outer.span.line,
        "end_line": outer.span.end_line,
        "flags": [str(flag) for flag in told.flags],
        "value": _value(outer),
        "heredocs": [
            {
                "name": one.name,
                "file_descriptor": one.file_descriptor,
                "expand": one.expand,
                "chomp": one.chomp,
                "content": one.content,
            }
            for one in outer.heredocs
        ],
        "comments": list(outer.comments),
        "arguments": [{"text": word.text, **_place(word.span)} for word in told.arguments],
    }


def _value(command: Command) -> list[str]:
    """Return the arguments as BuildKit's parser hands them on: pairs as key and value, HEALTHCHECK's CMD in front.

    An instruction that nobody knows has one empty value, and so has one ONBUILD in another.
    """
    told = command.inner or command
    if told.name not in NAMES or told.inner:
        return [""]
    value = [told.check.text] if told.check else []
    for word in told.arguments:
        if told.form == "pairs":
            key, _, rest = word.text.partition("=")
            value += [key, rest]
        else:
            value.append(word.text)
    return value


def _instruction(instruction: Instruction) -> dict[str, Any]:
    """Return the fields of an instruction, `name` being its keyword as spelled."""
    told: dict[str, Any] = {"name": instruction.keyword, "kind": type(instruction).__name__}
    for field in instruction._fields:
        if field not in ("keyword", "span", "original", "mounts", "mount_flags", "trigger", "name"):
            told[field.rstrip("_")] = _plain(getattr(instruction, field))
    if isinstance(instruction, Run):
        told["mounts"] = [_mount(flag) for flag in instruction.mount_flags]
    elif isinstance(instruction, OnBuild):
        told["trigger"] = _instruction(instruction.trigger) if instruction.trigger else None
    elif isinstance(instruction, Maintainer):
        told["maintainer"] = instruction.name
    return {**told, **_place(instruction.span)}


def _mount(flag: str) -> dict[str, str | bool]:
    pairs = (field.partition("=") for field in options.fields(flag))
    return {key.lower(): value if equals else True for key, equals, value in pairs}


def _plain(value: Any) -> Any:
    if isinstance(value, Span):
        return _place(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {field.rstrip("_"): _plain(getattr(value, field)) for field in value._fields}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value


def _place(span: Span) -> dict[str, int]:
    return {
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }


def _clean(tree: dict[str, Any]) -> dict[str, Any]:
    """Replace the bytes that are no UTF-8, as JSON cannot hold them."""
    return {key: _clean_value(value) for key, value in tree.items()}


def _clean_value(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, dict):
        return _clean(value)
    return [_clean_value(one) for one in value] if isinstance(value, list) else value
