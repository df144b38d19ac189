"""A store of the test's own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from mydocker.image.layout import Layout
from mydocker.image.limits import Limits
from mydocker.image.store import ImageStore
from tests.system.image.hostile import Box

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mydocker.events import Event


class Heard(list["Event"]):
    """A reporter that remembers."""

    def __call__(self, event: Event) -> None:
        self.append(event)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def store(tmp_path: Path, heard: Heard) -> Iterator[ImageStore]:
    store = ImageStore(Layout.open(str(tmp_path / "store")), heard)
    yield store
    assert os.listdir(store.layout.tmp) == [], "something unfinished was left in tmp"


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    box = Box(tmp_path, Limits(size=64 * 2**20, entries=20_000, ratio=100, ratio_from=8 * 2**20))
    box.watch()
    yield box
    box.check()
    assert not os.path.exists(tmp_path / "escaped")
    assert not os.path.exists("/escaped")
