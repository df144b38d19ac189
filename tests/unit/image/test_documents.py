"""Configs, manifests, indexes: ours are canonical, foreign ones read with distrust (54 to 57 of the threat list)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mydocker.errors import ImageError
from mydocker.image import documents, platforms
from mydocker.image.config import Healthcheck, History, ImageConfig, timestamp
from mydocker.image.digest import DiffID, Digest
from mydocker.image.manifest import (
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Index,
    Manifest,
    Platform,
    document_kind,
)

if TYPE_CHECKING:
    from collections.abc import Callable

DIGEST = "sha256:" + "0" * 64


def descriptor(**changes: object) -> dict[str, object]:
    return {"mediaType": "application/x", "digest": DIGEST, "size": 5} | changes


def manifest(**changes: object) -> bytes:
    whole = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor(), "layers": [descriptor()]}
    return json.dumps(whole | changes).encode()


def index(*manifests: dict[str, object], **changes: object) -> bytes:
    return json.dumps({"schemaVersion": 2, "manifests": list(manifests)} | changes).encode()


FULL = ImageConfig(
    architecture="arm64",
    variant="v8",
    os_version="1",
    os_features=("f",),
    created="2020-01-01T00:00:00Z",
    author="ü",
    user="u",
    exposed_ports=("53/udp", "80/tcp"),
    env=("A=1",),
    entrypoint=("/x",),
    cmd=("y", ""),
    volumes=("/v",),
    working_dir="/w",
    labels={"k": "v", "a": ""},
    stop_signal="SIGTERM",
    args_escaped=True,
    healthcheck=Healthcheck(("CMD", "x"), 1, 2, 3, 4, 5),
    onbuild=("RUN x",),
    shell=("/bin/sh",),
    diff_ids=(DiffID(DIGEST),),
    history=(History("RUN", "2020-01-01T00:00:00Z", "a", "c", True), History("COPY")),
)


def test_config_survives_its_own_encoding() -> None:
    assert ImageConfig.parse(FULL.encode()) == FULL


def test_config_is_canonical() -> None:
    """The expected bytes are written by hand from the specification: sorted keys, nothing empty, UTF-8 as it is."""
    config = ImageConfig(architecture="amd64", author="ü<>&", env=("B=1", "A=2"), labels={"z": "1", "a": "2"})
    assert (
        config.encode()
        == (
            '{"architecture":"amd64","author":"ü<>&","config":{"Env":["B=1","A=2"],"Labels":{"a":"2","z":"1"}},'
            '"os":"linux","rootfs":{"diff_ids":[],"type":"layers"}}'
        ).encode()
    )


def test_order_of_labels_and_ports_does_not_show() -> None:
    one = FULL._replace(labels=dict(reversed(list(FULL.labels.items()))))
    assert one.encode() == FULL.encode()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1970-01-01T00:00:01Z", 1), ("2020-01-02T03:04:05.123456789Z", 1577934245),
     ("2020-01-02T04:04:05+01:00", 1577934245), ("0001-01-01T00:00:00Z", 0), ("", 0), ("yesterday", 0)],
)  # fmt: skip
def test_created_in_seconds(text: str, seconds: int) -> None:
    assert ImageConfig(created=text).created_seconds == seconds


def test_timestamp() -> None:
    assert timestamp(1577934245) == "2020-01-02T03:04:05Z"


def test_null_means_missing() -> None:
    raw = (
        b'{"config":{"Env":null,"Labels":null,"Cmd":null,"Healthcheck":null},"rootfs":{"type":"layers"},"history":null}'
    )
    assert ImageConfig.parse(raw) == ImageConfig()


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"5", b"null", b"{", b'{"a":1,"a":2}', b'{"a":NaN}', b'{"config":[]}',
     b'{"config":{"Env":"x","Env":[]}}',
     b'{"config":{"Env":[1]}}', b'{"config":{"Labels":{"a":1}}}', b'{"rootfs":{"type":"other"}}', b'\xff\xfe{}',
     b'{"rootfs":{"diff_ids":["sha256:../x"]}}', b'{"history":[5]}', b'{"history":{}}', b'{"created":5}',
     b'{"config":{"Healthcheck":{"Interval":1.5}}}', b'{"config":{"Healthcheck":{"Interval":99999999999999999999}}}',
     b"[" * 100_000, b'{"a":' * 100_000, b'{"a":"' + b"x" * documents.LARGEST + b'"}', b"1" * 5000],
)  # fmt: skip
def test_57_odd_json_is_refused(raw: bytes) -> None:
    for parse in (ImageConfig.parse, Manifest.parse, Index.parse):
        with pytest.raises(ImageError):
            parse(raw)


@pytest.mark.parametrize("size", [-1, 2**63, 10**20, "5", 5.0, True, None, 2**51])
def test_54_size_that_cannot_be_is_refused(size: object) -> None:
    with pytest.raises(ImageError):
        Manifest.parse(manifest(layers=[descriptor(size=size)]))


@pytest.mark.parametrize(
    "digest", ["sha256:../../x", "sha256:" + "A" * 64, "sha256:abc", "sha1:" + "0" * 40, "", None, 5]
)
def test_55_digest_that_is_none_is_refused(digest: object) -> None:
    with pytest.raises(ImageError):
        Manifest.parse(manifest(config=descriptor(digest=digest)))


def test_56_document_that_is_two_things_is_refused() -> None:
    both = manifest(manifests=[descriptor()])
    with pytest.raises(ImageError):
        Manifest.parse(both)
    with pytest.raises(ImageError):
        Index.parse(both)
    with pytest.raises(ImageError):
        Index.parse(index(descriptor(), layers=[]))


def test_56_media_type_that_is_not_the_header_s_is_refused() -> None:
    with pytest.raises(ImageError, match="announced"):
        Manifest.parse(manifest(), DOCKER_MANIFEST)
    with pytest.raises(ImageError):
        Manifest.parse(manifest(mediaType=OCI_INDEX))
    with pytest.raises(ImageError):
        Index.parse(manifest())


@pytest.mark.parametrize("version", [None, 1, "2", 3])
def test_other_schema_versions_are_refused(version: object) -> None:
    with pytest.raises(ImageError):
        Manifest.parse(manifest(schemaVersion=version))


def test_57_more_descriptors_than_any_image_has_are_refused() -> None:
    with pytest.raises(ImageError):
        Manifest.parse(manifest(layers=[descriptor()] * 10_001))


def test_57_foreign_urls_and_data_change_nothing() -> None:
    plain = Manifest.parse(manifest())
    odd = Manifest.parse(manifest(layers=[descriptor(urls=["http://x/"], data="AAAA")]))
    assert odd.layers == plain.layers


def test_manifest_is_canonical_and_survives() -> None:
    blob = Descriptor("application/x", Digest(DIGEST), 5)
    made = Manifest(OCI_MANIFEST, blob, (blob,))
    part = f'{{"digest":"{DIGEST}","mediaType":"application/x","size":5}}'
    expected = f'{{"config":{part},"layers":[{part}],"mediaType":"{OCI_MANIFEST}","schemaVersion":2}}'
    assert made.encode() == expected.encode()
    assert Manifest.parse(made.encode()) == made


def test_kind_of_a_document() -> None:
    assert document_kind(manifest()) == OCI_MANIFEST
    assert document_kind(index()) == OCI_INDEX
    assert document_kind(index(), DOCKER_MANIFEST) == DOCKER_MANIFEST


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("linux/amd64", 0),
        ("arm64", 1),
        ("linux/arm64/v8", 1),
        ("linux/arm/v7", 3),
        ("linux/arm/v6", 2),
        ("linux/x86_64", 0),
    ],
)
def test_platform_is_chosen(wanted: str, expected: int) -> None:
    names = ["linux/amd64", "linux/arm64", "linux/arm/v6", "linux/arm/v7", "windows/amd64"]
    found = [Descriptor("x", Digest.of(name.encode()), 1, platform=Platform(*name.split("/"))) for name in names]
    assert platforms.choose(Index(tuple(found)), platforms.parse(wanted)) == found[expected]


def test_platform_that_is_not_there_is_said() -> None:
    there = Index((Descriptor("x", Digest(DIGEST), 1, platform=Platform("linux", "s390x")),))
    with pytest.raises(ImageError, match="only linux/s390x"):
        platforms.choose(there, Platform("linux", "amd64"))


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from([DIGEST, OCI_MANIFEST]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["config", "layers", "manifests", "mediaType", "digest", "size", "schemaVersion", "rootfs", "diff_ids",
         "history", "annotations", "platform", "Env", "Labels", "Healthcheck", "type"]), inner, max_size=5),
    max_leaves=20,
)  # fmt: skip


@given(VALUES)
def test_any_json_is_read_or_refused(value: object) -> None:
    raw = json.dumps(value).encode()
    parsers: tuple[Callable[[bytes], object], ...] = (ImageConfig.parse, Manifest.parse, Index.parse)
    for parse in parsers:
        try:
            parse(raw)
        except ImageError:
            continue
