"""The plan of a build as values: which steps there are, what each stands on, what each sees.

`planning` makes it, `executor` carries it out, `graph` draws it.
"""

from __future__ import annotations

import os

from mydocker.dockerfile import instructions as ins
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mydocker.dockerfile.source import Source as TextSource
    from mydocker.image.config import ImageConfig
    from mydocker.image.manifest import Layer

SCRATCH = "scratch"
StepInstruction = ins.Run | ins.Copy | ins.Add | ins.Workdir
STEPS = (ins.Run, ins.Copy, ins.Add, ins.Workdir)


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
    """Where COPY --from or a mount takes files from: a ground, or a directory of the host (with ignore rules).

    `stage` is the label of the stage whose ground it is, "" for images and directories.
    """

    name: str
    ground: Ground | None = None
    directory: str = ""
    stage: str = ""


class Step(NamedTuple):
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
    def slot(self) -> str:
        """The step's place in its stage, whatever comes behind it: what the cache remembers it by."""
        return self.id.partition("/")[0]

    @property
    def after(self) -> tuple[str, ...]:
        """The ids of the steps that have to be settled before this one."""
        grounds = (self.ground, *(source.ground for source in self.sources.values() if source.ground))
        return tuple(dict.fromkeys(ground.step for ground in grounds if ground.step))


class PlannedStage(NamedTuple):
    """A stage that is needed: its label, and what its FROM names (an image, or an earlier stage's label)."""

    label: str
    base: str


class Target(NamedTuple):
    """What is wanted at the end: the ground to stand on, the image's config (layers still missing), and its FROM.

    `step_entries` are the places in the config's history that belong to steps, with their ids.
    """

    stage: str
    ground: Ground
    config: ImageConfig
    base: str
    step_entries: tuple[tuple[int, str], ...]


class Plan(NamedTuple):
    """The steps in an order in which each comes after what it needs, and the targets in the order asked for.

    `stages` are those that the targets need, in the file's order; `skipped` counts the steps of all others.
    """

    steps: tuple[Step, ...]
    targets: tuple[Target, ...]
    stages: tuple[PlannedStage, ...]
    skipped: int
    warnings: tuple[str, ...]


def default_platform() -> str:
    """Return this machine's platform as images write it: `linux/amd64`."""
    machine = os.uname().machine
    names = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm/v7", "i686": "386", "ppc64le": "ppc64le"}
    return f"linux/{names.get(machine, machine)}"
