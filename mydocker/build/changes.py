"""Changes: a config after instructions that only describe an image, for `import --change` and `commit --change`."""

from __future__ import annotations

from mydocker.build.state import State
from mydocker.dockerfile import expand, parse, scope
from mydocker.dockerfile import instructions as ins
from mydocker.errors import DockerfileError, UsageError
from mydocker.runtime.ending import parse_signal
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mydocker.image.config import ImageConfig

_DESCRIBE = (
    ins.Cmd, ins.Entrypoint, ins.Env, ins.Expose, ins.Healthcheck, ins.Label, ins.OnBuild, ins.StopSignal, ins.User,
    ins.Volume, ins.Workdir,
)  # fmt: skip
_HINT = "use " + ", ".join(sorted(kind.__name__.upper() for kind in _DESCRIBE))


def changed(config: ImageConfig, changes: Iterable[str]) -> ImageConfig:
    """Return `config` after the instructions `changes`, each as a Dockerfile has it; `$NAME` is of its environment.

    Raises `UsageError` for what is no instruction, or one that would change files.
    """
    env = dict(entry.partition("=")[::2] for entry in config.env)
    state = State(config, scope.start({}, {}).stage(env))
    for text in changes:
        try:
            _apply(state, text)
        except DockerfileError as failed:
            raise UsageError(f"--change {text}", str(failed), failed.hint) from failed
        except ValueError as failed:
            raise UsageError(f"--change {text}", f"invalid port {failed}") from failed
    return state.finish()


def _apply(state: State, text: str) -> None:
    file = parse(f"FROM scratch\n{text}\n")
    if len(file.stages) != 1 or len(file.stages[0].instructions) != 1:
        raise UsageError(f"--change {text}", "one instruction is expected", _HINT)
    (given,) = file.stages[0].instructions
    if not isinstance(given, _DESCRIBE):
        raise UsageError(f"--change {text}", "it does not describe an image", _HINT)
    instruction = expand(given, state.scope.variables, escape=file.escape, source=file.source).instruction
    if isinstance(instruction, ins.StopSignal):
        parse_signal(instruction.signal)
    state.apply(instruction)
