"""Other tools take our images and give theirs: what they see is what we stored."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.peers.image.tools import comparable, merged, run, running_dockerd
from tests.system.image.trees import describe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mydocker.image.image import Image
    from mydocker.image.store import ImageStore

pytestmark = pytest.mark.root

# skopeo --------------------------------------------------------------------------------------------------------------


@pytest.mark.peer("skopeo")
def test_skopeo_reads_the_store_in_place(store: ImageStore, image: Image) -> None:
    place = f"oci:{store.layout.root}:museum:1"
    found = json.loads(run("skopeo", "--insecure-policy", "inspect", place))
    assert (found["Digest"], found["Layers"]) == (image.digest, [layer.blob.digest for layer in image.layers])
    raw = run("skopeo", "--insecure-policy", "inspect", "--config", "--raw", place)
    assert raw.encode() == store.read_config(image)


@pytest.mark.peer("skopeo")
# Not docker-archive: the release in Debian cannot turn zstd layers into that form; `save` writes it (see below).
@pytest.mark.parametrize("form", ["oci-archive", "dir"])
def test_skopeo_copies_from_the_store_and_we_load_what_it_wrote(
    store: ImageStore, other: ImageStore, image: Image, tmp_path: Path, form: str
) -> None:
    target = tmp_path / "copy"
    name = {"oci-archive": ":museum:1", "dir": ""}[form]
    source = f"oci:{store.layout.root}:museum:1"
    run("skopeo", "--insecure-policy", "copy", "-q", source, f"{form}:{target}{name}")
    if form == "dir":
        assert json.loads((target / "manifest.json").read_text())["config"]["digest"] == image.id
        return
    (back,) = other.load(str(target))
    assert back.diff_ids == image.diff_ids
    assert [each.familiar for each in back.references] == ["museum:1"]
    assert (back.id, back.digest) == (image.id, image.digest)


@pytest.mark.peer("skopeo")
@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_skopeo_reads_our_archives(store: ImageStore, image: Image, tmp_path: Path, form: str) -> None:
    store.save(str(tmp_path / "image.tar"), ["museum:1"], form=form)
    raw = run("skopeo", "--insecure-policy", "inspect", "--config", "--raw", f"{form}:{tmp_path}/image.tar")
    assert raw.encode() == store.read_config(image)


@pytest.mark.peer("skopeo")
def test_image_that_skopeo_puts_into_the_store_is_listed_and_stays(
    store: ImageStore, image: Image, tmp_path: Path
) -> None:
    store.save(str(tmp_path / "gzip.tar"), ["museum:1"], form="oci-archive", compression="gzip")
    run("skopeo", "--insecure-policy", "copy", "-q", f"oci-archive:{tmp_path}/gzip.tar",
        f"oci:{store.layout.root}:foreign:1")  # fmt: skip
    found = store.resolve("foreign:1")
    assert found.diff_ids == image.diff_ids
    store.prune()
    assert store.fsck().problems == ()
    assert store.resolve("foreign:1").digest == found.digest


# podman --------------------------------------------------------------------------------------------------------------


@pytest.mark.peer("podman")
@pytest.mark.parametrize(
    ("form", "compression"), [("docker-archive", ""), ("oci-archive", ""), ("oci-archive", "gzip")]
)
def test_podman_loads_our_archives_and_we_load_its(
    store: ImageStore, other: ImageStore, image: Image, podman: Callable[..., str], tmp_path: Path, form: str,
    compression: str,
) -> None:  # fmt: skip
    store.save(str(tmp_path / "image.tar"), ["museum:1"], form=form, compression=compression)
    podman("load", "-q", "-i", f"{tmp_path}/image.tar")
    (found,) = json.loads(podman("images", "--no-trunc", "--format", "json"))
    if form == "docker-archive" or compression == "":
        assert found["Id"] == image.id.hex
    name = found["Names"][0]
    podman("save", "-q", "--format", "oci-archive", "-o", f"{tmp_path}/back.tar", name)
    (back,) = other.load(str(tmp_path / "back.tar"))
    assert back.diff_ids == image.diff_ids
    if form == "oci-archive":  # a docker archive's config is rewritten by podman on its way in
        assert back.config == image.config


# docker --------------------------------------------------------------------------------------------------------------


@pytest.mark.peer("docker", "dockerd")
def test_dockerd_loads_our_archive_and_gives_the_same_image_back(
    store: ImageStore, other: ImageStore, image: Image, tmp_path: Path, short: Path
) -> None:
    store.save(str(tmp_path / "image.tar"), ["museum:1"])
    with running_dockerd(short) as docker:
        assert "museum:1" in docker("load", "-i", f"{tmp_path}/image.tar")
        (seen,) = json.loads(docker("image", "inspect", "museum:1"))
        assert seen["Id"] == image.id
        assert seen["RootFS"]["Layers"] == list(image.diff_ids)
        assert seen["Config"]["Healthcheck"] == {"Test": ["CMD", "true"], "Interval": 10**9}
        docker("save", "-o", f"{tmp_path}/back.tar", "museum:1")
        docker("create", "--name", "box", "museum:1")
        docker("export", "-o", f"{tmp_path}/files.tar", "box")
        docker("rm", "box")
    (back,) = other.load(str(tmp_path / "back.tar"))
    assert (back.id, back.diff_ids) == (image.id, image.diff_ids)
    assert other.read_config(back) == store.read_config(image)
    assert [each.familiar for each in back.references] == ["museum:1"]
    exported = tmp_path / "exported"
    exported.mkdir()
    run("tar", "--numeric-owner", "--xattrs", "--xattrs-include=*", "-xpf", tmp_path / "files.tar", "-C", exported)
    theirs = comparable(describe(exported), attributes=False)
    ours = comparable(merged(store, image, tmp_path), attributes=False)
    made_by_docker = {".dockerenv", "dev", "proc", "sys", "etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab"}
    theirs = {name: fact for name, fact in theirs.items() if name.split("/")[0] not in made_by_docker - {"etc"}}
    theirs = {name: fact for name, fact in theirs.items() if name not in made_by_docker and name not in ("etc", "data")}
    assert theirs == {name: fact for name, fact in ours.items() if name != "etc"}
