"""Chores about speed: each file in benchmarks/ is a task of its own name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


def task_bench() -> Iterator[dict[str, Any]]:
    """Measure beside the peers that are installed and print ratios (doit bench:NAME for one)."""
    for file in sorted(_BENCHMARKS.glob("*.py")):
        if file.name.startswith("_"):
            continue
        first = file.read_text().partition('"""')[2].partition("\n")[0].strip().rstrip('"')
        yield {
            "name": file.stem,
            "doc": first,
            "actions": [f"{sys.executable} -m benchmarks.{file.stem}"],
            "uptodate": [False],
        }
