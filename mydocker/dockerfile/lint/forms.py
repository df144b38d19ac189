"""Checks of how instructions are written: forms that are deprecated, ambiguous or without effect."""

from __future__ import annotations

import re

from mydocker.dockerfile.instructions import (
    Cmd,
    Entrypoint,
    Env,
    Expose,
    Label,
    Maintainer,
    Shell,
    ShellForm,
    Workdir,
)
from mydocker.dockerfile.lint.finding import Edit, Fix
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.dockerfile.lint.subject import Findings, Subject
    from mydocker.dockerfile.syntax import Command

_PORT = re.compile(r"(\d+)(?:-(\d+))?", re.ASCII)
# With none of these in it, a text means the same between double quotes as it does alone.
_NEEDS_THOUGHT = re.compile(r"[\\\"'`\n\r]")


def empty_continuation(subject: Subject) -> Findings:
    """NoEmptyContinuation: a blank line inside an instruction."""
    text = subject.source.text
    for span in subject.syntax.empty_continuations:
        end = text.find("\n", span.start)
        if end >= 0:
            fix = Fix("remove the blank line", (Edit(span.start, end + 1, ""),))
            yield subject.finding("NoEmptyContinuation", "blank line inside an instruction", span, fix)


def json_arguments(subject: Subject) -> Findings:
    """JSONArgsRecommended: unless a SHELL was chosen, a shell stands between the program and its signals."""
    choosing: set[int] = set()
    for position, stage in enumerate(subject.dockerfile.stages):
        base = subject.bases[position]
        chosen = base is not None and base.span.start in choosing
        for instruction in stage.instructions:
            chosen = chosen or isinstance(instruction, ShellForm)
            if isinstance(instruction, Cmd | Entrypoint) and isinstance(instruction.command, Shell) and not chosen:
                command = subject.command(instruction)
                if command.arguments:
                    yield subject.finding(
                        "JSONArgsRecommended",
                        f"{command.name} in shell form runs under a shell that passes no signals on",
                        command.arguments[0].span,
                    )
        if chosen:
            choosing.add(stage.span.start)


def maintainer(subject: Subject) -> Findings:
    """MaintainerDeprecated."""
    for step in subject.steps:
        if not isinstance(step.instruction, Maintainer):
            continue
        command = subject.command(step.instruction)
        fix = None
        if not _NEEDS_THOUGHT.search(step.instruction.name) and "$" not in step.instruction.name:
            keyword = "label" if command.keyword.text.islower() else "LABEL"
            label = f'{keyword} org.opencontainers.image.authors="{step.instruction.name}"'
            fix = Fix("write a label instead", (Edit(command.span.start, command.arguments[0].span.end, label),))
        yield subject.finding("MaintainerDeprecated", "MAINTAINER is deprecated", command.keyword.span, fix)


def legacy_pairs(subject: Subject) -> Findings:
    """LegacyKeyValueFormat: `ENV key value`."""
    for step in subject.steps:
        if isinstance(step.instruction, Env | Label) and step.instruction.pairs[0].old:
            command = subject.command(step.instruction)
            yield subject.finding(
                "LegacyKeyValueFormat",
                f"{command.name} key value should be written {command.name} key=value",
                command.arguments[0].span,
                _pair_fix(subject, command),
            )


def _pair_fix(subject: Subject, command: Command) -> Fix | None:
    key, value = command.arguments
    written = subject.source.text[key.span.start : value.span.end]
    if "\n" in written or "=" in key.text or _NEEDS_THOUGHT.search(key.text + value.text):
        return None
    quoted = f'"{value.text}"' if re.search(r"\s", value.text) else value.text
    return Fix("write key=value", (Edit(key.span.start, value.span.end, f"{key.text}={quoted}"),))


def relative_workdir(subject: Subject) -> Findings:
    """WorkdirRelativePath: the first WORKDIR of a stage, and of the stages it is based on, should be absolute."""
    settled: set[int] = set()
    for position, stage in enumerate(subject.dockerfile.stages):
        base = subject.bases[position]
        known = base is not None and base.span.start in settled
        for step in subject.steps_of[stage.span.start]:
            if not isinstance(step.instruction, Workdir):
                continue
            path = step.expanded.instruction.path if step.expanded else ""  # type: ignore[union-attr]
            if not known and path and not path.startswith(("/", "\\")) and path[1:2] != ":":
                span = subject.command(step.instruction).arguments[0].span
                yield subject.finding(
                    "WorkdirRelativePath", f"'{path}' is relative to a directory that the base image chooses", span
                )
            known = True
        if known:
            settled.add(stage.span.start)


def expose(subject: Subject) -> Findings:
    """ExposeInvalidFormat and DL3011."""
    for step in subject.steps:
        if not isinstance(step.instruction, Expose):
            continue
        for word in subject.command(step.instruction).arguments:
            port = word.text.partition("/")[0]
            found = _PORT.fullmatch(port)
            if ":" in port and "$" not in port:
                yield subject.finding(
                    "ExposeInvalidFormat",
                    f"'{word.text}' has an address or a host's port, which EXPOSE has not",
                    word.span,
                )
            elif found and any(_too_large(number) for number in found.groups() if number):
                yield subject.finding("DL3011", f"there is no port '{port}'", word.span)


def _too_large(port: str) -> bool:
    digits = port.lstrip("0")
    return len(digits) > 5 or int(digits or "0") > 65535
