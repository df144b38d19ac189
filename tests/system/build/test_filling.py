"""A directory copied in one pass gives the layer and the snapshot that placing, normalising and packing give."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from mydocker.build.filling import filling
from mydocker.build.request import BuildRequest
from mydocker.build.steps import copying
from mydocker.engine import Engine
from mydocker.errors import ImageError, MydockerError
from tests.system.build.trees import grow, listing

if TYPE_CHECKING:
    from pathlib import Path

    from mydocker.image.image import Image

pytestmark = pytest.mark.root

_DOCKERFILES = {
    "a new directory": "FROM scratch\nCOPY tree/ /new/\n",
    "deep down": "FROM scratch\nWORKDIR /srv\nCOPY tree /srv/www/a/b\n",
    "an empty directory that is there": "FROM scratch\nWORKDIR /srv/app\nCOPY tree/ .\n",
    "the root": "FROM scratch\nCOPY tree/ /\n",
    "behind a link": "FROM scratch\nCOPY links/ /links/\nCOPY tree/ /links/to/x\n",
    "another owner and mode": "FROM scratch\nCOPY --chown=7:8 --chmod=u+x,go-w tree/ /new/\n",
    "without some": "FROM scratch\nCOPY --exclude=**/a tree/ /new/\n",
    "with their parents": "FROM scratch\nCOPY --parents tree/./*/* /new/\n",
    "of another stage": "FROM scratch AS one\nCOPY tree/ /t/\nFROM scratch\nCOPY --from=one /t /new\n",
    "two in turn": "FROM scratch\nCOPY tree/ /new/\nCOPY links/ /other/\nCOPY tree/ /new/\n",
}


def _build(context: Path, store: Path, dockerfile: str) -> tuple[Engine, Image]:
    (context / "Dockerfile").write_text(dockerfile)
    engine = Engine(str(store))
    request = BuildRequest(str(context), workers=1, epoch=1_000_000_000)
    return engine, engine.build(request).image


def _snapshots(engine: Engine, image: Image) -> list[object]:
    return [listing(path) for path in engine.images.snapshot_dirs(image)]  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("where", _DOCKERFILES)
def test_one_pass_gives_what_three_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, seed: int) -> None:
    context = tmp_path / "context"
    (context / "tree").mkdir(parents=True)
    (context / "links/target").mkdir(parents=True)
    (context / "links/to").symlink_to("/links/target")
    grow(context / "tree", seed)
    engine, image = _build(context, tmp_path / "one", _DOCKERFILES[where])
    found = _snapshots(engine, image)
    monkeypatch.setattr(copying, "_lone_directory", lambda step, shop: None)
    engine, plain = _build(context, tmp_path / "three", _DOCKERFILES[where])
    assert plain.digest == image.digest
    assert _snapshots(engine, plain) == found


@pytest.mark.parametrize("seed", range(6))
def test_special_files_owners_and_attributes_of_another_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    root, context = tmp_path / "root", tmp_path / "context"
    (root / "t").mkdir(parents=True)
    context.mkdir()
    grow(root / "t", seed, special=True)
    archive = tmp_path / "root.tar"
    os.system(f"tar --xattrs -C {root} -cf {archive} .")
    results = []
    for name in ("one", "three"):
        Engine(str(tmp_path / name)).build_base(str(archive), "special")
        engine, image = _build(context, tmp_path / name, "FROM scratch\nCOPY --from=special /t /new/\n")
        results.append((image.digest, _snapshots(engine, image)))
        monkeypatch.setattr(copying, "_lone_directory", lambda step, shop: None)
    assert results[0] == results[1]


def test_a_name_that_would_remove_something_is_refused(tmp_path: Path) -> None:
    context = tmp_path / "context"
    (context / "tree").mkdir(parents=True)
    (context / "tree/.wh.passwd").write_text("")
    with pytest.raises(MydockerError) as refused:
        _build(context, tmp_path / "store", _DOCKERFILES["a new directory"])
    assert ".wh." in str(refused.value)
    assert isinstance(refused.value.__cause__, ImageError)
    assert os.listdir(tmp_path / "store/tmp") == []


def test_a_file_that_changes_while_it_is_copied_stops_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = tmp_path / "context"
    (context / "tree").mkdir(parents=True)
    (context / "tree/a").write_text("1")
    before = filling

    def change(*args: object) -> object:
        (context / "tree/a").write_text("22")
        return before(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(copying, "filling", change)
    with pytest.raises(MydockerError, match="changed while it was copied"):
        _build(context, tmp_path / "store", _DOCKERFILES["a new directory"])
    assert os.listdir(tmp_path / "store/tmp") == []
    monkeypatch.undo()
    _build(context, tmp_path / "store", _DOCKERFILES["a new directory"])
