"""ImageStore: the images of one store, by name and by id.

What `mydocker run` needs (list, resolve, snapshots that exist) is in this module and imports little; everything that
makes, moves or removes images is imported when it is called.
"""

from __future__ import annotations

import os
import time

from mydocker.errors import ImageError, MydockerError, NotFound
from mydocker.events import Notice, silent
from mydocker.image import catalogue, names
from mydocker.image.blobs import Blobs
from mydocker.image.catalogue import Record
from mydocker.image.config import ImageConfig
from mydocker.image.image import Image
from mydocker.image.limits import Limits
from mydocker.image.locks import locked
from mydocker.image.manifest import OCI_CONFIG, OCI_MANIFEST, Descriptor, Layer, Manifest
from mydocker.image.reference import Reference
from mydocker.image.snapshots import Snapshots, is_opaque_root
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from mydocker.events import Reporter
    from mydocker.image.check import Report
    from mydocker.image.collect import Freed
    from mydocker.image.compare import Difference
    from mydocker.image.layers import Layers
    from mydocker.image.layout import Layout
    from mydocker.image.manifest import Platform

_NEVER_TOO_HIGH = 50  # what overlayfs stacks on every kernel, with an upper and an init layer besides


def _no_pins() -> frozenset[str]:
    return frozenset()


