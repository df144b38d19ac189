"""From a Dockerfile and a request to a plan.

The whole plan is made before anything runs. That works because no instruction's meaning depends on what an earlier step
did: variables come from ARG, ENV and the base images' configs alone. Stages that no target needs are not in the plan.
"""

from __future__ import annotations

from mydocker.build.draft import Draft
from mydocker.build.plan import STEPS, Base, Plan, PlannedStage, Target
from mydocker.build.stage import Built, StagePlanner
from mydocker.dockerfile import instructions as ins
from mydocker.dockerfile import scope as scopes
from mydocker.errors import DockerfileError
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from mydocker.build.request import BuildRequest
    from mydocker.dockerfile.stages import Dockerfile


def make_plan(dockerfile: Dockerfile, request: BuildRequest, find_base: Callable[[str, str], Base]) -> Plan:
    """Plan a build. `find_base(name, platform)` gives a base image or raises `NotFound`.

    Raises `DockerfileError` for what only variables or the request show to be wrong.
    """
    if not dockerfile.stages:
        raise DockerfileError("no stage to build", "the file has no FROM", filename=dockerfile.source.filename)
    return _Planner(Draft(dockerfile, request, find_base)).plan()


class _Planner:
    """Plans the stages that the targets need, each once, in the order in which they need one another."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._built: dict[int, Built] = {}
        self._open: list[int] = []  # stages being planned: meeting one again is a circle

    def plan(self) -> Plan:
        draft = self._draft
        asked = draft.request.targets
        wanted = [draft.index_asked(name) for name in asked] or [len(draft.file.stages) - 1]
        targets = tuple([self._target(index) for index in wanted])
        stages = tuple(PlannedStage(draft.label(index), self._built[index].origin) for index in sorted(self._built))
        unneeded = [stage for index, stage in enumerate(draft.file.stages) if index not in self._built]
        skipped = sum(isinstance(each, STEPS) for stage in unneeded for each in stage.instructions)
        warnings = (*draft.warnings, *self._unused_build_args())
        return Plan(tuple(draft.steps), targets, stages, skipped, warnings)

    def _target(self, index: int) -> Target:
        built = self._stage(index)
        config = built.state.finish()
        config = config._replace(labels={**config.labels, **self._draft.request.labels})
        return Target(self._draft.label(index), built.ground, config, built.base, tuple(built.state.step_entries))

    def _unused_build_args(self) -> list[str]:
        file = self._draft.file
        declared = {*scopes.PROXY_ARGS, *scopes.BUILDER_ARGS, *scopes.PLATFORM_ARGS}
        for each in (*file.meta_args, *(one for stage in file.stages for one in stage.instructions)):
            if isinstance(each, ins.Arg):
                declared.update(argument.name for argument in each.arguments)
        unused = sorted(set(self._draft.request.build_args) - declared)
        return [f"--build-arg {name} is given, but no ARG {name} asks for it" for name in unused]

    def _stage(self, index: int) -> Built:
        if index in self._built:
            return self._built[index]
        if index in self._open:
            circle = [*self._open[self._open.index(index) :], index]
            names = " -> ".join(self._draft.label(each) for each in circle)
            asking = self._draft.file.stages[index].from_
            raise self._draft.error(asking, "the stages depend on one another in a circle", names)
        self._open.append(index)
        self._built[index] = StagePlanner(self._draft, index, self._stage).plan()
        self._open.pop()
        return self._built[index]
