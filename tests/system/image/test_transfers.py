"""Images come from a registry side by side, for the platform that was asked for, and when the registry says so."""

from __future__ import annotations

import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from mydocker.errors import ImageError, MydockerError, RegistryError
from mydocker.events import Progress
from mydocker.image import platforms
from mydocker.image.manifest import OCI_INDEX, OCI_MANIFEST
from mydocker.image.reference import Reference
from mydocker.image.registry import pull
from tests.system.image.hostile import Member, archive
from tests.system.image.registry_double import Double, Reply, Request, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mydocker.image.image import Image
    from mydocker.image.store import ImageStore
    from tests.system.image.conftest import Heard

pytestmark = pytest.mark.root

LAYERS = [archive(Member(b"file%d" % at, data=os.urandom(100_000))) for at in range(4)]


@pytest.fixture
def registry() -> Iterator[Double]:
    with running() as double:
        yield double


def fetch(store: ImageStore, registry: Double, platform: str = "") -> Image:
    wanted = platforms.parse(platform) if platform else None
    return pull(store, Reference.parse(f"{registry.address}/app:1"), {"HOME": "/nowhere"}, platform=wanted)


def test_layers_come_side_by_side(store: ImageStore, registry: Double) -> None:
    """Each layer's answer waits until another one has been asked for: one by one, nothing would ever come."""
    manifest: dict[str, Any] = registry.image(*LAYERS)
    registry.put_manifest(manifest)
    meeting = threading.Barrier(2)

    def waiting(reply: Reply) -> Callable[[Request], Reply]:
        def answer(request: Request) -> Reply:
            meeting.wait(timeout=20)
            return reply

        return answer

    for layer in manifest["layers"]:
        path = f"/v2/app/blobs/{layer['digest']}"
        reply = registry.replies[path]
        assert isinstance(reply, Reply)
        registry.replies[path] = waiting(reply)
    assert len(fetch(store, registry).layers) == 4


def test_layers_that_are_here_are_not_asked_for(store: ImageStore, registry: Double, heard: Heard) -> None:
    registry.put_manifest(registry.image(*LAYERS[:3]))
    fetch(store, registry)
    registry.requests.clear()
    heard.clear()
    registry.put_manifest(registry.image(*LAYERS))
    fetch(store, registry)
    assert len([path for path in registry.paths() if "/blobs/" in path]) == 2, "one config, one layer"
    done = [event for event in heard if isinstance(event, Progress) and event.task.startswith("pull")]
    assert any(event.done == event.total > 100_000 for event in done)