class ImageStore:
    """The images of the store at `layout`. Safe to use from any number of processes and threads at once.

    `pins` tells what must not be collected although no image needs it (hex digits of diff IDs, chain IDs or digests):
    layers of the build cache and of containers whose image is gone.
    """

    def __init__(
        self,
        layout: Layout,
        reporter: Reporter = silent,
        *,
        pins: Callable[[], Iterable[str]] = _no_pins,
        limits: Limits | None = None,
    ) -> None:
        self.layout = layout
        self.blobs = Blobs(layout)
        self.snapshots = Snapshots(layout)
        self.reporter = reporter
        self.pins = pins
        self.limits = limits or Limits.from_environ(os.environ)

    @property
    def layers(self) -> Layers:
        """What makes and unpacks layers."""
        from mydocker.image.layers import Layers

        return Layers(self.layout, self.blobs, self.snapshots, self.reporter, self.limits)

    def holding(self) -> AbstractContextManager[None]:
        """Keep the collector away inside the block: hold it from the first blob to the reference that needs it."""
        return locked(self.layout.lock("contents"), shared=True)

    def images(self) -> tuple[Image, ...]:
        """Return all images, in the order in which they came. One that is damaged is left out, with a notice."""
        found = []
        for records in names.by_manifest(catalogue.read(self.layout)):
            try:
                found.append(self._image(records))
            except MydockerError as failed:
                text = f"image {records[0].manifest.digest.short} cannot be read: {failed}"
                self.reporter(Notice(text, "warning"))
        return tuple(found)

    def resolve(self, text: str) -> Image:
        """Return the image that a name, `name@digest`, an id or the beginning of an id means.

        Raises `NotFound` when there is none and `UsageError` when an id's beginning fits several.
        """
        records = [record for record in catalogue.read(self.layout) if record.is_image]
        digest = names.by_name(records, text) or names.by_id(records, text, self.blobs)
        if digest is None:
            raise NotFound(f"no image {text!r}", hint="`mydocker images` lists those that are here")
        return self._image([record for record in records if record.manifest.digest == digest])

    def name_of(self, text: str) -> Reference | None:
        """Return the name and tag that `text` is in this store; None where it means an image by its id or digest."""
        records = [record for record in catalogue.read(self.layout) if record.is_image]
        if names.by_name(records, text) is None:
            return None
        name = Reference.parse(text)
        return name if name.tag else None

    def snapshot_dirs(self, image: Image) -> tuple[str, ...]:
        """Return the snapshots of an image's layers; see `stack_dirs`."""
        return self.stack_dirs(image.layers)

    def stack_dirs(self, layers: tuple[Layer, ...]) -> tuple[str, ...]:
        """Return the snapshots of layers (bottom first), topmost first, as overlayfs takes its lower directories.

        What is missing is unpacked. Below a layer that hides all under it, nothing is returned; a layer that occurs
        twice is there once, at its topmost place, where it hides what it put further down (overlayfs refuses a
        directory twice).
        """
        diff_ids = tuple(layer.diff_id for layer in layers)
        found = self.snapshots.find(diff_ids)
        paths: list[str] = [path for path in found if path is not None]
        if len(paths) < len(found):
            paths = self._unpack_missing(layers, found)
        topmost_first: dict[str, None] = {}
        for path in reversed(paths):
            topmost_first[path] = None
            if is_opaque_root(path):
                break
        stack = tuple(topmost_first)
        if len(stack) <= _NEVER_TOO_HIGH:
            return stack
        from mydocker.image.merging import folded
        from mydocker.linux.mounts import most_layers

        return folded(self.layout, self.snapshots, stack, most_layers())

    def add(
        self,
        config: ImageConfig | bytes,
        layers: Iterable[Layer],
        references: Iterable[Reference] = (),
        *,
        base: str = "",
        built: int = 0,
    ) -> Image:
        """Make an image of a config and layers whose blobs are in the store, and give it its names.

        A config in bytes is stored as it is. The layers' diff IDs have to be those that the config lists. Names that
        meant another image are moved. Idempotent; hold `holding()` around it and what made the layers.
        """
        data = config if isinstance(config, bytes) else config.encode()
        stack = tuple(layers)
        parsed = ImageConfig.parse(data)
        if parsed.diff_ids != tuple(layer.diff_id for layer in stack):
            raise ImageError("add an image", "its config lists other layers than it has")
        config_blob = Descriptor(OCI_CONFIG, self.blobs.put_bytes(data), len(data))
        manifest = Manifest(OCI_MANIFEST, config_blob, tuple(layer.blob for layer in stack)).encode()
        return self.register(manifest, OCI_MANIFEST, references, base=base, built=built)

    def register(
        self,
        manifest: bytes,
        media_type: str,
        references: Iterable[Reference] = (),
        *,
        base: str = "",
        built: int = 0,
    ) -> Image:
        """List a manifest whose config and layers are in the store, byte by byte as it is, under the given names."""
        parsed = Manifest.parse(manifest, media_type)
        for needed in (parsed.config, *parsed.layers):
            if not self.blobs.has(needed):
                raise ImageError(f"add an image with the blob {needed.digest}", "it is not in the store")
        digest = self.blobs.put_bytes(manifest)
        built = built or int(time.time())
        target = Descriptor(parsed.media_type, digest, len(manifest))
        wanted = list(dict.fromkeys(references))
        with catalogue.changing(self.layout) as records:
            for name in wanted:
                names.claim(records, name, Record(target, parsed.config.digest, name, built, base))
            if not any(record.manifest.digest == digest for record in records):
                records.append(Record(target, parsed.config.digest, None, built, base))
            mine = [record for record in records if record.manifest.digest == digest]
        return self._image(mine)

    def import_tar(
        self,
        source: str | int,
        config: ImageConfig,
        reference: Reference | None = None,
        *,
        base: str = "",
        built: int = 0,
    ) -> Image:
        """Make an image of one root file system archive: a path, or an open descriptor such as a pipe's.

        The archive (plain, gzip, bzip2, xz or zstd) is kept as one layer, byte by byte, so its diff ID is the digest of
        the uncompressed archive. One that is cut short or unsafe is refused and leaves nothing.
        """
        from mydocker.image.archives import import_rootfs

        return import_rootfs(self, source, config, reference, base, built)

    def load(self, source: str | int, platform: Platform | None = None) -> tuple[Image, ...]:
        """Take in all images of an archive that docker, podman, skopeo or this program saved, or of an OCI layout.

        `source` is the path of a file or a directory, or an open descriptor. Configs and, from OCI layouts, manifests
        and layers are kept byte by byte. Of an image for several platforms, the one for `platform` (default: this
        machine's) is taken. A name that moves to another image is reported as a warning.
        """
        from mydocker.image.archives import load

        return load(self, source, platform)

    def save(
        self,
        target: str | int,
        names: Iterable[str],
        *,
        form: str = "docker-archive",
        compression: str = "",
    ) -> None:
        """Write the images that `names` mean as one archive to a path or an open descriptor.

        An image keeps in the archive the names that it was asked for by; one asked for by its id has none there.

        `form` is `docker-archive` or `oci-archive`; `compression` `zstd`, `gzip`, `none`, or empty for the form's own:
        a docker archive has plain layers, which every release reads, an OCI archive has the blobs as they are here. The
        same images give the same bytes. A file appears under its name when it is whole.
        """
        from mydocker.image.saving import save

        save(self, target, [(self.resolve(name), self.name_of(name)) for name in names], form, compression)

    def tag(self, image: Image, reference: Reference) -> None:
        """Give an image one more name; the name moves when another image had it."""
        with catalogue.changing(self.layout) as records:
            mine = [record for record in records if record.manifest.digest == image.digest]
            if not mine:
                raise NotFound(f"no image {image.title!r} any more", "another process removed it")
            names.claim(records, reference, mine[0]._replace(reference=reference))

    def untag(self, reference: Reference) -> None:
        """Take a name away; an image that loses its last name stays, without one."""
        with catalogue.changing(self.layout) as records:
            names.release(records, reference)

    def remove(self, image: Image) -> Freed:
        """Remove an image with all its names, and what nothing else needs of it; return what that freed.

        When builds or pulls are running, the files stay for a later `prune`.
        """
        from mydocker.image.collect import collect

        with catalogue.changing(self.layout) as records:
            records[:] = [record for record in records if record.manifest.digest != image.digest]
        return collect(self, wait=0.5, patient=False)

    def prune(
        self, unwanted: Iterable[Image] = (), *, pins: Iterable[str] | None = None, dry_run: bool = False
    ) -> Freed:
        """Remove the images `unwanted`, then whatever no image and no pin needs; return what that freed.

        `pins` stands for what the store's own pins would say, for a caller that knows what will be gone. With `dry_run`
        nothing is removed, and what would be is returned.
        """
        from mydocker.image.collect import prune

        return prune(self, frozenset(image.digest for image in unwanted), pins, dry_run=dry_run)

    def fsck(self, *, repair: bool = False) -> Report:
        """Compare everything in the store with its name; see `check.check`."""
        from mydocker.image.check import check

        return check(self, repair=repair)

    def diff(self, old: Image, new: Image) -> tuple[Difference, ...]:
        """Return the files in which two images differ, in the order of their paths."""
        from mydocker.image.compare import diff_trees
        from mydocker.image.stack import Stack

        with Stack(self.snapshot_dirs(old)) as before, Stack(self.snapshot_dirs(new)) as after:
            return tuple(diff_trees(before, after))

    def read_config(self, image: Image) -> bytes:
        """Return an image's config as the bytes it came in."""
        return self.blobs.read(image.id)

    def read_manifest(self, image: Image) -> bytes:
        """Return an image's manifest as the bytes it came in."""
        return self.blobs.read(image.digest)

    def _image(self, records: list[Record]) -> Image:
        target = records[0].manifest
        manifest = Manifest.parse(self.blobs.read(target.digest), target.media_type)
        config = ImageConfig.parse(self.blobs.read(manifest.config.digest))
        if len(config.diff_ids) != len(manifest.layers):
            why = f"its config lists {len(config.diff_ids)} layers, its manifest {len(manifest.layers)}"
            raise ImageError(f"read the image {target.digest.short}", why)
        return Image(
            id=manifest.config.digest,
            digest=target.digest,
            config=config,
            layers=tuple(map(Layer, config.diff_ids, manifest.layers)),
            references=tuple(record.reference for record in records if record.reference),
            built=max(record.built for record in records),
            base=next((record.base for record in records if record.base), ""),
            manifest_size=target.size,
            manifest_type=target.media_type,
        )

    def _unpack_missing(self, layers: tuple[Layer, ...], found: tuple[str | None, ...]) -> list[str]:
        """Unpack, bottom first, the layers without a snapshot; return the paths of all, bottom first."""
        from mydocker.image.layers import Expected

        paths: list[str] = []
        unpacker = self.layers
        diff_ids = tuple(layer.diff_id for layer in layers)
        with self.holding():
            for at, (layer, path) in enumerate(zip(layers, found, strict=True)):
                expected = Expected(tuple(dict.fromkeys(reversed(paths))), diff_ids[: at + 1])
                paths.append(path or unpacker.unpack_blob(layer, expected))
        return paths
