"""Regular expressions mean the same in every Python that is supported."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FILES = [*sorted((ROOT / "grammar").glob("*.lark")), *sorted((ROOT / "mydocker/dockerfile").rglob("*.py"))]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_group_is_repeated_without_giving_back(file: Path) -> None:
    """Before 3.11.5 Python takes `(a|bc)*+` wrongly (gh-106052); Debian 12 has 3.11.2."""
    assert re.findall(r"\)[*+?]\+", file.read_text()) == []
