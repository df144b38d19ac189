"""One stage of the plan: its instructions in order, with the state that they come to and the steps that they make."""

from __future__ import annotations

import json

from mydocker.build.plan import SCRATCH, STEPS, Base, Ground, Source, Step, StepInstruction
from mydocker.build.state import State
from mydocker.dockerfile import instructions as ins
from mydocker.dockerfile.lint.platform import base_image_platform
from mydocker.dockerfile.stages import parse
from mydocker.errors import UsageError
from mydocker.image.config import ImageConfig, timestamp
from mydocker.runtime.ending import parse_signal
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from mydocker.build.draft import Draft
    from mydocker.build.request import BuildRequest


class Built(NamedTuple):
    """A stage that has been planned; `base` is the image at its root, `origin` what its own FROM names."""

    state: State
    ground: Ground
    base: str
    origin: str
    epoch: int


class StagePlanner:
    """Goes through a stage's instructions, keeps the state, and adds a step to the draft for each that makes a layer.

    `planned` gives another stage of the file, planned before or now.
    """

    def __init__(self, draft: Draft, index: int, planned: Callable[[int], Built]) -> None:
        self._draft = draft
        self._request = draft.request
        self._index = index
        self._planned = planned
        self._stage = draft.file.stages[index]
        self._label = draft.label(index)
        self._epoch = 0
        self._ground = Ground()
        self._state = State.on_image(ImageConfig(), draft.scope)
        self._total = sum(isinstance(each, STEPS) for each in self._stage.instructions)
        self._count = 0

    def plan(self) -> Built:
        """Plan the stage, and first whatever it stands on or copies from."""
        base, origin, triggers = self._begin()
        for trigger in triggers:
            self._read(_parse_trigger(trigger, base), self._stage.from_.span.line)
        for instruction in self._stage.instructions:
            self._read(instruction, instruction.span.line)
        return Built(self._state, self._ground, base, origin, self._epoch)

    def _begin(self) -> tuple[str, str, tuple[str, ...]]:
        """Set out from the stage's FROM; return the root image, what FROM names, and the triggers left to us."""
        draft = self._draft
        expanded = draft.expand(self._stage.from_, draft.scope.globals)
        assert isinstance(expanded, ins.From)
        if not expanded.image:
            raise draft.error(
                self._stage.from_,
                "FROM names no image",
                f"'{self._stage.image}' is empty here",
                "give the ARG a default",
            )
        earlier = draft.named_before(expanded.image, self._index)
        if earlier is not None and expanded.image not in self._request.contexts:
            built = self._planned(earlier)
            onbuild = built.state.config.onbuild
            self._state = built.state.successor(draft.scope)
            self._ground, self._epoch = built.ground, built.epoch
            return built.base, draft.label(earlier), onbuild
        platform = self._platform(expanded.platform)
        base = draft.image(expanded.image, platform, self._stage.from_)
        self._check_platform(base, platform)
        self._state = State.on_image(base.config, draft.scope)
        self._ground = Ground(base.layers)
        self._epoch = _epoch(self._request, base.config.created_seconds)
        if not base.config.architecture:
            os_name, architecture, variant = _platform_parts(platform or draft.platform)
            self._state.config = self._state.config._replace(os=os_name, architecture=architecture, variant=variant)
        self._state.config = self._state.config._replace(created=timestamp(self._epoch))
        return base.name, base.name or SCRATCH, base.config.onbuild

    def _platform(self, text: str) -> str:
        """Return what FROM --platform means, in full: `arm64` is `linux/arm64`."""
        from mydocker.image import platforms

        try:
            return str(platforms.parse(text)) if text else ""
        except UsageError as error:
            raise self._draft.error(self._stage.from_, str(error), "", error.hint) from error

    def _check_platform(self, base: Base, asked: str) -> None:
        """Warn of a base image for another platform than asked for, as BuildKit's check does."""
        if not base.config.architecture:
            return
        source = self._draft.file.source
        actual = f"{base.config.os}/{base.config.architecture}"
        finding = base_image_platform(source, self._stage, asked or self._draft.platform, actual)
        if finding:
            self._draft.warn(finding.span.line, f"{finding.message} ({finding.rule})")

    def _read(self, instruction: ins.Instruction, line: int) -> None:
        state = self._state
        instruction = self._draft.expand(instruction, state.scope.variables)
        if isinstance(instruction, STEPS):
            if isinstance(instruction, ins.Workdir):
                state.apply(instruction)
                instruction = instruction._replace(path=state.workdir)
            self._add_step(instruction, line)
            return
        if isinstance(instruction, ins.StopSignal):
            self._check_signal(instruction)
        try:
            state.apply(instruction)
        except ValueError as error:
            raise self._draft.error(
                instruction, f"invalid port {error}", "", "write PORT, FIRST-LAST, each with /tcp or /udp behind it"
            ) from error
        state.remember(_one_line(instruction), timestamp(self._epoch))

    def _check_signal(self, instruction: ins.StopSignal) -> None:
        try:
            parse_signal(instruction.signal)
        except UsageError as error:
            raise self._draft.error(instruction, str(error), "", error.hint) from error

    def _add_step(self, instruction: StepInstruction, line: int) -> None:
        state, scope = self._state, self._state.scope
        self._count += 1
        text = _one_line(instruction)
        step = Step(
            id=f"{self._label} {self._count}/{max(self._total, self._count)}",
            stage=self._label,
            line=line,
            text=text,
            text_of=self._draft.file.source,
            instruction=instruction,
            ground=self._ground,
            sources=self._sources(instruction),
            env=tuple(scope.env.items()),
            args=tuple((name, value) for name, value in scope.args.items() if name not in scope.env),
            workdir=state.workdir,
            user=state.config.user,
            shell=state.shell,
            epoch=self._epoch,
            no_cache=self._request.no_cache or self._label in self._draft.uncached,
        )
        self._draft.steps.append(step)
        self._ground = Ground(step=step.id)
        state.remember(self._history_text(instruction, text), timestamp(self._epoch), step.id)

    def _history_text(self, instruction: StepInstruction, text: str) -> str:
        if isinstance(instruction, ins.Run):
            words = self._state.command(instruction.command)
            body = " ".join(words) if isinstance(instruction.command, ins.Shell) else json.dumps(list(words))
            return f"RUN {body}"
        return text

    def _sources(self, instruction: StepInstruction) -> dict[str, Source]:
        if isinstance(instruction, ins.Copy):
            names = [instruction.from_]
        elif isinstance(instruction, ins.Add):
            names = [""]
        elif isinstance(instruction, ins.Run):
            names = [mount.from_ for mount in instruction.mounts if mount.type == "bind" or mount.from_]
        else:
            names = []
        return {name: self._source(name, instruction) for name in names}

    def _source(self, name: str, asking: StepInstruction) -> Source:
        if not name:
            return Source("the build context", directory=self._request.context)
        if name in self._request.contexts:
            value = self._request.contexts[name]
            if not value.startswith("docker-image://"):
                return Source(f"the context {name}", directory=value)
        index = self._draft.index_of(name)
        if index is not None and name not in self._request.contexts:
            return Source(f"the stage {name}", self._planned(index).ground, stage=self._draft.label(index))
        if name.lower() == SCRATCH:
            return Source("scratch", Ground())
        return Source(f"the image {name}", Ground(self._draft.image(name, "", asking).layers))


def _epoch(request: BuildRequest, base_created: int) -> int:
    """Return the seconds that clamp times: as asked for, as an argument says, else those of the base image."""
    if request.epoch is not None:
        return request.epoch
    text = request.build_args.get("SOURCE_DATE_EPOCH", "")
    return int(text) if text.isdecimal() else base_created


def _platform_parts(text: str) -> tuple[str, str, str]:
    parts = [*text.split("/"), "", ""]
    return parts[0], parts[1], parts[2]


def _one_line(instruction: ins.Instruction) -> str:
    """Return the instruction as its file has it, in one line, without what follows in here-documents."""
    return " ".join(instruction.original.split())


def _parse_trigger(text: str, base: str) -> ins.Instruction:
    """Return the instruction that an ONBUILD of the base image left for its successors."""
    return parse(f"FROM {SCRATCH}\n{text}\n", f"ONBUILD of {base}").stages[0].instructions[0]
