"""A store of the test's own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from mydocker.image.layout import Layout
from mydocker.image.store import ImageStore

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
