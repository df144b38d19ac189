"""The grammar texts are found in every kind of installation, and read the samples."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from mydocker.dockerfile import grammars, parse
from mydocker.errors import NotFound

REPOSITORY = Path(__file__).resolve().parents[3]
SAMPLES = sorted(REPOSITORY.glob("samples/*/*ockerfile*"))


def test_checkout_has_the_texts_at_its_top() -> None:
    assert grammars.folder() == REPOSITORY / "grammar"


def test_wheel_has_the_texts_where_an_installed_copy_looks() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert REPOSITORY / included["grammar"] == grammars.PACKAGED


def test_packaged_texts_win(tmp_path: Path) -> None:
    packaged, checkout = tmp_path / "packaged", tmp_path / "checkout"
    for folder in (packaged, checkout):
        folder.mkdir()
        (folder / "dockerfile.lark").touch()
    assert grammars.folder(packaged, checkout) == packaged
    (packaged / "dockerfile.lark").unlink()
    assert grammars.folder(packaged, checkout) == checkout


def test_incomplete_installation_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="cannot find the grammar"):
        grammars.folder(tmp_path, tmp_path)


@pytest.mark.parametrize("path", SAMPLES, ids=[str(path.relative_to(REPOSITORY)) for path in SAMPLES])
def test_sample_parses(path: Path) -> None:
    assert parse(path.read_bytes(), str(path)).stages


def test_there_are_samples() -> None:
    assert SAMPLES
