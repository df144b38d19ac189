"""A Dockerfile with its meaning: stages of typed instructions."""

from __future__ import annotations

from mydocker.dockerfile.instructions import Arg, From, Instruction
from mydocker.errors import DockerfileError, DockerfileErrors
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mydocker.dockerfile.source import Source, Span
    from mydocker.dockerfile.syntax import Directive, Syntax


class Stage(NamedTuple):
    """One stage: its FROM, and the instructions up to the next one. `name` is "" where FROM gives none."""

    from_: From
    instructions: tuple[Instruction, ...]

    @property
    def name(self) -> str:
        """The name after AS, in lower case."""
        return self.from_.name

    @property
    def image(self) -> str:
        """The base image as written, variables unexpanded."""
        return self.from_.image

    @property
    def platform(self) -> str:
        """The value of --platform as written."""
        return self.from_.platform

    @property
    def span(self) -> Span:
        """The place of the FROM instruction."""
        return self.from_.span


class Dockerfile(NamedTuple):
    """A whole Dockerfile: the ARGs before the first FROM (`meta_args`), and the stages in their order."""

    source: Source
    directives: tuple[Directive, ...]
    escape: str
    meta_args: tuple[Arg, ...]
    stages: tuple[Stage, ...]

    def directive(self, name: str) -> str:
        """Return the value of a directive ("syntax", "escape", "check"), "" where the file has none."""
        return next((one.value for one in self.directives if one.name == name), "")


def parse(text: bytes | str, filename: str = "Dockerfile") -> Dockerfile:
    """Parse a Dockerfile into typed stages; raises `DockerfileErrors` with every mistake that was found."""
    from mydocker.dockerfile.parsing import read_syntax

    syntax, mistakes = read_syntax(text, filename)
    dockerfile, more = build(syntax)
    mistakes = sorted([*mistakes, *more], key=lambda mistake: mistake.line)
    if mistakes:
        raise DockerfileErrors(mistakes)
    return dockerfile


def build(syntax: Syntax) -> tuple[Dockerfile, list[DockerfileError]]:
    """Type the commands of a syntax tree, and return what could be typed with the mistakes found."""
    from mydocker.dockerfile import typed

    mistakes: list[DockerfileError] = []
    meta_args: list[Arg] = []
    stages: list[tuple[From, list[Instruction]]] = []
    for command in syntax.commands:
        try:
            instruction = typed.instruction(syntax.source, command)
        except DockerfileError as mistake:
            mistakes.append(mistake)
            if command.name != "FROM":
                continue
            # What follows belongs to this stage, so that its instructions are not mistakes as well.
            instruction = From(command.keyword.text, command.span, command.original, "", "", "", "")
        if isinstance(instruction, From):
            stages.append((instruction, []))
        elif stages:
            stages[-1][1].append(instruction)
        elif isinstance(instruction, Arg):
            meta_args.append(instruction)
        else:
            mistakes.append(
                syntax.source.error(
                    command.keyword.span,
                    f"{command.name} before the first FROM",
                    "only ARG can stand there",
                    "begin the file with FROM",
                )
            )
    built = tuple(Stage(head, tuple(body)) for head, body in stages)
    return Dockerfile(syntax.source, syntax.directives, syntax.escape, tuple(meta_args), built), mistakes
