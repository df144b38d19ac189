"""Killed at any instant, crowded, out of space: the store stays whole, and what was reported done is there."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mydocker.errors import StoreError
from mydocker.image.config import ImageConfig
from mydocker.image.layout import Layout
from mydocker.image.reference import Reference
from mydocker.image.store import ImageStore
from tests.system.image.trees import write

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root

WORKER = Path(__file__).with_name("worker.py")
# The full count takes a minute or two: MYDOCKER_TEST_KILLS=200.
KILLS = int(os.environ.get("MYDOCKER_TEST_KILLS", "60"))
DOCKERFILE = """FROM scratch
ARG SUBSET LABEL
COPY tree/$SUBSET /
COPY tree/0 /all/
LABEL number=$LABEL
"""


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A root file system that takes some time: enough files to be killed among them."""
    for at in range(300):
        write(f"{tmp_path}/tree/{at % 10}/{at}", os.urandom(2000), 0o644)
    subprocess.run(["tar", "-cf", tmp_path / "tree.tar", "-C", tmp_path / "tree", "."], check=True)
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    return tmp_path / "tree.tar"


def open_store(tmp_path: Path) -> ImageStore:
    return ImageStore(Layout.open(str(tmp_path / "store")))


def start(tmp_path: Path, archive: Path, seed: int, rounds: int = 1_000_000) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(WORKER), str(tmp_path / "store"), str(archive), str(seed), str(rounds)]
    environ = {**os.environ, "PYTHONPATH": str(WORKER.parents[3])}
    return subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True, env=environ)


def assert_whole(store: ImageStore, done: dict[str, str]) -> None:
    report = store.fsck()
    assert report.problems == ()
    assert os.listdir(store.layout.tmp) == []
    named = {reference.familiar: image.id for image in store.images() for reference in image.references}
    for name, image_id in done.items():
        assert named.get(name, "") == image_id, f"{name} was reported done"


def follow(lines: list[str], done: dict[str, str]) -> None:
    """Bring up to date what workers said they had done: `+name id` and `-name`; `?name` means it was being changed."""
    for line in lines:
        word, _, image_id = line[1:].partition(" ")
        if line[0] == "+":
            done[word] = image_id
        else:
            done.pop(word, None)


@pytest.mark.timeout(900)
def test_killed_at_random_nothing_is_broken_and_nothing_lost(tmp_path: Path, archive: Path) -> None:
    done: dict[str, str] = {}
    rng = random.Random(4)
    kills = 0
    while kills < KILLS:
        with start(tmp_path, archive, kills) as worker:
            assert worker.stdout is not None
            assert worker.stdout.readline() == b"ready\n"
            time.sleep(rng.random() * 0.4)
            os.killpg(worker.pid, signal.SIGKILL)
            follow(worker.stdout.read().decode().splitlines(), done)
        kills += 1
        if kills % 10 == 0:
            assert_whole(open_store(tmp_path), done)
    assert_whole(open_store(tmp_path), done)


@pytest.mark.timeout(600)
def test_eight_processes_at_once(tmp_path: Path, archive: Path) -> None:
    open_store(tmp_path)
    workers = [start(tmp_path, archive, seed, rounds=25) for seed in range(8)]
    done: dict[str, str] = {}
    for worker in workers:
        output, _ = worker.communicate(timeout=500)
        assert worker.returncode == 0
        follow(output.decode().splitlines()[1:], done)
    assert_whole(open_store(tmp_path), done)


def test_eight_processes_open_one_new_store(tmp_path: Path, archive: Path) -> None:
    workers = [start(tmp_path, archive, seed, rounds=1) for seed in range(8)]
    for worker in workers:
        worker.communicate(timeout=60)
        assert worker.returncode == 0
    assert_whole(open_store(tmp_path), {})


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 12 MB."""
    image, place = tmp_path / "disk", tmp_path / "mounted"
    place.mkdir()
    with open(image, "wb") as file:
        file.truncate(12 * 2**20)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def fill(path: Path) -> None:
    """Write until there is no byte left."""
    with open(path, "wb", buffering=0) as file:
        for size in (2**16, 2**10, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
        file.write(bytes(2**16))


def test_full_disk_is_said_and_breaks_nothing(tmp_path: Path, small_disk: Path, archive: Path) -> None:
    store = ImageStore(Layout.open(str(small_disk / "store")))
    kept = store.import_tar(str(archive), ImageConfig(), Reference.parse("kept"))
    (tmp_path / "tree/more").write_bytes(os.urandom(6 * 2**20))
    subprocess.run(["tar", "-cf", tmp_path / "large.tar", "-C", tmp_path / "tree", "."], check=True)
    for _ in range(3):
        with pytest.raises(StoreError, match="no space left") as caught:
            store.import_tar(str(tmp_path / "large.tar"), ImageConfig(), Reference.parse("large"))
        assert "prune" in caught.value.hint
    assert_whole(store, {"kept:latest": kept.id})
    with pytest.raises(OSError, match="No space"):
        fill(small_disk / "filler")
    with pytest.raises(StoreError, match="no space left"):
        store.save(str(small_disk / "out.tar"), ["kept"])
    assert sorted(os.listdir(small_disk)) == ["filler", "lost+found", "store"]
    with pytest.raises(StoreError, match="no space left"):
        store.tag(kept, Reference.parse("another-name"))
    os.unlink(small_disk / "filler")
    report = store.fsck()
    assert report.problems == ()
    assert store.resolve("kept").id == kept.id


def test_leftovers_of_the_dead_are_removed_and_those_of_the_living_stay(tmp_path: Path) -> None:
    layout = Layout.open(str(tmp_path / "store"))
    with layout.workspace("alive") as alive:
        for name in ("dead-1", "dead-2"):
            write(f"{layout.tmp}/{name}/deep/file", b"x", 0o600)
            write(f"{layout.tmp}/{name}.lock", b"", 0o600)
        write(f"{layout.tmp}/stray", b"x", 0o600)
        Layout.open(layout.root)
        assert sorted(os.listdir(layout.tmp)) == [os.path.basename(alive), os.path.basename(alive) + ".lock"]
    assert os.listdir(layout.tmp) == []


def test_snapshot_of_an_earlier_boot_that_was_not_synced_is_made_again(tmp_path: Path, archive: Path) -> None:
    store = open_store(tmp_path)
    image = store.import_tar(str(archive), ImageConfig(), Reference.parse("image"))
    (path,) = store.snapshot_dirs(image)
    (mark,) = os.listdir(store.layout.unsynced)
    (Path(path) / "0/0").write_bytes(b"")
    os.rename(f"{store.layout.unsynced}/{mark}", f"{store.layout.unsynced}/{mark.partition('.')[0]}.another-boot")
    store = open_store(tmp_path)
    assert os.listdir(store.layout.snapshots) == []
    assert os.listdir(store.layout.unsynced) == []
    (again,) = store.snapshot_dirs(image)
    assert os.stat(f"{again}/0/0").st_size == 2000


def test_mark_goes_when_the_bytes_have_had_time(tmp_path: Path, archive: Path) -> None:
    store = open_store(tmp_path)
    store.import_tar(str(archive), ImageConfig(), Reference.parse("image"))
    (mark,) = os.listdir(store.layout.unsynced)
    open_store(tmp_path)
    assert os.listdir(store.layout.unsynced) == [mark]
    os.utime(f"{store.layout.unsynced}/{mark}", (0, 0))
    open_store(tmp_path)
    assert os.listdir(store.layout.unsynced) == []
    assert len(os.listdir(store.layout.snapshots)) == 1
