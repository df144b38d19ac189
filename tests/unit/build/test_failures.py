"""Failed steps that are kept: a removal that is cut short leaves none half there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from mydocker.build import failures
from mydocker.image.layout import Layout
from mydocker.linux import files

if TYPE_CHECKING:
    from pathlib import Path


def test_a_removal_that_is_interrupted_leaves_nothing_that_looks_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout.open(str(tmp_path / "store"))
    os.makedirs(f"{layout.failures}/0123456789ab/upper")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "remove_tree", interrupted)
    with pytest.raises(KeyboardInterrupt):
        failures.forget(layout)
    assert os.listdir(layout.failures) == []
