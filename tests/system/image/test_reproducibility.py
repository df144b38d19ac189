"""One tree, one layer: whoever packs it, when, where, with what settings, from what file system (docs/images.md)."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mydocker.build.request import BuildRequest
from mydocker.engine import Engine
from mydocker.image import compression
from mydocker.image.compression import compressor, zstd_versions
from mydocker.image.config import ImageConfig
from mydocker.image.reference import Reference
from tests.system.image.trees import make_museum, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mydocker.image.store import ImageStore

pytestmark = pytest.mark.root

PACKER = Path(__file__).with_name("packer.py")
EPOCH = 1_100_000_000

# What the museum is, for ever: an intended change of how layers are written has a line in CHANGELOG.md.
DIFF_ID = "sha256:1622eef3c116b59441127d0e530e4846d8d8fa3bcaecb6389286d7c93353b9c3"
# What zstd makes of it: as long as the library is the one that pyproject.toml pins.
DIGEST = "sha256:2d1b7cc05d517b4a0878bf2d3ee0a2adf410f57f0de251002c9c29f3a77197c6"
ZSTD = "1.5.7"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    place = tmp_path / "tree"
    place.mkdir()
    make_museum(str(place))
    return place


def packed(tree: Path, place: Path, *, umask: str = "022", cores: int = 0, user: int = 0, **environ: str) -> list[str]:
    """Pack in a process of its own, in a store of its own; return diff ID and blob digest."""
    store = place / f"store-{os.urandom(4).hex()}"
    store.mkdir()
    os.chown(store, user, user)

    def settle() -> None:
        if cores:
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])

    words = [sys.executable, str(PACKER), str(tree), str(store), str(EPOCH), umask, str(user)]
    environ = {**os.environ, "PYTHONPATH": str(PACKER.parents[3]), "PYTHONDONTWRITEBYTECODE": "1", **environ}
    done = subprocess.run(words, env=environ, capture_output=True, text=True, preexec_fn=settle, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_known_answer(tree: Path, tmp_path: Path) -> None:
    assert (zstd_versions()[0], packed(tree, tmp_path)) == (ZSTD, [DIFF_ID, DIGEST])


@pytest.mark.parametrize(
    "settings",
    [
        {"umask": "077"}, {"umask": "000"}, {"cores": 1}, {"TZ": "Asia/Kathmandu"}, {"LC_ALL": "C"},
        {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"}, {"PYTHONUTF8": "0", "LC_ALL": "POSIX"},
        {"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2"}, {"HOME": "/nowhere", "USER": "somebody"},
    ],
    ids=str,
)  # fmt: skip
def test_whoever_packs_it_with_whatever_settings(tree: Path, tmp_path: Path, settings: dict[str, str]) -> None:
    assert packed(tree, tmp_path, **settings) == [DIFF_ID, DIGEST]  # type: ignore[arg-type]


def test_at_another_time(tree: Path, tmp_path: Path) -> None:
    """Whatever is later than the epoch is that epoch; nothing finer than a second, no other time, is anywhere."""
    results = []
    for moment in (1_700_000_000_000_000_001, 1_900_000_000_999_999_999):
        for directory, folders, names in os.walk(os.fsencode(tree), topdown=False):
            for name in names + folders:
                os.utime(os.path.join(directory, name), ns=(moment, moment), follow_symlinks=False)
        results.append(packed(tree, tmp_path))
    assert results[0] == results[1]


def test_by_another_user(tmp_path: Path) -> None:
    """Who may not read everything packs what it may: the same bytes as root."""
    readable = tmp_path / "readable"
    for name in ("bin/tool", "etc/conf", "names/caf\u00e9"):
        write(f"{readable}/{name}", name.encode(), 0o644)
    os.chown(readable / "bin/tool", 1234, 56)
    for each in (tmp_path, *tmp_path.parents):
        if each != Path(tempfile.gettempdir()) and each.is_relative_to(tempfile.gettempdir()):
            each.chmod(0o755)
    assert packed(readable, tmp_path) == packed(readable, tmp_path, user=65534)


def test_made_in_another_order(tree: Path, tmp_path: Path) -> None:
    """A copy whose names were made in another order, with other inodes and other first names of hard links."""
    copy = tmp_path / "copy"
    copy.mkdir()
    names = sorted(os.listdir(tree), reverse=True)
    subprocess.run(["cp", "-a", *(f"{tree}/{name}" for name in names), copy], check=True)
    os.utime(copy, ns=(5, 5))
    assert packed(copy, tmp_path) == [DIFF_ID, DIGEST]


@contextlib.contextmanager
def mounted(place: Path, kind: str, below: Path) -> Iterator[Path]:
    """Mount a file system of this kind; of an overlay, `below` is the lower layer."""
    target = place / kind
    target.mkdir()
    if kind == "tmpfs":
        words = ["-t", "tmpfs", "none"]
    elif kind == "ext4":
        with open(place / "disk", "wb") as file:
            file.truncate(96 * 2**20)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-O", "^dir_index", place / "disk"], check=True)
        words = ["-o", "loop", str(place / "disk")]
    else:
        for name in ("upper", "work"):
            (place / name).mkdir()
        words = ["-t", "overlay", "-o", f"lowerdir={below},upperdir={place}/upper,workdir={place}/work", "none"]
    subprocess.run(["mount", *words, target], check=True)
    try:
        yield target
    finally:
        subprocess.run(["umount", target], check=True)


@pytest.mark.parametrize("kind", ["tmpfs", "ext4", "overlay"])
def test_from_another_file_system(tree: Path, tmp_path: Path, kind: str) -> None:
    with mounted(tmp_path, kind, tree) as place:
        root = place
        if kind != "overlay":
            root = place / "tree"
            subprocess.run(["cp", "-a", tree, root], check=True)
        assert packed(root, tmp_path) == [DIFF_ID, DIGEST]


def test_from_its_own_snapshot_and_after_a_way_through_gnu_tar(store: ImageStore, tree: Path, tmp_path: Path) -> None:
    fd = os.open(tree, os.O_RDONLY)
    layer = store.layers.pack_tree(fd, EPOCH)
    os.close(fd)
    image = store.add(ImageConfig(diff_ids=(layer.diff_id,)), (layer,), (Reference.parse("museum"),))
    assert packed(Path(store.snapshot_dirs(image)[0]), tmp_path) == [DIFF_ID, DIGEST]
    (tree / "fifo-again").unlink()
    (tree / "acl").unlink()
    shutil.copytree(tree / "etc", tree / "etc-copy", symlinks=True)
    plain, again = tmp_path / "tree.tar", tmp_path / "again"
    again.mkdir()
    flags = ["--numeric-owner", "--xattrs", "--xattrs-include=*"]
    subprocess.run(["tar", "--format=posix", *flags, "-S", "-cf", plain, "-C", tree, "."], check=True)
    subprocess.run(["tar", *flags, "-xpf", plain, "-C", again], check=True)
    assert packed(again, tmp_path) == packed(tree, tmp_path)


def test_worker_count_changes_no_byte() -> None:
    data = b"".join(str(number).encode() * 50 for number in range(150_000))
    results = set()
    for workers in (1, 2, 3, 6):
        machine = compressor(workers).compressobj()
        results.add(machine.compress(data) + machine.flush())
    assert len(results) == 1


def test_another_zstd_changes_blobs_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an upgrade of the library does, by another level: ids and cached steps stay, new blobs are other ones."""
    context = tmp_path / "context"
    write(f"{context}/file", b"".join(b"%d" % number for number in range(20_000)), 0o644)
    (context / "Dockerfile").write_text("FROM scratch\nCOPY file /\n")
    request = BuildRequest(str(context), epoch=0)
    first = Engine(str(tmp_path / "store"))
    before = first.build(request).image
    monkeypatch.setattr(compression, "LEVEL", 9)
    again = first.build(request)
    assert ([step.outcome for step in again.steps], again.image.digest) == (["hit"], before.digest)
    anew = Engine(str(tmp_path / "another")).build(request).image
    assert (anew.id, anew.diff_ids) == (before.id, before.diff_ids)
    assert anew.digest != before.digest
