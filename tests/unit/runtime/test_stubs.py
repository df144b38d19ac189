"""Mount points that a root lacks: found through links, made in another layer, taken back where they stayed empty."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from mydocker.runtime import stubs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def places(tmp_path: Path) -> Iterator[tuple[Path, Path, int, int]]:
    """A root and an empty layer, and both open."""
    root, layer = tmp_path / "root", tmp_path / "layer"
    root.mkdir()
    layer.mkdir()
    opened = [os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in (root, layer)]
    yield root, layer, *opened  # type: ignore[misc]
    for descriptor in opened:
        os.close(descriptor)


def tree(path: Path) -> list[str]:
    return sorted(str(each.relative_to(path)) for each in path.rglob("*"))


def test_what_is_there_is_left_alone(places: tuple[Path, Path, int, int]) -> None:
    root, layer, root_fd, layer_fd = places
    (root / "proc").mkdir()
    assert stubs.complete(root_fd, layer_fd, (("/proc", True),)) == []
    assert tree(layer) == []


def test_what_overlayfs_would_hide_is_missing(places: tuple[Path, Path, int, int]) -> None:
    root, layer, root_fd, layer_fd = places
    os.mknod(root / "proc", stat.S_IFCHR, os.makedev(0, 0))  # a whiteout; anybody may make one (Linux 5.8)
    assert stubs.complete(root_fd, layer_fd, (("/proc", True),)) == ["proc"]
    assert tree(layer) == ["proc"]


def test_directories_above_are_copied_with_their_attributes(places: tuple[Path, Path, int, int]) -> None:
    root, layer, root_fd, layer_fd = places
    (root / "srv").mkdir()
    (root / "srv").chmod(0o700)
    os.utime(root / "srv", ns=(10**18, 10**18))
    assert stubs.complete(root_fd, layer_fd, (("/srv/www/file", False),)) == ["srv/www", "srv/www/file"]
    assert tree(layer) == ["srv", "srv/www", "srv/www/file"]
    assert (layer / "srv/www/file").is_file()
    assert (layer / "srv").stat().st_mode & 0o777 == 0o700
    assert (layer / "srv").stat().st_mtime_ns == 10**18
    assert tree(root) == ["srv"]


@pytest.mark.parametrize(
    ("link", "path", "made"),
    [
        ("/data", "/way/sub", "data/sub"),
        ("data", "/way/sub", "data/sub"),
        ("../../../data", "/way/sub", "data/sub"),
        ("/nowhere/else", "/way/sub", "nowhere/else/sub"),
        ("/data", "/way/../way/./sub", "data/sub"),
    ],
)
def test_links_are_followed_as_inside_the_root(
    places: tuple[Path, Path, int, int], link: str, path: str, made: str
) -> None:
    root, layer, root_fd, layer_fd = places
    (root / "data").mkdir()
    (root / "way").symlink_to(link)
    stubs.complete(root_fd, layer_fd, ((path, True),))
    assert (layer / made).is_dir()


def test_links_in_circles_are_an_error(places: tuple[Path, Path, int, int]) -> None:
    root, _, root_fd, layer_fd = places
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        stubs.complete(root_fd, layer_fd, (("/a/x", True),))


def test_what_an_earlier_run_made_is_no_obstacle(places: tuple[Path, Path, int, int]) -> None:
    _, layer, root_fd, layer_fd = places
    for _ in range(2):
        assert stubs.complete(root_fd, layer_fd, (("/a/b", True),)) == ["a", "a/b"]
    assert tree(layer) == ["a", "a/b"]


def test_only_what_stayed_empty_is_taken_back(places: tuple[Path, Path, int, int], tmp_path: Path) -> None:
    _, layer, root_fd, layer_fd = places
    note = str(tmp_path / "note")
    stubs.note(note, stubs.complete(root_fd, layer_fd, (("/empty/sub", True), ("/file", False), ("/used/sub", True))))
    stubs.note(note, stubs.complete(root_fd, layer_fd, (("/written", False),)))
    (layer / "used" / "own").touch()
    (layer / "written").write_text("by the container")
    stubs.take_back(note, str(layer))
    assert tree(layer) == ["used", "used/own", "written"]
    assert not os.path.exists(note)
    stubs.take_back(note, str(layer))  # nothing noted: nothing done


def test_taking_back_follows_no_link_that_the_container_put_there(
    places: tuple[Path, Path, int, int], tmp_path: Path
) -> None:
    _, layer, _, _ = places
    prey = tmp_path / "prey"
    (prey / "sub").mkdir(parents=True)
    (layer / "way").symlink_to(prey)
    note = str(tmp_path / "note")
    stubs.note(note, ["way/sub"])
    stubs.take_back(note, str(layer))
    assert (prey / "sub").is_dir()
    assert (layer / "way").is_symlink()
