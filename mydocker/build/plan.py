"""From a Dockerfile and a request to a plan: which steps there are, what each stands on, what each sees.

The whole plan is made before anything runs. That works because no instruction's meaning depends on what an earlier step
did: variables come from ARG, ENV and the base images' configs alone. Stages that no target needs are not in the plan.
"""

from __future__ import annotations

import json
import platform as host
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from mydocker.build.state import State
from mydocker.dockerfile import instructions as ins
from mydocker.dockerfile import scope as scopes
from mydocker.dockerfile.expansion import expand
from mydocker.dockerfile.lint.platform import base_image_platform
from mydocker.dockerfile.stages import parse
from mydocker.dockerfile.suggest import did_you_mean
from mydocker.errors import DockerfileError, NotFound, UsageError
from mydocker.image.config import ImageConfig, timestamp
from mydocker.runtime.ending import parse_signal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mydocker.build.request import BuildRequest
    from mydocker.dockerfile.source import Source as TextSource
    from mydocker.dockerfile.stages import Dockerfile, Stage
    from mydocker.image.manifest import Layer

SCRATCH = "scratch"
StepInstruction = ins.Run | ins.Copy | ins.Add | ins.Workdir
_STEPS = (ins.Run, ins.Copy, ins.Add, ins.Workdir)


class Ground(NamedTuple):
    """What something stands on: fixed layers (bottom first), or whatever the step with the id `step` gives."""

    layers: tuple[Layer, ...] = ()
    step: str = ""


class Base(NamedTuple):
    """A base image as the planner needs it: its config, its layers, and a name for messages."""

    config: ImageConfig
    layers: tuple[Layer, ...]
    name: str


class Source(NamedTuple):
    """Where COPY --from or a mount takes files from: a ground, or a directory of the host (with ignore rules)."""

    name: str
    ground: Ground | None = None
    directory: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction that makes a layer, placed after its parent, expanded, with everything that it sees."""

    id: str
    stage: str
    line: int
    text: str
    text_of: TextSource
    instruction: StepInstruction
    ground: Ground
    sources: Mapping[str, Source]
    env: tuple[tuple[str, str], ...]
    args: tuple[tuple[str, str], ...]
    workdir: str
    user: str
    shell: tuple[str, ...]
    epoch: int
    no_cache: bool

    @property
    def after(self) -> tuple[str, ...]:
        """The ids of the steps that have to be settled before this one."""
        grounds = (self.ground, *(source.ground for source in self.sources.values() if source.ground))
        return tuple(dict.fromkeys(ground.step for ground in grounds if ground.step))


@dataclass(frozen=True, slots=True)
class Target:
    """What is wanted at the end: the ground to stand on, the image's config (layers still missing), and its FROM.

    `step_entries` are the places in the config's history that belong to steps, with their ids.
    """

    stage: str
    ground: Ground
    config: ImageConfig
    base: str
    step_entries: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps in an order in which each comes after what it needs, and the targets in the order asked for."""

    steps: tuple[Step, ...]
    targets: tuple[Target, ...]
    warnings: tuple[str, ...]


class _Built(NamedTuple):
    """A stage that has been planned."""

    state: State
    ground: Ground
    base: str
    epoch: int


def make_plan(dockerfile: Dockerfile, request: BuildRequest, find_base: Callable[[str, str], Base]) -> Plan:
    """Plan a build. `find_base(name, platform)` gives a base image or raises `NotFound`.

    Raises `DockerfileError` for what only variables or the request show to be wrong.
    """
    return _Planner(dockerfile, request, find_base).plan()


