"""Fixtures of the tests of builds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.system.build.attacks import CANARY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Path]:
    """A folder of the host with a canary, which has to be as it was in the end."""
    folder = tmp_path / "host"
    folder.mkdir()
    (folder / "canary").write_text(CANARY)
    yield folder
    assert [path.name for path in folder.iterdir()] == ["canary"], "something was written on the host"
    assert (folder / "canary").read_text() == CANARY
