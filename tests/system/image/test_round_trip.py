"""A tree that goes through a layer comes out as it was."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from mydocker.image.config import ImageConfig
from mydocker.image.layers import Expected
from mydocker.image.reference import Reference
from tests.system.image.trees import describe, make_museum

if TYPE_CHECKING:
    from pathlib import Path

    from mydocker.image.manifest import Layer
    from mydocker.image.store import ImageStore

pytestmark = pytest.mark.root


def pack(store: ImageStore, tree: Path) -> Layer:
    fd = os.open(tree, os.O_RDONLY)
    try:
        return store.layers.pack_tree(fd, None)
    finally:
        os.close(fd)


def unpack(store: ImageStore, layer: Layer) -> str:
    return store.layers.unpack_blob(layer, Expected(stack=(layer.diff_id,)))


def museum(tmp_path: Path) -> Path:
    tree = tmp_path / "museum"
    tree.mkdir()
    make_museum(str(tree))
    return tree


def test_packed_and_unpacked_tree_is_the_same(store: ImageStore, tmp_path: Path) -> None:
    tree = museum(tmp_path)
    layer = pack(store, tree)
    assert describe(unpack(store, layer)) == describe(tree)


def test_sparse_file_is_sparse_again(store: ImageStore, tmp_path: Path) -> None:
    tree = museum(tmp_path)
    copy = unpack(store, pack(store, tree))
    facts = os.stat(f"{copy}/sparse")
    assert facts.st_size == 50 * 2**20
    assert facts.st_blocks * 512 < 2**20


def test_gnu_tar_reads_what_we_write(store: ImageStore, tmp_path: Path) -> None:
    tree = museum(tmp_path)
    layer = pack(store, tree)
    plain = tmp_path / "layer.tar"
    subprocess.run(["zstd", "-qd", store.blobs.path(layer.blob.digest), "-o", plain], check=True)
    other = tmp_path / "other"
    other.mkdir()
    gnu_tar("-xf", str(plain), "-C", str(other))
    assert without_acls(describe(other)) == without_acls(describe(tree))


@pytest.mark.parametrize("style", ["gnu", "posix", "oldgnu", "pax-sparse", "gnu-sparse", "sparse-0.1", "sparse-0.0"])
def test_we_read_what_gnu_tar_writes(store: ImageStore, tmp_path: Path, style: str) -> None:
    tree = museum(tmp_path)
    # GNU tar writes a fifo with two names as two fifos.
    (tree / "fifo-again").unlink()
    if style not in ("posix", "pax-sparse", "sparse-0.1", "sparse-0.0"):
        (tree / "acl").unlink()
        for name in ("attributes", "bin/ping"):
            for attribute in os.listxattr(tree / name):
                os.removexattr(tree / name, attribute)
    flags = {
        "gnu": ["--format=gnu"],
        "oldgnu": ["--format=oldgnu"],
        "posix": ["--format=posix", "--xattrs", "--xattrs-include=*"],
        "pax-sparse": ["--format=posix", "-S", "--xattrs", "--xattrs-include=*"],
        "gnu-sparse": ["--format=gnu", "-S"],
        "sparse-0.1": ["--format=posix", "-S", "--sparse-version=0.1", "--xattrs", "--xattrs-include=*"],
        "sparse-0.0": ["--format=posix", "-S", "--sparse-version=0.0", "--xattrs", "--xattrs-include=*"],
    }[style]
    archive = tmp_path / "tree.tar"
    subprocess.run(["tar", *flags, "--sort=name", "-cf", archive, "-C", tree, "."], check=True)
    image = store.import_tar(str(archive), ImageConfig(architecture="amd64"), Reference.parse("museum"))
    assert describe(store.snapshot_dirs(image)[0]) == describe(tree)


@pytest.mark.parametrize("tool", ["gzip", "bzip2", "xz", "zstd"])
def test_import_keeps_the_very_tar(store: ImageStore, tmp_path: Path, tool: str) -> None:
    tree = museum(tmp_path)
    archive = tmp_path / "tree.tar"
    subprocess.run(["tar", "-cf", archive, "-C", tree, "."], check=True)
    expected = subprocess.run(["sha256sum", archive], check=True, capture_output=True, text=True).stdout[:64]
    packed = tmp_path / "tree.packed"
    with open(packed, "wb") as file:
        subprocess.run([tool, "-c", archive], check=True, stdout=file)
    image = store.import_tar(str(packed), ImageConfig())
    assert [diff_id.hex for diff_id in image.diff_ids] == [expected]
    plain = subprocess.run(["zstd", "-dc", store.blobs.path(image.layers[0].blob.digest)], capture_output=True).stdout
    assert plain == archive.read_bytes()


def test_import_from_a_pipe(store: ImageStore, tmp_path: Path) -> None:
    tree = museum(tmp_path)
    with subprocess.Popen(["tar", "-cf", "-", "-C", tree, "."], stdout=subprocess.PIPE) as tar:
        assert tar.stdout is not None
        image = store.import_tar(tar.stdout.fileno(), ImageConfig())
    assert "etc/motd" in describe(store.snapshot_dirs(image)[0])


def gnu_tar(*arguments: str) -> None:
    subprocess.run(["tar", "--xattrs", "--xattrs-include=*", "--numeric-owner", *arguments], check=True)


def without_acls(found: object) -> object:
    """GNU tar keeps ACLs under a key of its own; all else has to agree."""
    assert isinstance(found, dict)
    return {
        name: fact._replace(
            xattrs=tuple(x for x in fact.xattrs if not x[0].startswith("system.")), mode=fact.mode & ~0o070
        )
        for name, fact in found.items()
    }
