"""Checks of stages: their names, their base images, and what refers to them."""

from __future__ import annotations

import re

from mydocker.dockerfile import words
from mydocker.dockerfile.instructions import Cmd, Copy, Entrypoint, Healthcheck, User
from mydocker.dockerfile.lint.finding import Edit, Fix
from mydocker.dockerfile.lint.selection import local_selections
from mydocker.dockerfile.suggest import did_you_mean
from mydocker.errors import DockerfileError
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.dockerfile.instructions import Instruction
    from mydocker.dockerfile.lint.subject import Findings, Subject
    from mydocker.dockerfile.syntax import Flag

_PLATFORM = re.compile(r"[a-z0-9_]+/[a-z0-9_]+(?:/[a-z0-9_]+)?|[a-z0-9_]+", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{1,9}")
_RESERVED = ("scratch", "context")
_ONCE = (Cmd, Entrypoint, Healthcheck)


def stage_names(subject: Subject) -> Findings:
    """DuplicateStageName and ReservedStageName."""
    seen: set[str] = set()
    for stage in subject.dockerfile.stages:
        if not stage.name:
            continue
        span = subject.command(stage.from_).arguments[2].span
        if stage.name in _RESERVED:
            yield subject.finding("ReservedStageName", f"'{stage.name}' is reserved and names no stage", span)
        if stage.name in seen:
            yield subject.finding("DuplicateStageName", f"second stage '{stage.name}'", span)
        seen.add(stage.name)


def multiple_instructions(subject: Subject) -> Findings:
    """MultipleInstructionsDisallowed: of CMD, ENTRYPOINT and HEALTHCHECK the last of a stage counts."""
    for stage in subject.dockerfile.stages:
        last: dict[type, Instruction] = {}
        for instruction in stage.instructions:
            if not isinstance(instruction, _ONCE):
                continue
            earlier = last.get(type(instruction))
            last[type(instruction)] = instruction
            if earlier:
                command = subject.command(earlier)
                yield subject.finding(
                    "MultipleInstructionsDisallowed",
                    f"this {command.name} is not used, as the stage has a later one",
                    command.keyword.span,
                    Fix(f"remove the {command.name} that is not used", (_removal(subject, earlier),)),
                )


def _removal(subject: Subject, instruction: Instruction) -> Edit:
    text, span = subject.source.text, instruction.span
    end = text.find("\n", span.end)
    return Edit(subject.source.line_starts[span.line - 1], len(text) if end < 0 else end + 1, "")


def platform_flag(subject: Subject) -> Findings:
    """RedundantTargetPlatform and FromPlatformFlagConstDisallowed."""
    for stage in subject.dockerfile.stages:
        flag = next((one for one in subject.command(stage.from_).flags if one.name == "platform"), None)
        if not flag or not flag.value:
            continue
        if flag.value in ("$TARGETPLATFORM", "${TARGETPLATFORM}"):
            yield subject.finding(
                "RedundantTargetPlatform",
                f"{flag.value} is the platform that FROM has by default",
                flag.span,
                Fix("remove the flag", (_flag_removal(subject, flag),)),
            )
        elif "$" not in flag.value and _PLATFORM.fullmatch(flag.value):
            parts = flag.value.lower().split("/")
            if not any(part in stage.name for part in parts[:2]):
                yield subject.finding(
                    "FromPlatformFlagConstDisallowed", f"--platform has the constant value '{flag.value}'", flag.span
                )


def _flag_removal(subject: Subject, flag: Flag) -> Edit:
    text, end = subject.source.text, flag.span.end
    while text[end : end + 1] in (" ", "\t"):
        end += 1
    return Edit(flag.span.start, end, "")


def definition_description(subject: Subject) -> Findings:
    """InvalidDefinitionDescription: the comment right before a named stage or an ARG describes it by name."""
    described = [(stage.from_, [stage.name] if stage.name else []) for stage in subject.dockerfile.stages]
    args = [*subject.dockerfile.meta_args, *(step.instruction for step in subject.steps)]
    named = [*described, *((arg, [one.name for one in getattr(arg, "arguments", ())]) for arg in args)]
    for instruction, names in named:
        command = subject.command(instruction)
        if not names or not command.comments or command.name not in ("FROM", "ARG"):
            continue
        if local_selections(command):
            continue
        if command.comments[-1].split(" ")[0] not in names:
            yield subject.finding(
                "InvalidDefinitionDescription",
                f"the comment before should read '# {names[0]} <description>', or a blank line should follow it",
                command.keyword.span,
            )


# Nothing, and the image that is made from the host itself: there are no versions of these.
_WITHOUT_TAG = ("scratch", "base")


def base_image_tag(subject: Subject) -> Findings:
    """DL3006 and DL3007: the tag of a base image."""
    for position, stage in enumerate(subject.dockerfile.stages):
        span = subject.command(stage.from_).arguments
        image = _default_image(subject, stage.image)
        if not span or subject.bases[position] or not image or image in _WITHOUT_TAG or "@" in image:
            continue
        tag = image.rpartition("/")[2].partition(":")[2]
        if not tag:
            yield subject.finding("DL3006", f"base image '{image}' has no tag", span[0].span)
        elif tag == "latest":
            yield subject.finding("DL3007", f"base image '{image}' will be another one tomorrow", span[0].span)


def _default_image(subject: Subject, image: str) -> str:
    """Return the image with the defaults of ARGs; "" where they do not give one."""
    try:
        expanded = words.expand(image, subject.globals.globals, escape=subject.syntax.escape)
    except DockerfileError:
        return ""
    return "" if expanded.missing else expanded.text


def copy_from(subject: Subject) -> Findings:
    """DL3022 and DL3023: the stage that COPY --from names."""
    earlier: dict[str, None] = {}  # in order, so that of two near names the first is suggested
    for position, stage in enumerate(subject.dockerfile.stages):
        for instruction in stage.instructions:
            if not isinstance(instruction, Copy) or not instruction.from_ or "$" in instruction.from_:
                continue
            wanted = instruction.from_.lower()
            span = next(flag.span for flag in subject.command(instruction).flags if flag.name == "from")
            if wanted in (stage.name, str(position)) and wanted not in earlier:
                yield subject.finding("DL3023", "COPY --from names the stage it stands in", span)
            elif _NUMBER.fullmatch(wanted) and int(wanted) > position:
                yield subject.finding("DL3022", f"there is no stage {wanted} before this one", span)
            elif wanted not in earlier and not _NUMBER.fullmatch(wanted) and not any(mark in wanted for mark in ":/@"):
                hint = did_you_mean(wanted, [name for name in earlier if name])
                known = f" ({hint})" if hint else ""
                yield subject.finding("DL3022", f"no stage before this one is named '{instruction.from_}'{known}", span)
        earlier[stage.name] = None


def last_user(subject: Subject) -> Findings:
    """DL3002: the image should not run as root because of its own last USER."""
    if not subject.dockerfile.stages:
        return
    users = [one for one in subject.dockerfile.stages[-1].instructions if isinstance(one, User)]
    if users and users[-1].user.partition(":")[0] in ("root", "0"):
        span = subject.command(users[-1]).arguments[0].span
        yield subject.finding("DL3002", "the image runs as root", span)