def index(registry: Double, *images: tuple[str, str, bytes]) -> None:
    """Serve an index of images (architecture, variant, layer), with what docker adds for attestations."""
    descriptors: list[dict[str, object]] = []
    for architecture, variant, layer in images:
        manifest = registry.image(layer, architecture=architecture)
        digest = registry.put_manifest(manifest, tag=f"{architecture}{variant}")
        platform = {"os": "linux", "architecture": architecture, "variant": variant}
        size = len(json.dumps(manifest))
        descriptors.append({"mediaType": OCI_MANIFEST, "digest": digest, "size": size, "platform": platform})
    unknown = {"os": "unknown", "architecture": "unknown"}
    descriptors.insert(0, {**descriptors[0], "digest": "sha256:" + "0" * 64, "platform": unknown})
    registry.put_manifest({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": descriptors})


def test_platform_of_an_index(store: ImageStore, registry: Double) -> None:
    images = [("amd64", "", LAYERS[0]), ("arm64", "v8", LAYERS[1]), ("arm", "v7", LAYERS[2])]
    index(registry, *images)
    for platform, expected in (("linux/amd64", "amd64"), ("linux/arm64", "arm64"), ("linux/arm/v7", "arm")):
        image = fetch(store, registry, platform)
        assert image.config.architecture == expected
        assert [each.familiar for each in image.references] == [f"{registry.address}/app:1"]
    with pytest.raises(MydockerError, match="s390x") as caught:
        fetch(store, registry, "linux/s390x")
    assert "linux/arm64" in str(caught.value) + caught.value.hint
    with pytest.raises(MydockerError):
        fetch(store, registry, "linux/arm/v6")


def test_cut_blob_goes_on_where_it_stopped_and_only_there(store: ImageStore, registry: Double) -> None:
    manifest: dict[str, Any] = registry.image(LAYERS[0])
    registry.put_manifest(manifest)
    path = f"/v2/app/blobs/{manifest['layers'][0]['digest']}"
    asked: list[str] = []

    def in_pieces(request: Request) -> Reply:
        """Promise everything, and break off after 40,000 bytes."""
        asked.append(request.headers.get("range", ""))
        begin = int(asked[-1].removeprefix("bytes=").rstrip("-") or 0)
        piece = LAYERS[0][begin : begin + 40_000]
        left = len(LAYERS[0]) - begin
        status = 206 if begin else 200
        ranged = (("Content-Range", f"bytes {begin}-{len(LAYERS[0]) - 1}/{len(LAYERS[0])}"),) if begin else ()
        return Reply(status, piece, (*ranged, ("Connection", "close"), ("X-Left", str(left))))

    registry.replies[path] = in_pieces
    image = fetch(store, registry)
    assert image.diff_ids[0].hex
    assert asked[:2] == ["", "bytes=40000-"]
    assert store.fsck().problems == ()


def test_wrong_part_is_refused(store: ImageStore, registry: Double) -> None:
    manifest: dict[str, Any] = registry.image(LAYERS[0])
    registry.put_manifest(manifest)
    path = f"/v2/app/blobs/{manifest['layers'][0]['digest']}"

    def lying(request: Request) -> Reply:
        if "range" not in request.headers:
            return Reply(200, LAYERS[0][:1000])
        return Reply(206, LAYERS[0], (("Content-Range", "bytes 0-9/10"),))

    registry.replies[path] = lying
    with pytest.raises(RegistryError, match="another part"):
        fetch(store, registry)
    assert store.images() == ()


def test_registry_that_asks_for_patience_gets_it(store: ImageStore, registry: Double) -> None:
    digest = registry.put_manifest(registry.image(LAYERS[0]))
    good = registry.replies["/v2/app/manifests/1"]
    assert isinstance(good, Reply)
    busy = [Reply(429, headers=(("Retry-After", "1"),)), Reply(503)]
    registry.replies["/v2/app/manifests/1"] = lambda request: busy.pop(0) if busy else good
    began = time.monotonic()
    assert fetch(store, registry).digest == digest
    assert time.monotonic() - began >= 1


def test_layers_in_every_compression(store: ImageStore, registry: Double) -> None:
    import gzip

    import zstandard

    from mydocker.image.digest import DiffID

    packed = [gzip.compress(LAYERS[0]), zstandard.compress(LAYERS[1]), LAYERS[2]]
    manifest: dict[str, Any] = registry.image(*LAYERS[:3])
    kinds = ("application/vnd.docker.image.rootfs.diff.tar.gzip", "application/vnd.oci.image.layer.v1.tar+zstd", "")
    manifest["layers"] = [
        {"mediaType": kind, **registry.put_blob(data)} for kind, data in zip(kinds, packed, strict=True)
    ]
    digest = registry.put_manifest(manifest)
    image = fetch(store, registry)
    assert (image.digest, image.diff_ids) == (digest, tuple(DiffID.of(layer) for layer in LAYERS[:3]))
    assert len(store.snapshot_dirs(image)) == 3


def test_what_is_no_image_says_so(store: ImageStore, registry: Double) -> None:
    artifact = registry.image(LAYERS[0])
    artifact["config"] = {"mediaType": "application/vnd.oci.empty.v1+json", **registry.put_blob(b"{}")}
    registry.put_manifest(artifact)
    with pytest.raises(ImageError, match="layers"):
        fetch(store, registry)
