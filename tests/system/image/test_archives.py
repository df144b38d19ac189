"""Images go out and come in again as they were; names are told when they move."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
import threading
from typing import TYPE_CHECKING

import pytest

from mydocker.errors import ImageError, NotFound
from mydocker.events import Notice
from mydocker.image.config import ImageConfig
from mydocker.image.layout import Layout
from mydocker.image.reference import Reference
from mydocker.image.store import ImageStore
from tests.system.image.trees import describe, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mydocker.image.image import Image
    from tests.system.image.conftest import Heard

pytestmark = pytest.mark.root


@pytest.fixture
def rootfs(tmp_path: Path) -> Path:
    """A small root file system as a tar."""
    tree = tmp_path / "rootfs"
    for name in ("etc/passwd", "bin/sh", "data/big"):
        write(f"{tree}/{name}", name.encode() * 1000, 0o755)
    archive = tmp_path / "rootfs.tar"
    subprocess.run(["tar", "-cf", archive, "-C", tree, "."], check=True)
    return archive


@pytest.fixture
def image(store: ImageStore, rootfs: Path) -> Image:
    """An image of two layers with two names."""
    base = store.import_tar(str(rootfs), ImageConfig(architecture="amd64", env=("A=ä",)), Reference.parse("base"))
    upper = f"{store.layout.containers}/upper"
    write(f"{upper}/data/more", b"more", 0o600)
    os.chmod(upper, 0o755)
    layer = store.layers.commit_upper(upper, store.snapshot_dirs(base), 0)
    config = base.config._replace(diff_ids=(*base.diff_ids, layer.diff_id), cmd=("sh",), labels={"k": "v"})
    image = store.add(config, (*base.layers, layer), [Reference.parse("app:1.0")], base="base")
    store.tag(image, Reference.parse("registry.example:5000/team/app"))
    return store.resolve("app:1.0")


@pytest.fixture
def other(tmp_path: Path, heard: Heard) -> ImageStore:
    return ImageStore(Layout.open(str(tmp_path / "other")), heard)


def merged_files(store: ImageStore, image: Image) -> list[object]:
    return [describe(path) for path in store.snapshot_dirs(image)]


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
@pytest.mark.parametrize("compression", ["", "none", "gzip", "zstd"])
def test_saved_and_loaded_image_is_the_same(
    store: ImageStore, other: ImageStore, image: Image, tmp_path: Path, form: str, compression: str
) -> None:
    target = str(tmp_path / "image.tar")
    names = ["app:1.0", "registry.example:5000/team/app"]
    store.save(target, names, form=form, compression=compression)
    loaded = other.load(target)
    assert {each.id for each in loaded} == {image.id}
    back = other.resolve("app:1.0")
    assert sorted(map(str, back.references)) == sorted(map(str, image.references))
    assert other.read_config(back) == store.read_config(image)
    assert merged_files(other, back) == merged_files(store, image)
    if form == "oci-archive" and compression in ("", "zstd"):
        assert back.digest == image.digest


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_saving_twice_gives_the_same_bytes_to_file_and_pipe(
    store: ImageStore, image: Image, tmp_path: Path, form: str
) -> None:
    first = tmp_path / "first.tar"
    store.save(str(first), ["app:1.0", "base"], form=form, compression="gzip")
    reading, writing = os.pipe()
    received = bytearray()

    def receive() -> None:
        with open(reading, "rb") as file:
            received.extend(file.read())

    thread = threading.Thread(target=receive)
    thread.start()
    store.save(writing, ["app:1.0", "base"], form=form, compression="gzip")
    os.close(writing)
    thread.join()
    assert bytes(received) == first.read_bytes()


@pytest.mark.parametrize("tool", ["gzip", "xz", "zstd", "bzip2"])
def test_load_of_a_compressed_archive_and_a_pipe(
    store: ImageStore, other: ImageStore, image: Image, tmp_path: Path, tool: str
) -> None:
    store.save(str(tmp_path / "image.tar"), ["app:1.0"])
    with subprocess.Popen([tool, "-c", tmp_path / "image.tar"], stdout=subprocess.PIPE) as packed:
        assert packed.stdout is not None
        (back,) = other.load(packed.stdout.fileno())
    assert back.id == image.id


def test_load_of_a_layout_directory(store: ImageStore, other: ImageStore, image: Image) -> None:
    loaded = other.load(store.layout.root)
    assert other.resolve("app:1.0").digest == image.digest
    assert {each.digest for each in loaded} == {each.digest for each in store.images()}


def test_59_moved_name_is_told_and_the_old_image_stays(
    store: ImageStore, other: ImageStore, image: Image, rootfs: Path, tmp_path: Path, heard: Heard
) -> None:
    mine = other.import_tar(str(rootfs), ImageConfig(author="me"), Reference.parse("app:1.0"))
    store.save(str(tmp_path / "image.tar"), ["app:1.0"])
    heard.clear()
    other.load(str(tmp_path / "image.tar"))
    told = [event.text for event in heard if isinstance(event, Notice) and event.level == "warning"]
    assert told == [f"app:1.0 was {mine.id.short} and is now {image.id.short}"]
    assert other.resolve(mine.id.short).references == ()


def test_known_layers_are_not_read_again(store: ImageStore, image: Image, tmp_path: Path) -> None:
    target = str(tmp_path / "image.tar")
    store.save(target, ["app:1.0"])
    before = {name: os.stat(f"{store.layout.blobs}/{name}").st_mtime_ns for name in os.listdir(store.layout.blobs)}
    (again,) = store.load(target)
    assert again.digest == image.digest
    after = {name: os.stat(f"{store.layout.blobs}/{name}").st_mtime_ns for name in os.listdir(store.layout.blobs)}
    assert after == before


def test_file_that_is_no_archive_is_left_alone(store: ImageStore, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello" * 1000)
    with pytest.raises(ImageError):
        store.load(str(tmp_path / "text"))
    with pytest.raises(NotFound):
        store.load(str(tmp_path / "nowhere"))


def tampered(source: Path, target: Path, change: Callable[[str, bytes], bytes | None]) -> None:
    """Copy an archive, each file through `change`; None leaves a file out."""
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for member in old:
            file = old.extractfile(member)
            assert file is not None
            data = change(member.name, file.read())
            if data is not None:
                member.size = len(data)
                new.addfile(member, io.BytesIO(data))


def assert_nothing_came(store: ImageStore) -> None:
    assert store.images() == ()
    assert os.listdir(store.layout.blobs) == []
    assert os.listdir(store.layout.tmp) == []


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_layer_with_other_bytes_is_refused(
    store: ImageStore, other: ImageStore, image: Image, tmp_path: Path, form: str
) -> None:
    store.save(str(tmp_path / "good.tar"), ["app:1.0"], form=form)
    largest = max(tarfile.open(tmp_path / "good.tar").getmembers(), key=lambda member: member.size).name

    def flip(name: str, data: bytes) -> bytes:
        return data[:300] + bytes([data[300] ^ 1]) + data[301:] if name == largest else data

    tampered(tmp_path / "good.tar", tmp_path / "bad.tar", flip)
    with pytest.raises(ImageError):
        other.load(str(tmp_path / "bad.tar"))
    assert_nothing_came(other)


def test_archive_without_one_of_its_layers_is_refused(
    store: ImageStore, other: ImageStore, image: Image, tmp_path: Path
) -> None:
    store.save(str(tmp_path / "good.tar"), ["app:1.0"])
    last = f"{image.layers[-1].diff_id.hex}.tar"
    tampered(tmp_path / "good.tar", tmp_path / "bad.tar", lambda name, data: None if name == last else data)
    with pytest.raises(ImageError, match="no such file"):
        other.load(str(tmp_path / "bad.tar"))
    assert_nothing_came(other)


@pytest.mark.parametrize("name", ["../../../../etc/shadow", "/etc/shadow", "x/../../etc/shadow"])
def test_53_manifest_cannot_name_files_of_the_host(
    store: ImageStore, other: ImageStore, image: Image, tmp_path: Path, name: str
) -> None:
    store.save(str(tmp_path / "good.tar"), ["app:1.0"])

    def point(member: str, data: bytes) -> bytes:
        if member != "manifest.json":
            return data
        (item,) = json.loads(data)
        return json.dumps([item | {"Config": name}]).encode()

    tampered(tmp_path / "good.tar", tmp_path / "bad.tar", point)
    with pytest.raises(ImageError, match="no such file"):
        other.load(str(tmp_path / "bad.tar"))
    assert_nothing_came(other)


def test_import_that_is_cut_short_leaves_nothing(store: ImageStore, rootfs: Path, tmp_path: Path) -> None:
    whole = rootfs.read_bytes().rstrip(b"\0")
    whole += bytes(-len(whole) % 512)
    for tool in ([], ["gzip", "-c"], ["zstd", "-c"], ["xz", "-c"], ["bzip2", "-c"]):
        data = subprocess.run(tool, input=rootfs.read_bytes(), capture_output=True).stdout if tool else whole
        for length in (len(data) // 3, len(data) - 700, len(data) - 3, len(data) - 512, 10, 0):
            (tmp_path / "cut").write_bytes(data[: max(0, length)])
            with pytest.raises(ImageError):
                store.import_tar(str(tmp_path / "cut"), ImageConfig())
    assert_nothing_came(store)
    assert os.listdir(store.layout.snapshots) == []
