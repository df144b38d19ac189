"""Archives on their way in: a root file system, images that docker saved, OCI layouts as a tar or a directory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mydocker.errors import DigestMismatch, ImageError, MydockerError, NotFound
from mydocker.events import Notice
from mydocker.image import catalogue, documents, platforms
from mydocker.image.collect import collect
from mydocker.image.compression import read_chunks
from mydocker.image.config import ImageConfig
from mydocker.image.digest import Digest
from mydocker.image.layers import Expected
from mydocker.image.manifest import INDEXES, MANIFESTS, Descriptor, Index, Layer, Manifest, document_kind
from mydocker.image.members import opened, read
from mydocker.image.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mydocker.image.digest import DiffID
    from mydocker.image.image import Image
    from mydocker.image.manifest import Platform
    from mydocker.image.members import Members
    from mydocker.image.store import ImageStore

_CONTAINERD_NAME = "io.containerd.image.name"
_DEEPEST_INDEX = 3


def import_rootfs(
    store: ImageStore,
    source: str | int,
    config: ImageConfig,
    reference: Reference | None,
    base: str,
    built: int,
) -> Image:
    """Make an image of one archive; see `ImageStore.import_tar`."""
    fd = _open(source)
    try:
        size = os.fstat(fd).st_size
        with store.holding():
            layer = store.layers.receive_tar(read_chunks(fd), "import", size)
            whole = config._replace(diff_ids=(layer.diff_id,))
            names = (reference,) if reference else ()
            tell_moves(store, Digest.of(whole.encode()), names)
            return store.add(whole, (layer,), names, base=base, built=built)
    finally:
        if isinstance(source, str):
            os.close(fd)


def load(store: ImageStore, source: str | int, platform: Platform | None = None) -> tuple[Image, ...]:
    """Take in all images of an archive; see `ImageStore.load`. A failure leaves nothing of the image that failed."""
    try:
        with store.holding(), opened(store.layout, source, store.limits) as members:
            if members.has("oci-layout") and members.has("index.json"):
                return tuple(_load_oci(store, members, platform or platforms.host()))
            if members.has("manifest.json"):
                return tuple(_load_docker(store, members))
    except MydockerError:
        collect(store, wait=0.5, patient=False)
        raise
    raise ImageError(
        f"load {source}",
        "it is neither what `docker save` writes nor an OCI layout",
        "for the archive of a root file system use `mydocker import` or `mydocker buildBase`",
    )


def _load_docker(store: ImageStore, members: Members) -> Iterator[Image]:
    """Load what `docker save` writes: manifest.json names for each image its config, layers and tags."""
    for item in _docker_items(members):
        raw = read(members, documents.text(item, "Config"))
        config = ImageConfig.parse(raw)
        names = documents.texts(item, "Layers")
        if len(names) != len(config.diff_ids):
            raise ImageError("load an image", f"its config lists {len(config.diff_ids)} layers, there are {len(names)}")
        layers = _receive(store, members, names, config.diff_ids)
        references = [Reference.parse(tag) for tag in documents.texts(item, "RepoTags")]
        tell_moves(store, Digest.of(raw), references)
        yield store.add(raw, layers, references)


def _docker_items(members: Members) -> list[documents.Object]:
    value = documents.parse_value(read(members, "manifest.json"), "manifest.json")
    return documents.children({"manifest.json": value}, "manifest.json")


def _receive(
    store: ImageStore, members: Members, names: tuple[str, ...], diff_ids: tuple[DiffID, ...]
) -> tuple[Layer, ...]:
    """Store and unpack layers that come as tars; those that an image here has already are not read again."""
    known = {layer.diff_id: layer for image in store.images() for layer in image.layers if store.blobs.has(layer.blob)}
    found: list[Layer] = []
    below: list[str] = []
    for at, name in enumerate(names):
        expected = Expected(tuple(below), diff_ids[: at + 1])
        layer = known.get(diff_ids[at])
        if layer is None:
            what = f"load {diff_ids[at].short}"
            layer = store.layers.receive_tar(members.chunks(name), what, members.size(name), expected)
            known[layer.diff_id] = layer
        below.insert(0, store.layers.unpack_blob(layer, expected))
        found.append(layer)
    return tuple(found)


def _load_oci(store: ImageStore, members: Members, platform: Platform) -> Iterator[Image]:
    """Load an OCI image layout: every image that its index names, as the bytes that it is."""
    index = Index.parse(read(members, "index.json"))
    tags = _docker_tags(members) if members.has("manifest.json") else {}
    for each in index.manifests:
        if each.platform and each.platform.os == "unknown":
            continue
        descriptor = _descend(members, each, platform)
        raw = _read_blob(members, descriptor)
        manifest = Manifest.parse(raw, descriptor.media_type)
        references = tags.get(manifest.config.digest.hex, _annotated(each))
        receive_image(store, manifest, lambda blob: members.chunks(_blob_name(blob)))
        tell_moves(store, manifest.config.digest, references)
        yield store.register(raw, manifest.media_type, references)


def _descend(members: Members, descriptor: Descriptor, platform: Platform) -> Descriptor:
    """Follow nested indexes down to one manifest for the platform."""
    for _ in range(_DEEPEST_INDEX):
        if descriptor.media_type in MANIFESTS:
            return descriptor
        raw = _read_blob(members, descriptor)
        if document_kind(raw, descriptor.media_type) not in INDEXES:
            return descriptor
        descriptor = platforms.choose(Index.parse(raw, descriptor.media_type), platform)
    raise ImageError("load an image", f"indexes are nested more than {_DEEPEST_INDEX} deep")


def receive_image(store: ImageStore, manifest: Manifest, fetch: Callable[[Descriptor], Iterator[bytes]]) -> None:
    """Store the config and the layers that a manifest names, as the bytes that they are, and unpack the layers.

    Every blob is checked against its descriptor, every layer against the config, before anything is visible.
    """
    for descriptor in (manifest.config, *manifest.layers):
        if not store.blobs.has(descriptor):
            store.blobs.put(fetch(descriptor), descriptor)
    config = ImageConfig.parse(store.blobs.read(manifest.config.digest))
    store.stack_dirs(check_layers(config, manifest))


def check_layers(config: ImageConfig, manifest: Manifest) -> tuple[Layer, ...]:
    """Return an image's layers, bottom first; raise `ImageError` unless config and manifest list equally many."""
    if len(config.diff_ids) != len(manifest.layers):
        why = f"its config lists {len(config.diff_ids)} layers, its manifest {len(manifest.layers)}"
        raise ImageError("take in an image", why)
    return tuple(map(Layer, config.diff_ids, manifest.layers))


