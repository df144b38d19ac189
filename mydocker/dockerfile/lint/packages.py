"""Checks of the commands in RUN: package managers, sudo, pipes."""

from __future__ import annotations

import re

from mydocker.dockerfile.instructions import Run, ShellForm
from mydocker.dockerfile.lint import shell
from mydocker.dockerfile.lint.finding import Edit, Finding, Fix
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mydocker.dockerfile.lint.shell import ShellCommand
    from mydocker.dockerfile.lint.subject import Findings, Subject

# What apt and apt-get do alike.
_APT_VERBS = ("install", "update", "upgrade", "remove", "purge", "autoremove", "clean")
_ASSUME_YES = ("-y", "--yes", "--assume-yes", "-qq")
_PIP = re.compile(r"pip[\d.]*")


def run_commands(subject: Subject) -> Findings:
    """All checks that look at one command at a time, and DL3009, which looks at one RUN."""
    for step in subject.steps:
        if not isinstance(step.instruction, Run):
            continue
        commands = shell.commands(subject, step.instruction)
        for command in commands:
            yield from _check(subject, step.instruction, command)
        yield from _apt_lists(subject, step.instruction, commands)


def _check(subject: Subject, run: Run, command: ShellCommand) -> Iterator[Finding]:
    program = command.program
    if program == "sudo":
        yield _found(subject, "DL3004", "sudo in a build: write USER where another user is meant", command)
    elif program == "apt":
        verb = command.verb
        fix = _replaced(command, "apt-get", "use apt-get") if verb in _APT_VERBS else None
        yield _found(subject, "DL3027", "apt has no stable interface for scripts", command, fix)
    elif program == "apt-get" and command.verb == "install":
        yield from _apt_install(subject, command)
    elif program == "apk" and command.verb == "add" and not command.has("--no-cache") and not _cached(run, "/apk"):
        yield _found(subject, "DL3019", "apk add keeps its index", command, _added(command, "add", "--no-cache"))
    elif _is_pip_install(command) and not command.has("--no-cache-dir") and not _avoids_pip_cache(subject, run):
        fix = _added(command, "install", "--no-cache-dir")
        yield _found(subject, "DL3042", "pip install keeps its cache", command, fix)


def _apt_install(subject: Subject, command: ShellCommand) -> Iterator[Finding]:
    if not command.has(*_ASSUME_YES):
        fix = _added(command, "install", "-y")
        yield _found(subject, "DL3014", "apt-get install asks, and nobody answers", command, fix)
    if not command.has("--no-install-recommends"):
        yield _found(subject, "DL3015", "apt-get install also installs what is only recommended", command)


def _apt_lists(subject: Subject, run: Run, commands: list[ShellCommand]) -> Iterator[Finding]:
    update = next((one for one in commands if one.program in ("apt-get", "apt") and one.verb == "update"), None)
    if not update or _cached(run, "/var/lib/apt") or _cached(run, "/var/cache/apt"):
        return
    removes = any(one.program == "rm" and any("/var/lib/apt" in word.text for word in one.words) for one in commands)
    if not removes:
        yield _found(subject, "DL3009", "the lists of apt-get update stay in the layer", update)


def pipefail(subject: Subject) -> Findings:
    """DL4006: without pipefail a step succeeds although the first command of a pipe failed."""
    for stage in subject.dockerfile.stages:
        careful = False
        for instruction in stage.instructions:
            if isinstance(instruction, ShellForm):
                careful = any("pipefail" in argument for argument in instruction.argv) or not re.search(
                    r"sh$", instruction.argv[0]
                )
            elif isinstance(instruction, Run) and not careful:
                commands = shell.commands(subject, instruction)
                sets = any(one.program == "set" and "pipefail" in [word.text for word in one.words] for one in commands)
                pipe = next((one for one in commands if one.end in ("|", "|&")), None)
                if pipe and not sets:
                    yield _found(subject, "DL4006", "a failure on the left of the pipe goes unnoticed", pipe)


def _is_pip_install(command: ShellCommand) -> bool:
    if _PIP.fullmatch(command.program):
        return command.verb == "install"
    return command.program.startswith("python") and [one.text for one in command.words[1:4]] == ["-m", "pip", "install"]


def _avoids_pip_cache(subject: Subject, run: Run) -> bool:
    return _cached(run, "pip") or "PIP_NO_CACHE_DIR" in subject.source.text


def _cached(run: Run, part: str) -> bool:
    """Tell whether a cache mount keeps a directory out of the layer."""
    return any("type=cache" in mount and part in mount for mount in run.mount_flags)


def _found(subject: Subject, rule: str, message: str, command: ShellCommand, fix: Fix | None = None) -> Finding:
    first = command.words[0]
    return subject.finding(rule, message, subject.source.span(first.start, first.end), fix)


def _replaced(command: ShellCommand, text: str, title: str) -> Fix:
    first = command.words[0]
    return Fix(title, (Edit(first.start, first.end, text),))


def _added(command: ShellCommand, verb: str, option: str) -> Fix | None:
    word = next((one for one in command.words if one.text == verb), None)
    return Fix(f"add {option}", (Edit(word.end, word.end, f" {option}"),)) if word else None
