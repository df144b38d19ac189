"""What is known about a container, as files."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import pytest

from mydocker.runtime import record

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file can be made any more."""
    really = os.open

    def refuse(path: Any, flags: int, *words: Any, **others: Any) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.ENOSPC, "No space left on device", path)
        return really(path, flags, *words, **others)

    monkeypatch.setattr(os, "open", refuse)


def test_on_a_full_disk_a_file_that_is_there_is_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    path = str(tmp_path / "state.json")
    record.write_json(path, {"status": "running", "pid": 4_000_000})
    request.getfixturevalue("full_disk")
    record.write_json(path, {"status": "exited", "pid": 0})
    assert record.read_json(path) == {"status": "exited", "pid": 0}
    assert os.listdir(tmp_path) == ["state.json"]


def test_on_a_full_disk_a_new_file_is_refused(tmp_path: Path, full_disk: None) -> None:
    with pytest.raises(OSError, match="No space left"):
        record.write_json(str(tmp_path / "state.json"), {})
    assert os.listdir(tmp_path) == []