class _Planner:
    def __init__(self, dockerfile: Dockerfile, request: BuildRequest, find_base: Callable[[str, str], Base]) -> None:
        self._file = dockerfile
        self._request = request
        self._find_base = find_base
        self._platform = request.platform or default_platform()
        self._scope = self._global_scope()
        self._built: dict[int, _Built] = {}
        self._open: list[int] = []  # stages being planned: meeting one again is a circle
        self._steps: list[Step] = []
        self._warnings: list[str] = []
        self._images: dict[tuple[str, str], Base] = {}

    def plan(self) -> Plan:
        if not self._file.stages:
            raise DockerfileError("no stage to build", "the file has no FROM", filename=self._file.source.filename)
        wanted = [self._target_index(name) for name in self._request.targets] or [len(self._file.stages) - 1]
        targets = []
        for index in wanted:
            built = self._stage(index)
            labels = {**built.state.config.labels, **self._request.labels}
            built.state.config = built.state.config._replace(labels=labels)
            targets.append(
                Target(
                    self._label(index), built.ground, built.state.finish(), built.base, tuple(built.state.step_entries)
                )
            )
        self._warnings += self._unused_build_args()
        return Plan(tuple(self._steps), tuple(targets), tuple(self._warnings))

    def _global_scope(self) -> scopes.Scope:
        """Return what FROM lines see: the platform's arguments and the ARGs before the first FROM."""
        stage = self._request.targets[-1] if self._request.targets else "default"
        platforms = scopes.platform_args(self._platform, default_platform(), stage=stage)
        scope = scopes.start(self._request.build_args, platforms)
        for arg in self._file.meta_args:
            expanded = self.expand(arg, scope.globals)
            assert isinstance(expanded, ins.Arg)
            scope = scope.declare_global(expanded)
        return scope

    def expand(self, instruction: ins.Instruction, variables: Mapping[str, str]) -> ins.Instruction:
        """Expand an instruction of the file; a variable that nobody set is worth a warning."""
        expanded = expand(instruction, variables, escape=self._file.escape, source=self._file.source)
        for name in sorted(expanded.missing):
            place = f"{self._file.source.filename}:{instruction.span.line}"
            self._warnings.append(f"{place}: variable {name} is not set")
        return expanded.instruction

    def _unused_build_args(self) -> list[str]:
        declared = {*scopes.PROXY_ARGS, *scopes.BUILDER_ARGS, *scopes.PLATFORM_ARGS}
        for each in (*self._file.meta_args, *(one for stage in self._file.stages for one in stage.instructions)):
            if isinstance(each, ins.Arg):
                declared.update(argument.name for argument in each.arguments)
        unused = sorted(set(self._request.build_args) - declared)
        return [f"--build-arg {name} is given, but no ARG {name} asks for it" for name in unused]

    def _target_index(self, name: str) -> int:
        found = self._index_of(name, len(self._file.stages))
        if found is None:
            names = [stage.name for stage in self._file.stages if stage.name]
            raise NotFound(f"there is no stage '{name}'", hint=did_you_mean(name.lower(), names))
        return found

    def _index_of(self, name: str, before: int) -> int | None:
        """Return the last stage called `name` among the first `before` ones; a number counts stages from 0."""
        for index in range(min(before, len(self._file.stages)) - 1, -1, -1):
            if self._file.stages[index].name == name.lower():
                return index
        return int(name) if name.isdecimal() and int(name) < len(self._file.stages) else None

    def _label(self, index: int) -> str:
        return self._file.stages[index].name or str(index)

    def _stage(self, index: int) -> _Built:
        if index in self._built:
            return self._built[index]
        stage = self._file.stages[index]
        if index in self._open:
            names = " -> ".join(self._label(each) for each in [*self._open[self._open.index(index) :], index])
            raise self._error(stage.from_, "the stages depend on one another in a circle", names)
        self._open.append(index)
        built = _StagePlanner(self, index, stage).plan()
        self._open.pop()
        self._built[index] = built
        return built

    def _error(self, instruction: ins.Instruction, what: str, why: str = "", hint: str = "") -> DockerfileError:
        return self._file.source.error(instruction.span, what, why, hint)


