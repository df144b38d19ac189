"""What a step did to an overlay becomes a layer that says exactly that, however the step did it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tarfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mydocker.errors import ImageError
from mydocker.events import Notice
from mydocker.image.digest import EMPTY
from mydocker.image.layers import Expected
from tests.system.image.trees import Fact, describe, make_museum, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mydocker.image.manifest import Layer
    from mydocker.image.store import ImageStore
    from tests.system.image.conftest import Heard

pytestmark = pytest.mark.root

EPOCH = 1_500_000_000


@pytest.fixture
def lower(store: ImageStore, tmp_path: Path) -> str:
    tree = tmp_path / "lower"
    tree.mkdir(mode=0o755)
    make_museum(str(tree))
    for name in ("one", "two", "sub/three"):
        write(f"{tree}/dir/{name}", name.encode(), 0o644)
    fd = os.open(tree, os.O_RDONLY)
    layer = store.layers.pack_tree(fd, EPOCH)
    os.close(fd)
    return store.layers.unpack_blob(layer, Expected(stack=(layer.diff_id,)))


@contextmanager
def overlay(store: ImageStore, lowers: tuple[str, ...]) -> Iterator[tuple[Path, Path]]:
    """Mount an overlay in the store; give its upper and its merged directory."""
    place = Path(store.layout.containers) / f"c{time.monotonic_ns()}"
    for name in ("upper", "work", "merged"):
        (place / name).mkdir(parents=True, mode=0o755)
    options = f"lowerdir={':'.join(lowers)},upperdir={place}/upper,workdir={place}/work,redirect_dir=off,metacopy=off"
    subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", place / "merged"], check=True)
    try:
        yield place / "upper", place / "merged"
    finally:
        if os.path.ismount(place / "merged"):
            subprocess.run(["umount", place / "merged"], check=True)


def commit(store: ImageStore, lowers: tuple[str, ...], step: Callable[[Path], object]) -> Layer:
    with overlay(store, lowers) as (upper, merged):
        step(merged)
        subprocess.run(["umount", merged], check=True)
        return store.layers.commit_upper(str(upper), lowers, EPOCH)


def names(store: ImageStore, layer: Layer) -> list[str]:
    return [member.name + ("/" if member.isdir() else "") for member in members(store, layer)]


def members(store: ImageStore, layer: Layer) -> list[tarfile.TarInfo]:
    with subprocess.Popen(["zstd", "-dc", store.blobs.path(layer.blob.digest)], stdout=subprocess.PIPE) as zstd:
        assert zstd.stdout is not None
        with tarfile.open(fileobj=zstd.stdout, mode="r|") as archive:
            return list(archive)


def merged_view(store: ImageStore, layer: Layer, lowers: tuple[str, ...]) -> dict[str, Fact]:
    with overlay(store, (store.layout.snapshot(layer.diff_id), *lowers)) as (_, merged):
        return describe(merged)


def without_directory_times(view: dict[str, Fact]) -> dict[str, Fact]:
    return {name: fact._replace(mtime=0) if fact.kind == "d" else fact for name, fact in view.items()}


def test_step_that_changes_nothing_gives_the_empty_layer(store: ImageStore, lower: str) -> None:
    def step(root: Path) -> None:
        os.chmod(root / "etc/motd", 0o644)
        (root / "dir/new").write_text("x")
        (root / "dir/new").unlink()
        (root / "dir/sub/three").write_text("sub/three")
        os.utime(root / "dir/sub/three", ns=(describe(lower)["dir/sub/three"].mtime * 10**9,) * 2)
        os.utime(root / "empty")

    layer = commit(store, (lower,), step)
    assert names(store, layer) == []
    assert layer.diff_id == EMPTY


def test_changes_and_the_way_to_them_appear_and_nothing_else(store: ImageStore, lower: str) -> None:
    def step(root: Path) -> None:
        (root / "sticky/new").write_text("new")
        (root / "dir/one").unlink()
        shutil.rmtree(root / "names")
        (root / "etc/motd").write_text("other")

    layer = commit(store, (lower,), step)
    assert names(store, layer) == [".wh.names", "dir/", "dir/.wh.one", "etc/", "etc/motd", "sticky/", "sticky/new"]
    assert next(m for m in members(store, layer) if m.name == "sticky").mode == 0o1777


def test_times_are_clamped_in_snapshot_and_tar(store: ImageStore, lower: str) -> None:
    def step(root: Path) -> None:
        (root / "dir/new").write_text("new")
        (root / "dir/old").write_text("old")
        os.utime(root / "dir/old", ns=(1_234_567_890_987_654_321,) * 2)

    layer = commit(store, (lower,), step)
    assert [m.mtime for m in members(store, layer)] == [EPOCH, EPOCH, 1_234_567_890]
    snapshot = store.layout.snapshot(layer.diff_id)
    moments = [os.lstat(f"{snapshot}/{name}").st_mtime_ns for name in ("dir", "dir/new", "dir/old")]
    assert moments == [EPOCH * 10**9, EPOCH * 10**9, 1_234_567_890 * 10**9]


def test_replaced_directory_has_explicit_whiteouts(store: ImageStore, lower: str) -> None:
    def at_once(root: Path) -> None:
        shutil.rmtree(root / "dir")
        (root / "dir/sub").mkdir(parents=True)
        (root / "dir/fresh").write_text("fresh")

    def one_by_one(root: Path) -> None:
        for name in ("dir/one", "dir/two", "dir/sub/three"):
            (root / name).unlink()
        (root / "dir/fresh").write_text("fresh")

    first, second = commit(store, (lower,), at_once), commit(store, (lower,), one_by_one)
    assert names(store, first) == [
        "dir/", "dir/.wh.one", "dir/.wh.two", "dir/fresh", "dir/sub/", "dir/sub/.wh.three",
    ]  # fmt: skip
    assert first.diff_id == second.diff_id


def test_merged_view_of_the_snapshot_is_what_the_step_saw(store: ImageStore, lower: str) -> None:
    def step(root: Path) -> None:
        (root / "dir/one").unlink()
        (root / "dir/one").mkdir()
        (root / "dir/one/inside").write_text("x")
        shutil.rmtree(root / "etc")
        (root / "etc").write_text("a file now")
        os.rename(root / "bin/ping", root / "bin/pong")
        os.link(root / "big", root / "big-again")
        os.unlink(root / "absolute")
        os.mkfifo(root / "dir/fifo")
        for directory, subdirectories, entries in os.walk(root, topdown=False):
            for entry in subdirectories + entries:
                os.utime(os.path.join(directory, entry), ns=(10**18, 10**18), follow_symlinks=False)

    with overlay(store, (lower,)) as (upper, merged):
        step(merged)
        seen = describe(merged)
        subprocess.run(["umount", merged], check=True)
        layer = store.layers.commit_upper(str(upper), (lower,), EPOCH)
    # That a directory was touched is no change to keep; all else is.
    assert without_directory_times(merged_view(store, layer, (lower,))) == without_directory_times(seen)


def test_unpacked_blob_is_the_snapshot_that_was_moved(store: ImageStore, lower: str) -> None:
    def step(root: Path) -> None:
        shutil.rmtree(root / "dir")
        (root / "dir").mkdir()
        make_museum(str(root / "dir"))
        (root / "etc/motd").unlink()

    layer = commit(store, (lower,), step)
    moved = describe(store.layout.snapshot(layer.diff_id))
    store.snapshots.discard(layer.diff_id.hex)
    assert describe(store.layers.unpack_blob(layer, Expected((lower,), (layer.diff_id,)))) == moved


def test_new_hard_link_to_a_lower_file_keeps_both_names(store: ImageStore, lower: str) -> None:
    layer = commit(store, (lower,), lambda root: os.link(root / "big", root / "big-again"))
    found = members(store, layer)
    assert [(m.name, m.type, m.linkname) for m in found] == [
        ("big", tarfile.REGTYPE, ""),
        ("big-again", tarfile.LNKTYPE, "big"),
    ]


def test_whiteouts_of_nothing_vanish(store: ImageStore, lower: str, tmp_path: Path) -> None:
    upper = Path(store.layout.containers) / "made-by-hand"
    (upper / "dir").mkdir(parents=True)
    os.chmod(upper, 0o755)
    shutil.copystat(f"{lower}/dir", upper / "dir")
    for name in ("never-was", "dir/never-was", "dir/one"):
        os.mknod(upper / name, stat.S_IFCHR | 0o600, 0)
    layer = store.layers.commit_upper(str(upper), (lower,), EPOCH)
    assert names(store, layer) == ["dir/", "dir/.wh.one"]


def test_whiteout_in_the_middle_of_a_stack_hides_what_is_below(store: ImageStore, lower: str) -> None:
    second = commit(store, (lower,), lambda root: shutil.rmtree(root / "dir"))
    lowers = (store.layout.snapshot(second.diff_id), lower)

    def step(root: Path) -> None:
        (root / "dir").mkdir()
        (root / "dir/one").write_text("one")

    third = commit(store, lowers, step)
    assert names(store, third) == ["dir/", "dir/one"]
    view = merged_view(store, third, lowers)
    assert sorted(name for name in view if name.startswith("dir")) == ["dir", "dir/one"]


def test_name_that_would_be_a_whiteout_is_refused(store: ImageStore, lower: str) -> None:
    with pytest.raises(ImageError, match=r"\.wh\."):
        commit(store, (lower,), lambda root: (root / ".wh.file").write_text("x"))


def test_commit_copy_leaves_the_upper_as_it_is(store: ImageStore, lower: str) -> None:
    def step(root: Path) -> None:
        shutil.rmtree(root / "dir")
        (root / "dir").mkdir()
        (root / "dir/x").write_text("x")
        os.link(root / "dir/x", root / "dir/y")

    with overlay(store, (lower,)) as (upper, merged):
        step(merged)
        before = describe(upper)
        copied = store.layers.commit_copy(str(upper), (lower,), EPOCH)
        assert describe(upper) == before
        subprocess.run(["umount", merged], check=True)
        assert store.layers.commit_upper(str(upper), (lower,), EPOCH).diff_id == copied.diff_id


def test_sockets_are_left_out_of_snapshot_and_layer_and_told(store: ImageStore, lower: str, heard: Heard) -> None:
    def step(root: Path) -> None:
        os.mknod(root / "etc/new.sock", stat.S_IFSOCK | 0o600)
        (root / "dir/one").unlink()
        os.mknod(root / "dir/one", stat.S_IFSOCK | 0o600)

    layer = commit(store, (lower,), step)
    assert names(store, layer) == ["dir/", "dir/.wh.one"]
    assert store.layers.damage(layer, Expected(), store.layout.snapshot(layer.diff_id)) is None
    (told,) = [event.text for event in heard if isinstance(event, Notice)]
    assert "new.sock" in told
