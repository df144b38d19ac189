"""Images that others built come in and go out again with the digests they had."""

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

# Busybox is static, so it runs where there is nothing else.
DOCKERFILE = """FROM scratch
COPY busybox /bin/busybox
COPY --chown=5:6 note /etc/note
RUN ["/bin/busybox", "sh", "-c", "/bin/busybox ln /etc/note /etc/link; /bin/busybox mkdir -m 1777 /tmp"]
RUN ["/bin/busybox", "rm", "/etc/note"]
ENV LANG=C
LABEL made.by="another tool"
HEALTHCHECK --interval=5s CMD ["/bin/busybox", "true"]
STOPSIGNAL SIGINT
VOLUME /data
ENTRYPOINT ["/bin/busybox"]
CMD ["ls", "/"]
"""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    place = tmp_path / "context"
    place.mkdir()
    run("cp", "/bin/busybox", place / "busybox")
    (place / "note").write_text("hello")
    (place / "Dockerfile").write_text(DOCKERFILE)
    return place


def assert_known(store: ImageStore, image: Image, tmp_path: Path) -> None:
    """What the Dockerfile says is there."""
    config = image.config
    assert (config.entrypoint, config.cmd, config.stop_signal) == (("/bin/busybox",), ("ls", "/"), "SIGINT")
    assert config.volumes == ("/data",)
    found = merged(store, image, tmp_path)
    assert (found["etc/link"].uid, found["tmp"].mode, "etc/note" in found) == (5, 0o1777, False)


@pytest.mark.peer("docker", "dockerd")
def test_image_of_docker_build(
    store: ImageStore, other: ImageStore, context: Path, tmp_path: Path, short: Path
) -> None:
    with running_dockerd(short) as docker:
        docker("build", "-q", "--network", "none", "-t", "theirs:1", str(context))
        (seen,) = json.loads(docker("image", "inspect", "theirs:1"))
        docker("save", "-o", f"{tmp_path}/in.tar", "theirs:1")
        docker("rmi", "theirs:1")
        (image,) = store.load(str(tmp_path / "in.tar"))
        assert (image.id, list(image.diff_ids)) == (seen["Id"], seen["RootFS"]["Layers"])
        assert_known(store, image, tmp_path)
        assert image.config.healthcheck is not None
        assert image.config.healthcheck.interval == 5 * 10**9
        store.save(str(tmp_path / "out.tar"), ["theirs:1"])
        docker("load", "-i", f"{tmp_path}/out.tar")
        (again,) = json.loads(docker("image", "inspect", "theirs:1"))
    assert (again["Id"], again["RootFS"], again["Config"]) == (seen["Id"], seen["RootFS"], seen["Config"])
    store.save(str(tmp_path / "oci.tar"), ["theirs:1"], form="oci-archive")
    (back,) = other.load(str(tmp_path / "oci.tar"))
    assert (back.id, back.digest) == (image.id, image.digest)


def built_by_buildah(context: Path, short: Path, *, form: str, target: str) -> None:
    base = ["buildah", "--root", f"{short}/root", "--runroot", f"{short}/run", "--storage-driver", "vfs"]
    build = [*base, "bud", "-q", "--isolation", "chroot", "--layers", "--format", form, "-t", "theirs:1", str(context)]
    run(*build)
    run(*base, "push", "-q", "theirs:1", target)
    run(*base, "rmi", "--all", "--force")


