"""Whatever happens to a store, `fsck` finds it; `--repair` leaves one in which all that is left is whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mydocker.errors import DigestMismatch, NotFound, StoreError
from mydocker.image.config import ImageConfig
from mydocker.image.digest import DiffID
from mydocker.image.layout import Layout
from mydocker.image.manifest import OCI_MANIFEST, Layer, Manifest
from mydocker.image.reference import Reference
from mydocker.image.store import ImageStore
from tests.system.image.trees import describe, make_museum, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from mydocker.image.image import Image

pytestmark = pytest.mark.root


@pytest.fixture
def image(store: ImageStore, tmp_path: Path) -> Image:
    """An image whose layer holds one of everything."""
    tree = tmp_path / "museum"
    tree.mkdir()
    make_museum(str(tree))
    subprocess.run(["tar", "--format=posix", "--xattrs", "--xattrs-include=*", "-cf", tmp_path / "museum.tar",
                    "-C", tree, "."], check=True)  # fmt: skip
    return store.import_tar(str(tmp_path / "museum.tar"), ImageConfig(), Reference.parse("museum"))


@pytest.fixture
def bystander(store: ImageStore, tmp_path: Path) -> Image:
    """Another image, which no damage and no repair may touch."""
    write(f"{tmp_path}/small/file", b"x", 0o644)
    subprocess.run(["tar", "-cf", tmp_path / "small.tar", "-C", tmp_path / "small", "."], check=True)
    return store.import_tar(str(tmp_path / "small.tar"), ImageConfig(), Reference.parse("bystander"))


def names(store: ImageStore) -> list[str]:
    return [name.familiar for image in store.images() for name in image.references]


def flipped(path: Path) -> None:
    with open(path, "r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def test_a_whole_store_has_no_problem(store: ImageStore, image: Image, bystander: Image) -> None:
    report = store.fsck()
    assert (report.blobs, report.images, report.snapshots, report.problems) == (6, 2, 2, ())


@pytest.mark.parametrize("harm", [flipped, truncated, Path.unlink])
@pytest.mark.parametrize("blob", ["layer", "config", "manifest"])
def test_damaged_blob(
    store: ImageStore, image: Image, bystander: Image, tmp_path: Path, blob: str, harm: Callable[[Path], None]
) -> None:
    digest = {"layer": image.layers[0].blob.digest, "config": image.id, "manifest": image.digest}[blob]
    harm(Path(store.blobs.path(digest)))
    found = {problem.where.split()[0] for problem in store.fsck().problems}
    assert "image" in found or (blob, harm) == ("layer", flipped)
    assert ("blob" in found) == (harm is not Path.unlink)
    assert all(problem.repair for problem in store.fsck(repair=True).problems)
    assert store.fsck().problems == ()
    assert names(store) == ["bystander:latest"]
    again = store.import_tar(str(tmp_path / "museum.tar"), ImageConfig(), Reference.parse("museum"))
    assert again.digest == image.digest
    assert store.fsck().problems == ()


def test_an_image_listed_by_a_manifest_that_is_not_there(store: ImageStore, bystander: Image) -> None:
    index = Path(store.layout.index_file)
    listed = index.read_text()
    index.write_text(listed.replace(bystander.digest.hex, "0" * 64))
    (problem,) = store.fsck().problems
    assert problem.where == "image bystander:latest"
    store.fsck(repair=True)
    assert store.images() == ()
    assert store.fsck().problems == ()


def test_a_list_of_images_that_cannot_be_read_is_made_anew(store: ImageStore, image: Image, bystander: Image) -> None:
    truncated(Path(store.layout.index_file))
    report = store.fsck()
    assert [problem.where for problem in report.problems] == ["index.json"]
    store.fsck(repair=True)
    assert {each.digest for each in store.images()} == {image.digest, bystander.digest}
    assert names(store) == []
    assert store.fsck().problems == ()
    store.prune()
    assert store.resolve(image.id.short).digest == image.digest


def change_mode(root: Path) -> None:
    os.chmod(root / "etc/motd", 0o600)


def change_owner(root: Path) -> None:
    os.chown(root / "sticky", 1, 1)


def change_link(root: Path) -> None:
    (root / "absolute").unlink()
    (root / "absolute").symlink_to("/etc/shadow")


def change_attribute(root: Path) -> None:
    os.setxattr(root / "attributes", "user.empty", b"x")


def change_time(root: Path) -> None:
    os.utime(root / "fifo", (5, 5))


def add_file(root: Path) -> None:
    (root / "etc/more").write_text("x")


def hide_directory(root: Path) -> None:
    os.setxattr(root / "etc", "trusted.overlay.opaque", b"y")


@pytest.mark.parametrize(
    "harm",
    [
        lambda root: flipped(root / "big"),
        lambda root: truncated(root / "sparse"),
        lambda root: (root / "names/tab\t").unlink(),
        change_mode, change_owner, change_link, change_attribute, change_time, add_file, hide_directory,
    ],
)  # fmt: skip
def test_damaged_snapshot_is_made_again_from_its_blob(
    store: ImageStore, image: Image, bystander: Image, harm: Callable[[Path], object]
) -> None:
    (path,) = store.snapshot_dirs(image)
    before = describe(path)
    harm(Path(path))
    (problem,) = store.fsck().problems
    assert problem.where == f"snapshot {os.path.basename(path)} of museum:latest"
    store.fsck(repair=True)
    assert store.fsck().problems == ()
    assert sorted(names(store)) == ["bystander:latest", "museum:latest"]
    (path,) = store.snapshot_dirs(image)
    assert describe(path) == before


def test_layer_whose_content_is_not_what_the_config_says(store: ImageStore, bystander: Image) -> None:
    """Another tool may put such an image into the store; here no call would."""
    layer = bystander.layers[0]
    config = bystander.config._replace(diff_ids=(DiffID("sha256:" + "1" * 64),))
    wrong = store.add(config, (Layer(config.diff_ids[0], layer.blob),), (Reference.parse("wrong"),))
    with pytest.raises(DigestMismatch):
        store.snapshot_dirs(wrong)
    (problem,) = store.fsck().problems
    assert problem.where == "image wrong:latest"
    store.fsck(repair=True)
    assert names(store) == ["bystander:latest"]


def test_what_has_no_business_in_the_store(store: ImageStore, bystander: Image) -> None:
    Path(store.layout.blobs, "README").write_text("x")
    Path(store.layout.snapshots, "backup").mkdir()
    assert [each.where for each in store.fsck().problems] == ["blob README", "snapshot backup"]
    store.fsck(repair=True)
    assert store.fsck().problems == ()


def test_leftovers_are_gone_before_a_check_begins(store: ImageStore, bystander: Image) -> None:
    write(f"{store.layout.tmp}/blob-dead/blob", b"half", 0o600)
    write(f"{store.layout.tmp}/blob-dead.lock", b"", 0o600)
    again = ImageStore(Layout.open(store.layout.root))
    assert again.fsck().problems == ()
    assert os.listdir(store.layout.tmp) == []


def test_nothing_is_freed_while_it_is_unknown_what_is_needed(store: ImageStore, image: Image, bystander: Image) -> None:
    flipped(Path(store.blobs.path(image.digest)))
    with pytest.raises(StoreError, match="damaged") as caught:
        store.prune()
    assert "fsck --repair" in caught.value.hint
    assert len(os.listdir(store.layout.blobs)) == 6
    store.fsck(repair=True)
    store.prune()
    assert len(os.listdir(store.layout.blobs)) == 3


def test_manifest_that_is_no_manifest(store: ImageStore, bystander: Image) -> None:
    raw = store.read_manifest(bystander)
    odd = raw.replace(b'"config":', b'"manifests":[],"config":')
    digest = store.blobs.put_bytes(odd)
    index = Path(store.layout.index_file)
    index.write_text(index.read_text().replace(bystander.digest.hex, digest.hex))
    (problem,) = store.fsck().problems
    assert "another kind" in problem.why
    store.fsck(repair=True)
    with pytest.raises(NotFound):
        store.resolve("bystander")
    assert Manifest.parse(raw, OCI_MANIFEST).config.digest == bystander.id


def test_command_tells_and_says_by_its_status(store: ImageStore, image: Image) -> None:
    command = [sys.executable, "-m", "mydocker", "--root", store.layout.root, "fsck"]
    flipped(Path(store.blobs.path(image.layers[0].blob.digest)))
    told = subprocess.run(command, capture_output=True, text=True)
    assert told.returncode == 1
    assert f"blob {image.layers[0].blob.digest.hex}: its bytes have the digest" in told.stdout
    told = subprocess.run([*command, "--repair"], capture_output=True, text=True)
    assert (told.returncode, "(removed)" in told.stdout, "(unlisted)" in told.stdout) == (0, True, True)
    told = subprocess.run(command, capture_output=True, text=True)
    assert (told.returncode, told.stdout.splitlines()[-1][-10:]) == (0, "0 problems")


def test_a_damaged_layer_is_not_saved(store: ImageStore, image: Image, tmp_path: Path) -> None:
    """Whole zstd of another content: only the diff ID tells."""
    blob = Path(store.blobs.path(image.layers[0].blob.digest))
    size = blob.stat().st_size
    wrong = subprocess.run(["zstd", "-c"], input=bytes(5000), capture_output=True, check=True).stdout
    # A skippable frame (RFC 8878, 3.1.2) fills it up to the size that the manifest says.
    rest = size - len(wrong) - 8
    blob.write_bytes(wrong + b"\x50\x2a\x4d\x18" + rest.to_bytes(4, "little") + bytes(rest))
    with pytest.raises(StoreError, match="damaged"):
        store.save(str(tmp_path / "saved.tar"), ["museum"])
    assert not (tmp_path / "saved.tar").exists()
