"""Sharing the build cache: results by their keys, with their layers, in a directory or at a registry.

A shared cache is an OCI manifest. Its config (media type `CONFIG`) lists results: the step's key, the diff ID and the
blob of its layer, the seconds that it took. Its layers are the blobs. In a directory that is an OCI image layout with
one tag; a registry has it under a reference. Keys are digests of what a step sees, so nothing of that is told.

What comes from there is not believed: blobs are checked against their digests, layers against their diff IDs and by
unpacking them, and whatever is not right is told and left alone: then the step runs. That a key belongs to a layer
cannot be checked, as with every shared build cache: take only from places that only builders you trust can write to.
"""

from __future__ import annotations

from mydocker.errors import ImageError
from mydocker.image import documents
from mydocker.image.digest import DiffID, Digest
from mydocker.image.manifest import OCI_LAYER_ZSTD, OCI_MANIFEST, Descriptor, Layer, Manifest
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CONFIG = "application/vnd.mydocker.build-cache.v1+json"
_VERSION = 1
_KEY_DIGITS = frozenset("0123456789abcdef")


class SharedResult(NamedTuple):
    """What a step gave, on whatever machine: its layer, and the seconds that it took there."""

    layer: Layer
    seconds: float


def encode(results: Mapping[str, SharedResult]) -> bytes:
    """Return the config of a shared cache with these results, by key. Equal results give equal bytes."""
    listed: list[documents.Object] = [
        {
            "key": key,
            "diffId": result.layer.diff_id,
            "blob": result.layer.blob.digest,
            "milliseconds": int(result.seconds * 1000),
        }
        for key, result in sorted(results.items())
    ]
    return documents.encode({"version": _VERSION, "results": listed})


def manifest_of(config: Descriptor, results: Iterable[SharedResult]) -> Manifest:
    """Return the manifest of a shared cache."""
    blobs = {result.layer.blob.digest: result.layer.blob for result in results}
    return Manifest(OCI_MANIFEST, config, tuple(blobs[digest] for digest in sorted(blobs)))


def decode(config: bytes, manifest: Manifest) -> dict[str, SharedResult]:
    """Return the results of a shared cache by key; raise `ImageError` for what is no such thing."""
    top = documents.parse_object(config, "a build cache")
    if documents.number(top, "version") != _VERSION:
        raise ImageError("read a build cache", f"version {top.get('version')!r} is not {_VERSION}")
    blobs = {blob.digest: blob for blob in manifest.layers}
    found = {}
    for each in documents.children(top, "results"):
        key = documents.text(each, "key")
        blob = blobs.get(Digest.parse(each.get("blob")))
        if len(key) != 64 or not _KEY_DIGITS.issuperset(key):
            raise ImageError("read a build cache", f"{key[:80]!r} is no key")
        if blob is None or blob.media_type != OCI_LAYER_ZSTD:
            raise ImageError("read a build cache", f"it has no layer {each.get('blob')}")
        layer = Layer(DiffID.parse(each.get("diffId")), Descriptor(OCI_LAYER_ZSTD, blob.digest, blob.size))
        found[key] = SharedResult(layer, documents.number(each, "milliseconds") / 1000)
    return found