@pytest.mark.peer("buildah", "skopeo")
@pytest.mark.parametrize("form", ["oci", "docker"])
def test_image_of_buildah(
    store: ImageStore, other: ImageStore, context: Path, tmp_path: Path, short: Path, form: str
) -> None:
    built_by_buildah(context, short, form=form, target=f"dir:{tmp_path}/dir")
    run("skopeo", "--insecure-policy", "copy", "-q", "--preserve-digests", f"dir:{tmp_path}/dir",
        f"oci:{tmp_path}/layout:theirs:1" if form == "oci" else f"dir:{tmp_path}/same")  # fmt: skip
    if form == "oci":
        digest = json.loads((tmp_path / "layout/index.json").read_text())["manifests"][0]["digest"]
        (image,) = store.load(str(tmp_path / "layout"))
        assert image.digest == digest
        store.save(str(tmp_path / "out.tar"), ["theirs:1"], form="oci-archive")
        raw = run("skopeo", "--insecure-policy", "inspect", "--raw", f"oci-archive:{tmp_path}/out.tar")
        assert raw.encode() == store.read_manifest(image)
        assert (tmp_path / "dir/manifest.json").read_bytes() == store.read_manifest(image)
    else:
        # Docker's own manifest, which only a registry or a directory holds; through an archive goes what it points at.
        run("skopeo", "--insecure-policy", "copy", "-q", f"dir:{tmp_path}/dir",
            f"docker-archive:{tmp_path}/in.tar:theirs:1")  # fmt: skip
        manifest = json.loads((tmp_path / "dir/manifest.json").read_text())
        (image,) = store.load(str(tmp_path / "in.tar"))
        assert image.id == manifest["config"]["digest"]
    assert_known(store, image, tmp_path)
    store.save(str(tmp_path / "again.tar"), ["theirs:1"])
    (back,) = other.load(str(tmp_path / "again.tar"))
    assert (back.id, back.diff_ids) == (image.id, image.diff_ids)


@pytest.mark.peer("podman", "buildah")
def test_image_of_podman_build(
    store: ImageStore, other: ImageStore, context: Path, tmp_path: Path, podman: Callable[..., str]
) -> None:
    podman("build", "-q", "--isolation", "chroot", "-t", "theirs:1", str(context))
    (seen,) = json.loads(podman("image", "inspect", "theirs:1"))
    podman("save", "-q", "--format", "oci-archive", "-o", f"{tmp_path}/in.tar", "theirs:1")
    (image,) = store.load(str(tmp_path / "in.tar"))
    assert (image.id.hex, list(image.diff_ids)) == (seen["Id"], seen["RootFS"]["Layers"])
    assert_known(store, image, tmp_path)
    assert [name.familiar for name in image.references] == ["localhost/theirs:1"]
    store.save(str(tmp_path / "out.tar"), ["localhost/theirs:1"], form="oci-archive")
    podman("rmi", "theirs:1")
    podman("load", "-q", "-i", f"{tmp_path}/out.tar")
    (again,) = json.loads(podman("image", "inspect", image.id.hex))
    assert (again["Id"], again["RootFS"], again["Config"]) == (seen["Id"], seen["RootFS"], seen["Config"])


@pytest.mark.peer("umoci")
def test_image_of_umoci(store: ImageStore, other: ImageStore, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    run("umoci", "init", "--layout", layout)
    run("umoci", "new", "--image", f"{layout}:theirs")
    run("umoci", "unpack", "--image", f"{layout}:theirs", tmp_path / "bundle")
    (tmp_path / "bundle/rootfs/file").write_text("x")
    run("umoci", "repack", "--image", f"{layout}:theirs", tmp_path / "bundle")
    run("umoci", "config", "--image", f"{layout}:theirs", "--config.cmd", "ls")
    digests = [each["digest"] for each in json.loads((layout / "index.json").read_text())["manifests"]]
    images = store.load(str(layout))
    assert [image.digest for image in images] == digests
    assert images[-1].config.cmd == ("ls",)
    assert comparable(merged(store, images[-1], tmp_path))["file"].content.startswith("1:")
    store.save(str(tmp_path / "out.tar"), ["theirs"], form="oci-archive")
    (back,) = other.load(str(tmp_path / "out.tar"))
    assert back.digest == images[-1].digest
    assert describe(store.snapshot_dirs(images[-1])[0]) == describe(other.snapshot_dirs(back)[0])
