"""umoci unpacks what is written here into the same files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.peers.image.tools import comparable, merged, run
from tests.system.image.trees import Fact, describe

if TYPE_CHECKING:
    from pathlib import Path

    from mydocker.image.image import Image
    from mydocker.image.store import ImageStore

pytestmark = [pytest.mark.root, pytest.mark.peer("umoci")]


def test_umoci_unpacks_the_same_files(store: ImageStore, image: Image, tmp_path: Path) -> None:
    """With gzip, because the release in Debian knows no zstd."""
    store.save(str(tmp_path / "image.tar"), ["museum:1"], form="oci-archive", compression="gzip")
    (tmp_path / "layout").mkdir()
    run("tar", "-xf", tmp_path / "image.tar", "-C", tmp_path / "layout")
    run("umoci", "unpack", "--image", f"{tmp_path}/layout:museum:1", tmp_path / "bundle")
    ours = comparable(merged(store, image, tmp_path))
    assert comparable(describe(tmp_path / "bundle/rootfs")) == as_go_reads_attributes(ours)


def as_go_reads_attributes(found: dict[str, Fact]) -> dict[str, Fact]:
    """Go's tar package leaves out empty ones (POSIX pax: an empty record says that there is none) and knows nothing of
    the escape that GNU tar has for `=` in a name."""
    return {
        name: fact._replace(xattrs=tuple((key.replace("=", "%3D"), value) for key, value in fact.xattrs if value))
        for name, fact in found.items()
    }
