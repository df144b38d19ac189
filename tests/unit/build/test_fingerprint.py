"""Fingerprints: the same as long as nothing below a directory can have changed, and none where stamps prove nothing."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING, cast

import pytest

from mydocker.build.cache import Cache
from mydocker.build.contents import Wanted, content_of
from mydocker.build.fingerprint import fingerprint
from mydocker.build.selection import EVERYTHING
from mydocker.build.tree import Tree
from mydocker.build.trees import Place, Trees
from mydocker.dockerfile import ignore
from mydocker.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mydocker.image.store import ImageStore


@pytest.fixture
def context(tmp_path: Path) -> Path:
    root = tmp_path / "context"
    (root / "d/e").mkdir(parents=True)
    for name in ("a", "d/b", "d/e/c"):
        (root / name).write_text(name)
    (root / "d/link").symlink_to("b")
    return root


@pytest.fixture
def tree(context: Path, tmp_path: Path) -> Iterator[Tree]:
    with Cache(str(tmp_path / "cache")) as cache, _open(context, cache) as opened:
        yield opened


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let so much time pass that the files' stamps can be relied on."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 60 * 10**9)


def _open(context: Path, cache: Cache) -> Tree:
    return Tree(os.open(context, os.O_RDONLY | os.O_DIRECTORY), "the context", cache, owned=False)


def _trees(cache: Cache) -> Trees:
    return Trees(cast("ImageStore", None), cache, lambda ground: (), Place("slot"))


def _replace(context: Path) -> None:
    (context / "new").write_text("d/b")
    os.utime(context / "new", ns=(0, (context / "d/b").stat().st_mtime_ns))
    (context / "new").rename(context / "d/b")


_CHANGES: dict[str, Callable[[Path], object]] = {
    "content of the same length and time": lambda root: _rewrite(root / "d/b", "D/B"),
    "a mode": lambda root: (root / "d/b").chmod(0o600),
    "the mode of a directory": lambda root: (root / "d/e").chmod(0o700),
    "a new name": lambda root: (root / "d/new").write_text(""),
    "a name that is gone": lambda root: (root / "d/e/c").unlink(),
    "another name": lambda root: (root / "d/b").rename(root / "d/B"),
    "a file at the place of another, of the same size and time": _replace,
    "a link to somewhere else": lambda root: _link(root / "d/link", "e"),
    "a directory at the place of a file": lambda root: _make_directory(root / "d/b"),
}


def _rewrite(path: Path, text: str) -> None:
    before = path.stat()
    path.write_text(text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _make_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _link(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("change", _CHANGES)
def test_every_change_gives_another_fingerprint(tree: Tree, context: Path, change: str) -> None:
    before = fingerprint(tree, "d")
    assert before.lasts
    assert fingerprint(tree, "d") == before
    _CHANGES[change](context)
    assert fingerprint(tree, "d").digest != before.digest


@pytest.mark.usefixtures("later")
def test_what_is_elsewhere_or_ignored_does_not_count(tree: Tree, context: Path) -> None:
    tree.ignore = ignore.Matcher(["d/e"])
    before = fingerprint(tree, "d")
    (context / "a").write_text("changed")
    (context / "d/e/c").write_text("changed")
    assert fingerprint(tree, "d") == before
    tree.ignore = None
    assert fingerprint(tree, "d") != before


def test_files_that_changed_a_moment_ago_prove_nothing(tree: Tree) -> None:
    assert not fingerprint(tree, "d").lasts
    assert not fingerprint(tree, "a").lasts


@pytest.mark.usefixtures("later")
def test_what_is_not_there_has_none(tree: Tree) -> None:
    assert fingerprint(tree, "nowhere") == ("", False)


@pytest.mark.usefixtures("later")
def test_content_is_looked_at_again_only_after_a_change(tree: Tree, context: Path, tmp_path: Path) -> None:
    wanted = Wanted("step", "slot", ("d", "a"), EVERYTHING)
    with Cache(str(tmp_path / "kept")) as cache:
        trees = _trees(cache)
        first = content_of(tree, wanted, trees)
        trees.insist("step")
        reads: list[str] = []
        tree.open = lambda path: reads.append(path) or -1  # type: ignore[method-assign,func-returns-value]
        assert content_of(tree, wanted, trees) == first
        assert reads == []
        del tree.open
        _rewrite(context / "d/b", "D/B")
        trees.insist("another step")
        with pytest.raises(BuildFailed, match="changed meanwhile"):
            trees.insist("step")
        assert content_of(tree, wanted, trees) != first
        _rewrite(context / "d/b", "d/b")
        assert content_of(tree, wanted, trees) == first


@pytest.mark.usefixtures("later")
def test_content_is_the_same_in_a_copy_and_differs_for_files_that_share_an_inode(context: Path, tmp_path: Path) -> None:
    copy, linked = tmp_path / "copy", tmp_path / "linked"
    shutil.copytree(context, copy, symlinks=True)
    shutil.copytree(context, linked, symlinks=True)
    for root in (context, copy):
        (root / "d/twin").write_text("d/b")
    os.link(linked / "d/b", linked / "d/twin")
    found = []
    for number, root in enumerate((context, copy, linked)):
        with Cache(str(tmp_path / f"cache-{number}")) as cache, _open(root, cache) as opened:
            found.append(content_of(opened, Wanted("step", "slot", ("d",), EVERYTHING), _trees(cache)))
    assert found[0] == found[1] != found[2]
