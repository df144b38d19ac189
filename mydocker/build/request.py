"""What a build is asked to do, and what it answers."""

from __future__ import annotations

from types import MappingProxyType

from mydocker.errors import UsageError
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from mydocker.build.sharing.place import CachePlace
    from mydocker.image.digest import Digest
    from mydocker.image.image import Image

_OUTPUTS = ("image", "local", "tar", "oci", "docker")
_NOTHING: Mapping[str, str] = MappingProxyType({})


class Secret(NamedTuple):
    """Something a RUN may see and nobody may keep: its id and its bytes."""

    id: str
    value: bytes

    def __repr__(self) -> str:
        """Tell no more than the id: this may stand in a log or a traceback."""
        return f"Secret(id={self.id!r})"


class Output(NamedTuple):
    """One `--output`: a type, and where to (a directory for local, a file for the others, "-" for standard output)."""

    type: str
    destination: str = ""
    compression: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return what `type=TYPE,dest=PATH` means; a path alone is a directory, `-` alone a tar on standard output."""
        if "=" not in text:
            return cls("tar", "-") if text == "-" else cls("local", text)
        fields = dict(part.partition("=")[::2] for part in text.split(","))
        kind = fields.pop("type", "")
        destination, compression = fields.pop("dest", ""), fields.pop("compression", "")
        if kind not in _OUTPUTS or fields:
            raise UsageError(f"--output {text}", "expected type=" + "|".join(_OUTPUTS) + ",dest=PATH")
        if kind == "local" and not destination:
            raise UsageError(f"--output {text}", "a directory is needed", "add dest=DIRECTORY")
        return cls(kind, destination or ("" if kind == "image" else "-"), compression)


class BuildRequest(NamedTuple):
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
    build_args: Mapping[str, str] = _NOTHING
    contexts: Mapping[str, str] = _NOTHING
    labels: Mapping[str, str] = _NOTHING
    secrets: tuple[Secret, ...] = ()
    ssh: Mapping[str, str] = _NOTHING
    platform: str = ""
    network: str = "default"
    allow: frozenset[str] = frozenset()
    no_cache: bool = False
    no_cache_stages: frozenset[str] = frozenset()
    workers: int = 0
    epoch: int | None = None
    outputs: tuple[Output, ...] = ()
    cache_from: tuple[CachePlace, ...] = ()
    cache_to: tuple[CachePlace, ...] = ()
    pull: bool = False
    dry_run: bool = False
    graphs: tuple[str, ...] = ()


class StepOutcome(NamedTuple):
    """What became of one step: "hit", "run", "failed" or (in a dry run) "would run"; the sentence why.

    `seconds` is what it took, `saved` what a hit took when it was run; `began` counts seconds from the build's start.
    `diff_id`, `size` (bytes, compressed) and `blob` (its digest) are its layer's, where there is one.
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
    blob: str = ""


class BuildResult(NamedTuple):
    """What a build gave: an image for each target in the order asked for, and what became of each step.

    `skipped` counts the steps of stages that no target needs. A dry run in which every step would be found has no
    images, but in `foreseen` the ids that they would have.
    """

    images: tuple[Image, ...]
    steps: tuple[StepOutcome, ...]
    warnings: tuple[str, ...] = ()
    skipped: int = 0
    foreseen: tuple[Digest, ...] = ()

    @property
    def image(self) -> Image:
        """The image of the last target."""
        return self.images[-1]

    @property
    def ran(self) -> int:
        """How many steps were run."""
        return sum(step.outcome == "run" for step in self.steps)
