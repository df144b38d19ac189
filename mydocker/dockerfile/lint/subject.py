"""What a check gets to see: the syntax tree, the typed stages, and the variables as far as the file tells them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property

from mydocker.dockerfile import scope
from mydocker.dockerfile.expansion import expand
from mydocker.dockerfile.instructions import Arg, Env
from mydocker.dockerfile.lint.finding import Edit, Finding, Fix
from mydocker.dockerfile.lint.rules import RULES
from mydocker.errors import DockerfileError
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mydocker.dockerfile.expansion import Expanded
    from mydocker.dockerfile.ignore import Matcher
    from mydocker.dockerfile.instructions import Instruction
    from mydocker.dockerfile.scope import Scope
    from mydocker.dockerfile.source import Source, Span
    from mydocker.dockerfile.stages import Dockerfile, Stage
    from mydocker.dockerfile.syntax import Command, Syntax

Findings = Iterator[Finding]

# Values of platform ARGs for a look at a file outside of any build.
_SOME_PLATFORM = "linux/amd64"


class Step(NamedTuple):
    """An instruction with the scope before it; `expanded` is None where expansion fails without a build's values."""

    stage: Stage
    instruction: Instruction
    scope: Scope
    expanded: Expanded | None


class Subject:
    """One file to check."""

    def __init__(self, syntax: Syntax, dockerfile: Dockerfile, ignore: Matcher | None) -> None:
        self.syntax = syntax
        self.dockerfile = dockerfile
        self.ignore = ignore
        self._starts = [command.span.start for command in syntax.commands]
        self._commands = {command.span.start: command for command in syntax.commands}

    @property
    def source(self) -> Source:
        """The text."""
        return self.syntax.source

    def command(self, instruction: Instruction) -> Command:
        """Return the command that an instruction was made of."""
        return self._commands[instruction.span.start]

    def command_at(self, offset: int) -> Command | None:
        """Return the command in whose text an offset lies; None before the first one."""
        position = bisect_right(self._starts, offset) - 1
        return self.syntax.commands[position] if position >= 0 else None

    def finding(self, rule: str, message: str, span: Span, fix: Fix | None = None) -> Finding:
        """Return a finding of a rule, with the rule's level."""
        return Finding(rule, RULES[rule].level, message, span, fix)

    def replacement(self, title: str, span: Span, text: str) -> Fix:
        """Return the fix that puts a text in the place of a span."""
        return Fix(title, (Edit(span.start, span.end, text),))

    @cached_property
    def globals(self) -> Scope:
        """The scope after the ARGs before the first FROM, with their defaults."""
        known = scope.start({}, scope.platform_args(_SOME_PLATFORM, _SOME_PLATFORM))
        for arg in self.dockerfile.meta_args:
            expanded = self._expand(arg, dict(known.globals))
            known = known.declare_global(expanded.instruction if expanded else arg)  # type: ignore[arg-type]
        return known

    @cached_property
    def bases(self) -> dict[int, Stage | None]:
        """For each stage's position the earlier stage that it is based on, None for an image."""
        found: dict[int, Stage | None] = {}
        by_name: dict[str, Stage] = {}
        for position, stage in enumerate(self.dockerfile.stages):
            found[position] = by_name.get(stage.image.lower())
            if stage.name:
                by_name[stage.name] = stage
        return found

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """Every instruction of every stage, in the order of the file."""
        steps: list[Step] = []
        ends: dict[int, Scope] = {}
        for position, stage in enumerate(self.dockerfile.stages):
            base = self.bases[position]
            inherited = ends.get(base.span.start) if base else None
            known = self.globals.stage(inherited.env if inherited else {}, inherited)
            if not inherited:
                known = known._replace(declared=frozenset())
            for instruction in stage.instructions:
                expanded = self._expand(instruction, known.variables)
                steps.append(Step(stage, instruction, known, expanded))
                now = expanded.instruction if expanded else instruction
                if isinstance(now, Arg):
                    known = known.declare(now)
                elif isinstance(now, Env):
                    known = known.assign(now)
            ends[stage.span.start] = known
        return tuple(steps)

    @cached_property
    def steps_of(self) -> dict[int, list[Step]]:
        """The steps of each stage, by the offset at which the stage begins."""
        found: dict[int, list[Step]] = {stage.span.start: [] for stage in self.dockerfile.stages}
        for step in self.steps:
            found[step.stage.span.start].append(step)
        return found

    def _expand(self, instruction: Instruction, variables: dict[str, str]) -> Expanded | None:
        try:
            return expand(instruction, variables, escape=self.syntax.escape)
        except DockerfileError:
            return None
