"""Image: what the store knows about one image, as every other room sees it."""

from __future__ import annotations

from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mydocker.image.config import ImageConfig
    from mydocker.image.digest import DiffID, Digest
    from mydocker.image.manifest import Layer
    from mydocker.image.reference import Reference


class Image(NamedTuple):
    """An image of the store.

    `id` is the digest of its config, as docker and podman have it; `digest` that of its manifest. `layers` are bottom
    first. `built` (seconds since 1970, 0: unknown) and `base` (the text of FROM) are local knowledge.
    """

    id: Digest
    digest: Digest
    config: ImageConfig
    layers: tuple[Layer, ...]
    references: tuple[Reference, ...]
    built: int
    base: str
    manifest_size: int
    manifest_type: str

    @property
    def diff_ids(self) -> tuple[DiffID, ...]:
        """The diff IDs of the layers, bottom first."""
        return tuple(layer.diff_id for layer in self.layers)

    @property
    def size(self) -> int:
        """Bytes of the layers' blobs: what a push would send."""
        return sum(layer.blob.size for layer in self.layers)

    @property
    def title(self) -> str:
        """A name for messages: the first reference, else the short id."""
        return self.references[0].familiar if self.references else self.id.short
