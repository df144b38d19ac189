"""Manifests, indexes and the descriptors they are made of (OCI image-spec: descriptor.md, manifest.md, image-index.md).

Docker's own media types of the same shape ("schema 2") are understood; what is made here is OCI.
"""

from __future__ import annotations

from mydocker.errors import ImageError
from mydocker.image import documents
from mydocker.image.digest import DiffID, Digest
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP = OCI_LAYER + "+gzip"
OCI_LAYER_ZSTD = OCI_LAYER + "+zstd"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"

MANIFESTS = (OCI_MANIFEST, DOCKER_MANIFEST)
INDEXES = (OCI_INDEX, DOCKER_INDEX)

# A blob beyond this is no image's (8 EiB is what a 63-bit number could claim).
_LARGEST_BLOB = 2**50
_MOST_DESCRIPTORS = 10_000


class Platform(NamedTuple):
    """What an image runs on; empty parts are not said."""

    os: str = ""
    architecture: str = ""
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in self if part)


class Descriptor(NamedTuple):
    """What a blob is, what it is called and how many bytes it has."""

    media_type: str
    digest: Digest
    size: int
    annotations: Mapping[str, str] = {}
    platform: Platform | None = None

    @classmethod
    def parse(cls, found: documents.Object) -> Self:
        """Return the descriptor in a JSON object. Foreign `urls` are not followed and `data` is not believed."""
        size = documents.number(found, "size")
        if not 0 <= size <= _LARGEST_BLOB or found.get("size") is None:
            raise ImageError("read a descriptor", f"a blob cannot have {found.get('size')!r} bytes")
        platform = documents.child(found, "platform")
        return cls(
            documents.text(found, "mediaType"),
            Digest.parse(found.get("digest")),
            size,
            documents.text_map(found, "annotations"),
            _parse_platform(platform) if platform else None,
        )

    def to_object(self) -> documents.Object:
        """Return the JSON object of this descriptor."""
        found: documents.Object = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.annotations:
            found["annotations"] = dict(self.annotations)
        if self.platform:
            found["platform"] = {key: value for key, value in self.platform._asdict().items() if value}
        return found


class Layer(NamedTuple):
    """A layer as an image has it: what its content is called, and the blob that holds it."""

    diff_id: DiffID
    blob: Descriptor


class Manifest(NamedTuple):
    """One image for one platform: its config and its layers, bottom first."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = {}

    @classmethod
    def parse(cls, data: bytes, media_type: str = "") -> Self:
        """Return the manifest in `data`; `media_type`, where given, is what its sender called it.

        A document that could be read as an index too is refused (CVE-2021-41190).
        """
        top = _parse_typed(data, "a manifest", MANIFESTS, media_type)
        if "manifests" in top or "fsLayers" in top:
            raise ImageError("read a manifest", "it has the parts of another kind of document too")
        if not documents.child(top, "config"):
            raise ImageError("read a manifest", "it names no config")
        layers = documents.children(top, "layers")
        _check_count(layers)
        return cls(
            documents.text(top, "mediaType") or media_type or OCI_MANIFEST,
            Descriptor.parse(documents.child(top, "config")),
            tuple(Descriptor.parse(layer) for layer in layers),
            documents.text_map(top, "annotations"),
        )

    def encode(self) -> bytes:
        """Return the canonical JSON of this manifest."""
        top: documents.Object = {
            "schemaVersion": 2,
            "mediaType": self.media_type,
            "config": self.config.to_object(),
            "layers": [layer.to_object() for layer in self.layers],
        }
        if self.annotations:
            top["annotations"] = dict(self.annotations)
        return documents.encode(top)


class Index(NamedTuple):
    """A list of descriptors: an image for several platforms, or what a layout holds."""

    manifests: tuple[Descriptor, ...]
    media_type: str = OCI_INDEX

    @classmethod
    def parse(cls, data: bytes, media_type: str = "", largest: int = documents.LARGEST) -> Self:
        """Return the index in `data`; as `Manifest.parse`, it refuses what could be read as something else."""
        top = _parse_typed(data, "an index", INDEXES, media_type, largest)
        if "layers" in top or "config" in top or "fsLayers" in top:
            raise ImageError("read an index", "it has the parts of a manifest too")
        manifests = documents.children(top, "manifests")
        _check_count(manifests)
        kind = documents.text(top, "mediaType") or media_type or OCI_INDEX
        return cls(tuple(Descriptor.parse(each) for each in manifests), kind)

    def encode(self) -> bytes:
        """Return the canonical JSON of this index."""
        return documents.encode(
            {
                "schemaVersion": 2,
                "mediaType": self.media_type,
                "manifests": [each.to_object() for each in self.manifests],
            }
        )


def document_kind(data: bytes, media_type: str = "") -> str:
    """Return the media type of a manifest or an index that may be either, from its header or its own words."""
    top = documents.parse_object(data, "a manifest")
    own = documents.text(top, "mediaType")
    return own or media_type or (OCI_INDEX if "manifests" in top else OCI_MANIFEST)


def _parse_typed(
    data: bytes, what: str, known: tuple[str, ...], media_type: str, largest: int = documents.LARGEST
) -> documents.Object:
    top = documents.parse_object(data, what, largest)
    own = documents.text(top, "mediaType")
    if documents.number(top, "schemaVersion") != 2:
        raise ImageError(f"read {what}", f"schema version {top.get('schemaVersion')!r} is not 2")
    if own and media_type and own != media_type:
        raise ImageError(f"read {what}", f"it was announced as {media_type} and calls itself {own}")
    if (own or media_type or known[0]) not in known:
        raise ImageError(f"read {what}", f"unknown media type {own or media_type!r}")
    return top


def _parse_platform(found: documents.Object) -> Platform:
    return Platform(
        documents.text(found, "os"), documents.text(found, "architecture"), documents.text(found, "variant")
    )


def _check_count(descriptors: list[documents.Object]) -> None:
    if len(descriptors) > _MOST_DESCRIPTORS:
        raise ImageError("read a manifest", f"it lists {len(descriptors)} blobs, more than {_MOST_DESCRIPTORS}")