def _read_blob(members: Members, descriptor: Descriptor) -> bytes:
    data = read(members, _blob_name(descriptor))
    if len(data) != descriptor.size or Digest.of(data) != descriptor.digest:
        raise DigestMismatch(f"read {descriptor.digest} of an archive", "size or content is not what was announced")
    return data


def _blob_name(descriptor: Descriptor) -> str:
    return f"blobs/sha256/{descriptor.digest.hex}"


def _docker_tags(members: Members) -> dict[str, list[Reference]]:
    """Return the tags in manifest.json, which docker writes beside an OCI layout, by the hex digits of the config."""
    found: dict[str, list[Reference]] = {}
    for item in _docker_items(members):
        name = documents.text(item, "Config").rpartition("/")[2].removesuffix(".json")
        found[name] = [Reference.parse(tag) for tag in documents.texts(item, "RepoTags")]
    return found


def _annotated(descriptor: Descriptor) -> list[Reference]:
    """Return the name in a descriptor's annotations.

    Docker writes the whole name under containerd's key and only its tag under OCI's; umoci changes OCI's alone when it
    gives an image another name. So containerd's goes only where OCI's is missing or is its tag.
    """
    text = descriptor.annotations.get(catalogue.REF_NAME, "")
    whole = descriptor.annotations.get(_CONTAINERD_NAME, "")
    if whole and (not text or Reference.parse(whole).tag == text):
        text = whole
    return [Reference.parse(text)] if text else []


def tell_moves(store: ImageStore, image_id: Digest, references: Iterable[Reference]) -> None:
    """Say which names are about to mean another image: an archive must not take over a name in silence."""
    wanted = set(references)
    for record in catalogue.read(store.layout):
        if record.reference in wanted and record.image_id and record.image_id != image_id:
            text = f"{record.reference.familiar} was {record.image_id.short} and is now {image_id.short}"
            store.reporter(Notice(text, "warning"))


def _open(source: str | int) -> int:
    if isinstance(source, int):
        return source
    try:
        return os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as failed:
        raise NotFound(f"no file {source}") from failed
