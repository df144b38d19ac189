"""What goes with a container: found again when its keeper was killed on the way."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from mydocker.linux.files import remove_tree
from mydocker.runtime import remains
from mydocker.runtime.bundle import Bundle
from mydocker.runtime.record import Container

if TYPE_CHECKING:
    from pathlib import Path


def test_killed_while_erasing_leaves_the_record_that_names_the_volumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Bundle(str(tmp_path / "containers"), "a" * 64)
    bundle.make_top()
    bundle.make()
    volumes = [tmp_path / "volumes" / name for name in ("first", "second")]
    for volume in volumes:
        volume.joinpath("data").mkdir(parents=True)
    made = Container(bundle.id, "box", "", "", (), 0.0, auto_remove=True, disposable=tuple(map(str, volumes)))
    bundle.write(made)

    def killed(folder: int, name: bytes) -> None:
        if name == b"second":
            raise KeyboardInterrupt
        remove_tree(folder, name)

    with monkeypatch.context() as patched:
        patched.setattr(remains, "remove_tree", killed)
        with pytest.raises(KeyboardInterrupt):
            remains.erase(bundle, made)
    assert [volume.exists() for volume in volumes] == [False, True]
    remains.erase(bundle, bundle.read())
    assert not os.listdir(tmp_path / "volumes")
    assert not os.path.exists(bundle.path)
