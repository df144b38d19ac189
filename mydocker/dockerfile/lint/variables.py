"""Checks of ARG, ENV and the variables in other instructions."""

from __future__ import annotations

import re

from mydocker.dockerfile import words
from mydocker.dockerfile.instructions import Arg, Env
from mydocker.dockerfile.suggest import nearest
from mydocker.errors import DockerfileError
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mydocker.dockerfile.instructions import Instruction
    from mydocker.dockerfile.lint.subject import Findings, Subject
    from mydocker.dockerfile.source import Span

_SECRET = re.compile(
    r"(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)", re.IGNORECASE
)
# The name of a file, a public key and a version are no secrets.
_HARMLESS = re.compile(r"(?:_|^)(?:public|file|version)(?:_|$)", re.IGNORECASE)
# Without the base image at hand, these are taken to come from it.
_USUAL = re.compile(r"PATH|HOME|LANG|LC_\w+|GOPATH|GOROOT|\w+_(?:HOME|VERSION|DIR|PATH|ROOT|PREFIX)")
_IMAGE = re.compile(
    r"(?:[\w.-]+(?::\d+)?/|\[[0-9a-fA-F:]+\](?::\d+)?/)?[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
    r"(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*(?::\w[\w.-]{0,127})?(?:@[a-z0-9]+:[0-9a-fA-F]{32,})?",
    re.ASCII,
)


def from_arguments(subject: Subject) -> Findings:
    """UndefinedArgInFrom and InvalidDefaultArgInFrom."""
    known = subject.globals
    names = {*known.globals, *known.declared}
    for stage in subject.dockerfile.stages:
        command = subject.command(stage.from_)
        for text in (stage.image, stage.platform):
            for name in _missing(subject, text, known.globals):
                if name not in known.declared:
                    guess = nearest(name, names)
                    yield subject.finding(
                        "UndefinedArgInFrom",
                        f"FROM uses '{name}', which no ARG declares" + (f" (did you mean {guess}?)" if guess else ""),
                        _place(subject, stage.from_, name),
                    )
        if "$" in stage.image and not _IMAGE.fullmatch(_expanded(subject, stage.image)):
            yield subject.finding(
                "InvalidDefaultArgInFrom",
                f"with the defaults of the ARGs '{stage.image}' is no valid image name",
                command.arguments[0].span,
            )


def _missing(subject: Subject, text: str, known: object) -> Iterable[str]:
    try:
        return sorted(words.expand(text, known, escape=subject.syntax.escape).missing)  # type: ignore[arg-type]
    except DockerfileError:
        return ()


def _expanded(subject: Subject, text: str) -> str:
    try:
        return words.expand(text, subject.globals.globals, escape=subject.syntax.escape).text
    except DockerfileError:
        return ""


def undefined_variables(subject: Subject) -> Findings:
    """UndefinedVar: a variable that neither ARG nor ENV defines above, and that the base image is not known to set."""
    for step in subject.steps:
        if not step.expanded:
            continue
        names = {*step.scope.variables, *step.scope.declared, "PATH"}
        for name in sorted(step.expanded.missing - step.scope.declared):
            if not name.isidentifier():
                continue
            guess = nearest(name, names)
            if _USUAL.fullmatch(name) and not guess and step.stage.image != "scratch":
                continue
            yield subject.finding(
                "UndefinedVar",
                f"variable '${name}' is not defined" + (f" (did you mean ${guess}?)" if guess else ""),
                _place(subject, step.instruction, name),
            )


def _place(subject: Subject, instruction: Instruction, name: str) -> Span:
    """Return where an instruction names a variable."""
    found = re.compile(r"\$\{?" + re.escape(name) + r"\b").search(
        subject.source.text, instruction.span.start, instruction.span.end
    )
    if not found:
        return subject.command(instruction).keyword.span
    return subject.source.span(found.start(), found.end())


def secrets(subject: Subject) -> Findings:
    """SecretsUsedInArgOrEnv: names that are names of secrets. ARG and ENV can be read from the image."""
    for instruction in [*subject.dockerfile.meta_args, *(step.instruction for step in subject.steps)]:
        if isinstance(instruction, Arg):
            names = [argument.name for argument in instruction.arguments]
        elif isinstance(instruction, Env):
            names = [pair.key for pair in instruction.pairs]
        else:
            continue
        command = subject.command(instruction)
        for name in names:
            if _SECRET.search(name) and not _HARMLESS.search(name):
                word = next(one for one in command.arguments if one.text.startswith(name))
                span = subject.source.span(word.span.start, word.span.start + len(name))
                yield subject.finding(
                    "SecretsUsedInArgOrEnv", f"{command.name} {name}: anybody can read it from the image", span
                )


def self_reference(subject: Subject) -> Findings:
    """DL3044: `ENV a=1 b=$a` does not see the new a."""
    for step in subject.steps:
        if not isinstance(step.instruction, Env):
            continue
        seen: set[str] = set()
        for pair in step.instruction.pairs:
            try:
                used = words.expand(pair.value, {}, escape=subject.syntax.escape).missing
            except DockerfileError:
                used = frozenset()
            for name in sorted(seen & used):
                yield subject.finding(
                    "DL3044",
                    f"'${name}' here is not yet the value that this line sets",
                    _place(subject, step.instruction, name),
                )
            seen.add(pair.key)
