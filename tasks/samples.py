"""The sample images: `doit` builds them all, a second `doit` has nothing to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mydocker import pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLES = Path(__file__).resolve().parent.parent / "samples"


def sample_folders() -> list[Path]:
    """Return the folders of samples, sorted."""
    return sorted(path.parent for path in SAMPLES.glob("*/[Dd]ockerfile"))


def task_base() -> dict[str, Any]:
    """Make the image `base` that the samples stand on, from this host."""
    return pipeline.base()


def task_sample() -> Iterator[dict[str, Any]]:
    """Build the sample images (doit sample:NAME for one)."""
    for folder in sample_folders():
        yield pipeline.image(f"sample-{folder.name}:1", context=str(folder), name=folder.name, task_dep=["base"])
