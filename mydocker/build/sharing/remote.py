"""A shared build cache at a registry, under a reference of its own (distribution-spec 1.1)."""

from __future__ import annotations

from mydocker.image.manifest import OCI_MANIFEST
from mydocker.image.reference import Reference
from mydocker.image.registry import Registry, connect
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mydocker.image.manifest import Descriptor, Manifest
    from mydocker.image.store import ImageStore


class Remote:
    """The shared cache that the reference `name` means. A connection lives as long as one call."""

    def __init__(self, name: str, store: ImageStore, environ: Mapping[str, str]) -> None:
        self._reference = Reference.parse(name)
        self._store = store
        self._environ = environ

    def __str__(self) -> str:
        return self._reference.familiar

    def manifest(self) -> bytes:
        """Return the manifest, as it is there; raise `RegistryError` where there is none."""
        with self._connected() as registry:
            return registry.document()

    def fetch(self, store: ImageStore, blob: Descriptor) -> None:
        """Bring a blob into the store; raise `DigestMismatch` when its bytes are others than announced."""
        with self._connected() as registry:
            registry.fetch(blob)

    def send(self, store: ImageStore, manifest: Manifest) -> None:
        """Put the manifest there, with its config and its layers, which are in the store."""
        with self._connected() as registry:
            registry.send(manifest.encode(), OCI_MANIFEST, (*manifest.layers, manifest.config))

    def _connected(self) -> Registry:
        return connect(self._store, self._reference, self._environ)
