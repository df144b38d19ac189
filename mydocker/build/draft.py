"""What the stages of one Dockerfile share while they are planned: the file, the request, and the plan so far."""

from __future__ import annotations

from mydocker.build.plan import SCRATCH, Base, default_platform
from mydocker.dockerfile import instructions as ins
from mydocker.dockerfile import scope as scopes
from mydocker.dockerfile.expansion import expand
from mydocker.dockerfile.suggest import did_you_mean
from mydocker.errors import NotFound
from mydocker.image.config import ImageConfig
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mydocker.build.plan import Step
    from mydocker.build.request import BuildRequest
    from mydocker.dockerfile.stages import Dockerfile
    from mydocker.errors import DockerfileError


class Draft:
    """A plan in the making. `scope` is what FROM lines see; `steps` and `warnings` grow while stages are planned.

    `uncached` are the labels of the stages for which the cache is not asked.
    """

    def __init__(self, dockerfile: Dockerfile, request: BuildRequest, find_base: Callable[[str, str], Base]) -> None:
        self.file = dockerfile
        self.request = request
        self.platform = request.platform or default_platform()
        self.uncached = frozenset(self.label(self.index_asked(name)) for name in request.no_cache_stages)
        self.steps: list[Step] = []
        self.warnings: list[str] = []
        self._find_base = find_base
        self._images: dict[tuple[str, str], Base] = {}
        self.scope = self._global_scope()

    def _global_scope(self) -> scopes.Scope:
        """Return what FROM lines see: the platform's arguments and the ARGs before the first FROM."""
        stage = self.request.targets[-1] if self.request.targets else "default"
        platforms = scopes.platform_args(self.platform, default_platform(), stage=stage)
        scope = scopes.start(self.request.build_args, platforms)
        for arg in self.file.meta_args:
            expanded = self.expand(arg, scope.globals)
            assert isinstance(expanded, ins.Arg)
            scope = scope.declare_global(expanded)
        return scope

    def expand(self, instruction: ins.Instruction, variables: Mapping[str, str]) -> ins.Instruction:
        """Expand an instruction of the file; a variable that nobody set is worth a warning."""
        expanded = expand(instruction, variables, escape=self.file.escape, source=self.file.source)
        for name in sorted(expanded.missing):
            self.warn(instruction.span.line, f"variable {name} is not set")
        return expanded.instruction

    def warn(self, line: int, text: str) -> None:
        """Add a warning about a line of the file."""
        self.warnings.append(f"{self.file.source.filename}:{line}: {text}")

    def error(self, instruction: ins.Instruction, what: str, why: str = "", hint: str = "") -> DockerfileError:
        """Return an error that shows the instruction."""
        return self.file.source.error(instruction.span, what, why, hint)

    def label(self, index: int) -> str:
        """Return a stage's name, or its number where it has none."""
        return self.file.stages[index].name or str(index)

    def index_of(self, name: str) -> int | None:
        """Return the last stage called `name`; a number counts stages from 0."""
        found = self.named_before(name, len(self.file.stages))
        if found is not None:
            return found
        return int(name) if name.isdecimal() and int(name) < len(self.file.stages) else None

    def index_asked(self, name: str) -> int:
        """Return the stage that the request calls `name`; raise `NotFound` when there is none."""
        found = self.index_of(name)
        if found is None:
            names = [stage.name for stage in self.file.stages if stage.name]
            raise NotFound(f"there is no stage '{name}'", hint=did_you_mean(name.lower(), names))
        return found

    def named_before(self, name: str, before: int) -> int | None:
        """Return the last stage called `name` among the first `before` ones."""
        for index in range(before - 1, -1, -1):
            if self.file.stages[index].name == name.lower():
                return index
        return None

    def image(self, name: str, platform: str, asking: ins.Instruction) -> Base:
        """Return the image that an instruction names, found once for all stages."""
        name = self.request.contexts.get(name, name).removeprefix("docker-image://")
        if name == SCRATCH:
            return Base(ImageConfig(), (), "")
        wanted = (name, platform or self.request.platform)
        if wanted not in self._images:
            try:
                self._images[wanted] = self._find_base(*wanted)
            except NotFound as error:
                names = [each.name for each in self.file.stages if each.name]
                raise self.error(asking, str(error), "", did_you_mean(name, names) or error.hint) from error
        return self._images[wanted]
