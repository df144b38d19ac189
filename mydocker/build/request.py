"""What a build is asked to do, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mydocker.build.outputs import Output
    from mydocker.image.image import Image


@dataclass(frozen=True, slots=True)
class Secret:
    """Something a RUN may see and nobody may keep: its id and its bytes."""

    id: str
    value: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """Everything that decides about a build.

    `context` is a directory, `-` for standard input (a tar, or a Dockerfile alone) or the URL of a git repository.
    `dockerfile` is the path of the file, or None for `Dockerfile` (or `dockerfile`) in `context`; `tags` are the names
    that the image gets; `targets` the stages wanted (empty: the last one). `epoch` are seconds since 1970 that clamp
    file times; None takes SOURCE_DATE_EPOCH from `build_args`, else the base image's own time. `graphs` are files to
    draw the build to (.svg, .html, .dot, .json).
    """

    context: str = "."
    dockerfile: str | None = None
    tags: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    build_args: Mapping[str, str] = field(default_factory=dict)
    contexts: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[Secret, ...] = ()
    ssh: Mapping[str, str] = field(default_factory=dict)
    platform: str = ""
    network: str = "default"
    allow: frozenset[str] = frozenset()
    no_cache: bool = False
    no_cache_stages: frozenset[str] = frozenset()
    workers: int = 0
    epoch: int | None = None
    outputs: tuple[Output, ...] = ()
    pull: bool = False
    dry_run: bool = False
    graphs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What became of one step: "hit", "run", "failed" or (in a dry run) "would run"; the sentence why.

    `seconds` is what it took, `saved` what a hit took when it was run; `began` counts seconds from the build's start.
    `diff_id` and `size` (bytes, compressed) are its layer's, where there is one.
    """

    step: str
    text: str
    stage: str
    line: int
    outcome: str
    why: str
    seconds: float
    saved: float = 0.0
    began: float = 0.0
    diff_id: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True)
class BuildResult:
    """What a build gave: an image for each target in the order asked for, and what became of each step.

    `skipped` counts the steps of stages that no target needs.
    """

    images: tuple[Image, ...]
    steps: tuple[StepOutcome, ...]
    warnings: tuple[str, ...] = ()
    skipped: int = 0

    @property
    def image(self) -> Image:
        """The image of the last target."""
        return self.images[-1]

    @property
    def ran(self) -> int:
        """How many steps were run."""
        return sum(step.outcome == "run" for step in self.steps)
