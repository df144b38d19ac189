"""The tables of the shared corpus: empty lists where there is no corpus, so that collection works everywhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.conftest import shared_directory

if TYPE_CHECKING:
    from pathlib import Path

Case = dict[str, Any]


def corpus() -> Path | None:
    """Return the folder of the corpus, None where there is none."""
    shared = shared_directory()
    return shared / "corpus" if shared else None


def table(path: str) -> list[Case]:
    """Return the cases of one JSON table."""
    found = corpus()
    if found is None:
        return []
    cases: list[Case] = json.loads((found / path).read_text(encoding="utf-8"))["cases"]
    return cases


def dockerfiles() -> list[str]:
    """Return the names of the Dockerfile cases."""
    found = corpus()
    return sorted(path.parent.name for path in (found / "parse").glob("*/expected.json")) if found else []


def dockerfile(name: str) -> tuple[bytes, Case]:
    """Return the text of a Dockerfile case, and what is expected of it."""
    found = corpus()
    assert found is not None
    folder = found / "parse" / name
    expected: Case = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    return (folder / "Dockerfile").read_bytes(), expected
