"""The keeper's post: one holder at a time, and nobody who merely asks gets in its way."""

from __future__ import annotations

import errno
import os
import threading
from typing import TYPE_CHECKING

import pytest

from mydocker.errors import StoreError
from mydocker.runtime.bundle import Bundle

if TYPE_CHECKING:
    from pathlib import Path

_ROUNDS = 3000


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    made = Bundle(str(tmp_path), "a" * 64)
    made.make_top()
    return made


def test_a_post_has_one_holder(bundle: Bundle) -> None:
    post = bundle.keep()
    assert post is not None
    assert bundle.is_kept()
    assert bundle.keep() is None
    bundle.release(post)
    assert not bundle.is_kept()
    assert not os.path.exists(bundle.post)


def test_a_killed_keepers_post_is_inherited(bundle: Bundle) -> None:
    post = bundle.keep()
    assert post is not None
    assert bundle.inherit() is None
    os.close(post)  # what the kernel does for a killed process
    inherited = bundle.inherit()
    assert inherited is not None
    assert bundle.is_kept()
    bundle.release(inherited)


def test_a_post_that_nobody_left_cannot_be_inherited(bundle: Bundle) -> None:
    with pytest.raises(FileNotFoundError):
        bundle.inherit()
    assert not os.path.exists(bundle.post)


def test_asking_who_keeps_never_keeps_a_starter_out(bundle: Bundle) -> None:
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            bundle.is_kept()

    asking = [threading.Thread(target=ask) for _ in range(2)]
    for each in asking:
        each.start()
    try:
        for _ in range(_ROUNDS):
            post = bundle.keep()
            assert post is not None
            bundle.release(post)
    finally:
        done.set()
        for each in asking:
            each.join()


def test_a_file_system_that_cannot_hold_a_post_is_told_so(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, flags: int, *mode: int) -> int:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported", path)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(StoreError, match="file system"):
        bundle.keep()
