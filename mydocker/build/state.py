"""The state of a stage while its instructions are read: what the image's config will say, and what later steps see.

Instructions that only describe the image (ENV, CMD, EXPOSE ...) are carried out here, at planning time: none of them
depends on what a step does, so the whole plan is known before anything runs. The semantics are those of the Dockerfile
reference; each function carries out one instruction, already expanded.
"""

from __future__ import annotations

import posixpath
import re

from mydocker.dockerfile import instructions as ins
from mydocker.image.config import Healthcheck, History, ImageConfig
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from mydocker.dockerfile.scope import Scope

DEFAULT_SHELL = ("/bin/sh", "-c")
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PORT = re.compile(r"(\d+)(?:-(\d+))?(?:/([a-zA-Z]+))?")


class State:
    """What one stage has come to.

    `cmd_set` tells a CMD of this very stage; `step_entries` which entries of the history are steps, by step id.
    """

    def __init__(
        self,
        config: ImageConfig,
        scope: Scope,
        history: list[History] | None = None,
        step_entries: list[tuple[int, str]] | None = None,
    ) -> None:
        self.config = config
        self.scope = scope
        self.history = history or []
        self.step_entries = step_entries or []
        self.cmd_set = False

    @classmethod
    def on_image(cls, config: ImageConfig, scope: Scope) -> State:
        """Return the state in which a stage begins that stands on an image with `config`."""
        env = dict(entry.partition("=")[::2] for entry in config.env)
        env.setdefault("PATH", DEFAULT_PATH)
        return cls(config._replace(onbuild=()), scope.stage(env), list(config.history))

    def successor(self, scope: Scope) -> State:
        """Return the state in which a stage begins that stands on the stage with this one."""
        inherited = scope.stage(self.scope.env, self.scope)
        return State(self.config._replace(onbuild=()), inherited, list(self.history), list(self.step_entries))

    @property
    def workdir(self) -> str:
        """The working directory, absolute."""
        return self.config.working_dir or "/"

    @property
    def shell(self) -> tuple[str, ...]:
        """The shell of shell forms."""
        return self.config.shell or DEFAULT_SHELL

    def finish(self) -> ImageConfig:
        """Return the config as it stands, without layers."""
        env = tuple(f"{name}={value}" for name, value in self.scope.env.items())
        return self.config._replace(env=env, history=tuple(self.history))

    def absolute(self, path: str) -> str:
        """Return `path` seen from the working directory, without `.` and `..`, never a trailing slash."""
        joined = posixpath.normpath(posixpath.join(self.workdir, path))
        return "/" + joined.lstrip("/")

    def command(self, command: ins.CommandLine) -> tuple[str, ...]:
        """Return the arguments that a command in either form means."""
        return (*self.shell, command.text) if isinstance(command, ins.Shell) else command.argv

    def apply(self, instruction: ins.Instruction) -> None:
        """Carry out an instruction that describes the image; those that make layers change nothing here."""
        match instruction:
            case ins.Env():
                self.scope = self.scope.assign(instruction)
            case ins.Arg():
                self.scope = self.scope.declare(instruction)
            case ins.Cmd() | ins.Entrypoint() | ins.Healthcheck():
                self._set_command(instruction)
            case _:
                self.config = self.config._replace(**self._changes(instruction))

    def _changes(self, instruction: ins.Instruction) -> dict[str, Any]:
        """Return the fields of the config that an instruction changes, with their new values."""
        config = self.config
        match instruction:
            case ins.Label():
                return {"labels": {**config.labels, **{pair.key: pair.value for pair in instruction.pairs}}}
            case ins.Workdir():
                # A trailing slash is kept, as BuildKit keeps it.
                slash = "/" if instruction.path.rstrip("/") and instruction.path.endswith("/") else ""
                return {"working_dir": self.absolute(instruction.path) + slash}
            case ins.User():
                return {"user": instruction.user}
            case ins.Volume():
                return {"volumes": tuple(sorted({*config.volumes, *instruction.paths}))}
            case ins.Expose():
                ports = {port for text in instruction.ports for port in exposed(text)}
                return {"exposed_ports": tuple(sorted({*config.exposed_ports, *ports}))}
            case ins.StopSignal():
                return {"stop_signal": instruction.signal}
            case ins.ShellForm():
                return {"shell": instruction.argv}
            case ins.OnBuild():
                return {"onbuild": (*config.onbuild, instruction.expression)}
            case ins.Maintainer():
                return {"author": instruction.name}
        return {}

    def _set_command(self, instruction: ins.Cmd | ins.Entrypoint | ins.Healthcheck) -> None:
        match instruction:
            case ins.Cmd():
                self.config = self.config._replace(cmd=self.command(instruction.command))
                self.cmd_set = True
            case ins.Entrypoint():
                self.config = self.config._replace(entrypoint=self.command(instruction.command))
                # A CMD that came with the base image was meant for the base image's entry point.
                if not self.cmd_set:
                    self.config = self.config._replace(cmd=())
            case ins.Healthcheck():
                self.config = self.config._replace(healthcheck=_healthcheck(instruction))

    def remember(self, text: str, epoch_text: str, step: str = "") -> None:
        """Add one line to the image's history; `step` is the id of the step that makes its layer, if one does."""
        if step:
            self.step_entries.append((len(self.history), step))
        self.history.append(History(text, epoch_text, comment="mydocker", empty_layer=not step))


def _healthcheck(instruction: ins.Healthcheck) -> Healthcheck:
    return Healthcheck(
        instruction.test,
        instruction.interval,
        instruction.timeout,
        instruction.start_period,
        instruction.start_interval,
        instruction.retries,
    )


def exposed(text: str) -> list[str]:
    """Return the ports that a word of EXPOSE names, as configs write them: `80-81/UDP` gives 80/udp and 81/udp."""
    match = _PORT.fullmatch(text)
    if match is None:
        raise ValueError(text)
    first = int(match[1])
    last = int(match[2] or first)
    protocol = (match[3] or "tcp").lower()
    if not 0 < first <= last <= 65535 or protocol not in ("tcp", "udp", "sctp"):
        raise ValueError(text)
    return [f"{port}/{protocol}" for port in range(first, last + 1)]