class _StagePlanner:
    """Plans one stage: goes through its instructions, keeps the state, and adds a step for each that makes a layer."""

    def __init__(self, planner: _Planner, index: int, stage: Stage) -> None:
        self._planner = planner
        self._request = planner._request
        self._index = index
        self._stage = stage
        self._label = planner._label(index)
        self._epoch = 0
        self._ground = Ground()
        self._state = State.on_image(ImageConfig(), planner._scope)
        self._total = sum(isinstance(each, _STEPS) for each in stage.instructions)
        self._count = 0

    def plan(self) -> _Built:
        base, triggers = self._begin()
        for trigger in triggers:
            self._read(_parse_trigger(trigger, base), self._stage.from_.span.line)
        for instruction in self._stage.instructions:
            self._read(instruction, instruction.span.line)
        return _Built(self._state, self._ground, base, self._epoch)

    def _begin(self) -> tuple[str, tuple[str, ...]]:
        """Set out from the stage's FROM; return the base's name and the triggers that it left for us."""
        planner = self._planner
        expanded = planner.expand(self._stage.from_, planner._scope.globals)
        assert isinstance(expanded, ins.From)
        if not expanded.image:
            raise planner._error(
                self._stage.from_,
                "FROM names no image",
                f"'{self._stage.image}' is empty here",
                "give the ARG a default",
            )
        earlier = self._earlier_stage(expanded.image)
        if earlier is not None and expanded.image not in self._request.contexts:
            built = planner._stage(earlier)
            onbuild = built.state.config.onbuild
            self._state = built.state.successor(planner._scope)
            self._ground, self._epoch = built.ground, built.epoch
            return built.base, onbuild
        base = self._image(expanded.image, expanded.platform, self._stage.from_)
        self._check_platform(base, expanded.platform)
        self._state = State.on_image(base.config, planner._scope)
        self._ground = Ground(base.layers)
        self._epoch = _epoch(self._request, base.config.created_seconds)
        if not base.config.architecture:
            os_name, architecture, variant = _platform_parts(expanded.platform or planner._platform)
            self._state.config = self._state.config._replace(os=os_name, architecture=architecture, variant=variant)
        self._state.config = self._state.config._replace(created=timestamp(self._epoch))
        return base.name, base.config.onbuild

    def _check_platform(self, base: Base, asked: str) -> None:
        """Warn of a base image for another platform than asked for, as BuildKit's check does."""
        if not base.config.architecture:
            return
        source = self._planner._file.source
        actual = f"{base.config.os}/{base.config.architecture}"
        finding = base_image_platform(source, self._stage, asked or self._planner._platform, actual)
        if finding:
            place = f"{source.filename}:{finding.span.line}"
            self._planner._warnings.append(f"{place}: {finding.message} ({finding.rule})")

    def _earlier_stage(self, name: str) -> int | None:
        for index in range(self._index - 1, -1, -1):
            if self._planner._file.stages[index].name == name.lower():
                return index
        return None

    def _image(self, name: str, platform: str, asking: ins.Instruction) -> Base:
        planner = self._planner
        name = self._request.contexts.get(name, name).removeprefix("docker-image://")
        if name == SCRATCH:
            return Base(ImageConfig(), (), "")
        wanted = (name, platform or self._request.platform)
        if wanted not in planner._images:
            try:
                planner._images[wanted] = planner._find_base(*wanted)
            except NotFound as error:
                names = [each.name for each in planner._file.stages if each.name]
                raise planner._error(asking, str(error), "", did_you_mean(name, names) or error.hint) from error
        return planner._images[wanted]

    def _read(self, instruction: ins.Instruction, line: int) -> None:
        state = self._state
        instruction = self._planner.expand(instruction, state.scope.variables)
        if isinstance(instruction, _STEPS):
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
            raise self._planner._error(
                instruction, f"invalid port {error}", "", "write PORT, FIRST-LAST, each with /tcp or /udp behind it"
            ) from error
        state.remember(_one_line(instruction), timestamp(self._epoch))

    def _check_signal(self, instruction: ins.StopSignal) -> None:
        try:
            parse_signal(instruction.signal)
        except UsageError as error:
            raise self._planner._error(instruction, str(error), "", error.hint) from error

    def _add_step(self, instruction: StepInstruction, line: int) -> None:
        state, scope = self._state, self._state.scope
        self._count += 1
        text = _one_line(instruction)
        step = Step(
            id=f"{self._label} {self._count}/{max(self._total, self._count)}",
            stage=self._label,
            line=line,
            text=text,
            text_of=self._planner._file.source,
            instruction=instruction,
            ground=self._ground,
            sources=self._sources(instruction),
            env=tuple(scope.env.items()),
            args=tuple((name, value) for name, value in scope.args.items() if name not in scope.env),
            workdir=state.workdir,
            user=state.config.user,
            shell=state.shell,
            epoch=self._epoch,
            no_cache=self._request.no_cache or self._label in self._request.no_cache_stages,
        )
        self._planner._steps.append(step)
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
        planner = self._planner
        if not name:
            return Source("the build context", directory=self._request.context)
        if name in self._request.contexts:
            value = self._request.contexts[name]
            if not value.startswith("docker-image://"):
                return Source(f"the context {name}", directory=value)
        index = planner._index_of(name, len(planner._file.stages))
        if index is not None and name not in self._request.contexts:
            return Source(f"the stage {name}", planner._stage(index).ground)
        if name.lower() == SCRATCH:
            return Source("scratch", Ground())
        return Source(f"the image {name}", Ground(self._image(name, "", asking).layers))


def _epoch(request: BuildRequest, base_created: int) -> int:
    """Return the seconds that clamp times: as asked for, as an argument says, else those of the base image."""
    if request.epoch is not None:
        return request.epoch
    text = request.build_args.get("SOURCE_DATE_EPOCH", "")
    return int(text) if text.isdecimal() else base_created


def default_platform() -> str:
    """Return this machine's platform as images write it: `linux/amd64`."""
    machine = host.machine()
    names = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm/v7", "i686": "386", "ppc64le": "ppc64le"}
    return f"linux/{names.get(machine, machine)}"


def _platform_parts(text: str) -> tuple[str, str, str]:
    parts = [*text.split("/"), "", ""]
    return parts[0], parts[1], parts[2]


def _one_line(instruction: ins.Instruction) -> str:
    """Return the instruction as its file has it, in one line, without what follows in here-documents."""
    return " ".join(instruction.original.split())


def _parse_trigger(text: str, base: str) -> ins.Instruction:
    """Return the instruction that an ONBUILD of the base image left for its successors."""
    return parse(f"FROM {SCRATCH}\n{text}\n", f"ONBUILD of {base}").stages[0].instructions[0]
