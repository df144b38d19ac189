"""One run of lint: every rule over one file, what the file's own `check` directive says about rules included."""

from __future__ import annotations

from mydocker.dockerfile import stages
from mydocker.dockerfile.expansion import expand
from mydocker.dockerfile.instructions import Run
from mydocker.dockerfile.lint import casing, files, forms, packages, staging, variables
from mydocker.dockerfile.lint.selection import Selection, local_selections, selection
from mydocker.dockerfile.lint.subject import Subject
from mydocker.dockerfile.parsing import read_syntax
from mydocker.errors import DockerfileError, DockerfileErrors
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mydocker.dockerfile.ignore import Matcher
    from mydocker.dockerfile.instructions import Instruction
    from mydocker.dockerfile.lint.finding import Finding
    from mydocker.dockerfile.lint.subject import Findings
    from mydocker.dockerfile.stages import Dockerfile

CHECKS: tuple[Callable[[Subject], Findings], ...] = (
    casing.stage_name_casing,
    casing.from_as_casing,
    casing.consistent_instruction_casing,
    casing.expose_proto_casing,
    staging.stage_names,
    staging.multiple_instructions,
    staging.platform_flag,
    staging.definition_description,
    staging.base_image_tag,
    staging.copy_from,
    staging.last_user,
    variables.from_arguments,
    variables.undefined_variables,
    variables.secrets,
    variables.self_reference,
    forms.empty_continuation,
    forms.json_arguments,
    forms.maintainer,
    forms.legacy_pairs,
    forms.relative_workdir,
    forms.expose,
    files.ignored_sources,
    files.add_for_copy,
    files.copy_destination,
    packages.run_commands,
    packages.pipefail,
)


class Report(NamedTuple):
    """What lint found: `mistakes` keep the file from being built, findings do not.

    `every` holds the findings of all rules, `findings` those that are wanted.
    """

    dockerfile: Dockerfile
    every: tuple[Finding, ...]
    mistakes: tuple[DockerfileError, ...]
    selection: Selection

    def select(self, skip: Iterable[str] = (), experimental: Iterable[str] = ()) -> list[Finding]:
        """Return the findings that the file's own directive, and these wishes beside it, want to see."""
        chosen = Selection(
            self.selection.skip | set(skip), self.selection.experimental | set(experimental), self.selection.error
        )
        return [finding for finding in self.every if chosen.wants(finding.rule)]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings that the file's own directive wants to see."""
        return tuple(self.select())

    def raise_mistakes(self) -> None:
        """Raise the mistakes, all in one, if there are any."""
        if self.mistakes:
            raise DockerfileErrors(list(self.mistakes))


def check(text: bytes | str, filename: str, ignore: Matcher | None) -> Report:
    """Parse a file and run every rule over what could be parsed."""
    syntax, mistakes = read_syntax(text, filename)
    dockerfile, more = stages.build(syntax)
    mistakes += more
    subject = Subject(syntax, dockerfile, ignore)
    mistakes += _word_mistakes(subject)
    mistakes.sort(key=lambda mistake: (mistake.line, mistake.column))
    chosen = selection(dockerfile.directive("check"))
    findings = (finding for one in CHECKS for finding in one(subject) if not _is_skipped(subject, finding))
    return Report(dockerfile, _sorted(findings), tuple(mistakes), chosen)


def _is_skipped(subject: Subject, finding: Finding) -> bool:
    """Tell whether the instruction in which a finding lies says that it does not want to be told."""
    command = subject.command_at(finding.span.start)
    return command is not None and any(local.skips(finding.rule) for local in local_selections(command))


def _sorted(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(set(findings), key=lambda one: (one.span.start, one.rule, one.message)))


class _AnyValue(dict[str, str]):
    """Variables of which every one is set, to find the words that no values could save."""

    def get(self, name: str, default: object = None) -> str:
        return "x"


def _word_mistakes(subject: Subject) -> Iterable[DockerfileError]:
    """Return the mistakes in words and flags that do not depend on values."""
    every: list[Instruction] = [*subject.dockerfile.meta_args, *(stage.from_ for stage in subject.dockerfile.stages)]
    every += [step.instruction for step in subject.steps]
    for instruction in every:
        if isinstance(instruction, Run) and any("$" in flag for flag in instruction.mount_flags):
            continue
        try:
            expand(instruction, _AnyValue(), escape=subject.syntax.escape, source=subject.source)
        except DockerfileError as mistake:
            yield mistake
