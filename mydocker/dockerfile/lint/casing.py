"""Checks of upper and lower case."""

from __future__ import annotations

from mydocker.dockerfile.instructions import Expose
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.dockerfile.lint.subject import Findings, Subject
    from mydocker.dockerfile.syntax import Command


def stage_name_casing(subject: Subject) -> Findings:
    """A stage's name in capital letters is compared in small ones, which surprises."""
    for command in _named_stages(subject):
        name = command.arguments[2]
        if name.text != name.text.lower():
            fix = subject.replacement("write the stage's name in lower case", name.span, name.text.lower())
            yield subject.finding("StageNameCasing", f"stage name '{name.text}' should be lower case", name.span, fix)


def from_as_casing(subject: Subject) -> Findings:
    """FROM and AS in different case. A keyword of mixed case is a matter for ConsistentInstructionCasing."""
    for command in _named_stages(subject):
        keyword, word = command.keyword.text, command.arguments[1]
        wanted = _like(keyword, word.text)
        if wanted is not None and word.text != wanted:
            fix = subject.replacement("match the case of FROM", word.span, wanted)
            yield subject.finding("FromAsCasing", f"'{word.text}' and '{keyword}' do not match in case", word.span, fix)


def consistent_instruction_casing(subject: Subject) -> Findings:
    """An instruction that differs from most others in case."""
    commands = [subject.command(stage.from_) for stage in subject.dockerfile.stages]
    commands += [subject.command(step.instruction) for step in subject.steps]
    spelled = [command.keyword.text for command in commands]
    lower = sum(text == text.lower() for text in spelled) > sum(text == text.upper() for text in spelled)
    for command in commands:
        text = command.keyword.text
        wanted = text.lower() if lower else text.upper()
        if text != wanted:
            fix = subject.replacement("match the case of the other instructions", command.keyword.span, wanted)
            most = "lower case" if lower else "upper case"
            yield subject.finding(
                "ConsistentInstructionCasing",
                f"instruction '{text}' should match the case of most others ({most})",
                command.keyword.span,
                fix,
            )


def expose_proto_casing(subject: Subject) -> Findings:
    """A protocol in capital letters in EXPOSE."""
    for step in subject.steps:
        if not isinstance(step.instruction, Expose):
            continue
        for word in subject.command(step.instruction).arguments:
            _, _, protocol = word.text.partition("/")
            if protocol != protocol.lower() and "$" not in protocol:
                lower = word.text[: len(word.text) - len(protocol)] + protocol.lower()
                fix = subject.replacement("write the protocol in lower case", word.span, lower)
                yield subject.finding(
                    "ExposeProtoCasing", f"protocol '{protocol}' in EXPOSE should be lower case", word.span, fix
                )


def _named_stages(subject: Subject) -> list[Command]:
    return [
        command for stage in subject.dockerfile.stages if len((command := subject.command(stage.from_)).arguments) == 3
    ]


def _like(keyword: str, word: str) -> str | None:
    if keyword == keyword.lower():
        return word.lower()
    return word.upper() if keyword == keyword.upper() else None
