"""What a build takes from shared caches, and what it gives to them."""

from __future__ import annotations

import threading

from mydocker.build.sharing import CONFIG, SharedResult, decode, encode, manifest_of
from mydocker.errors import ImageError, MydockerError
from mydocker.events import Notice
from mydocker.image.digest import EMPTY
from mydocker.image.manifest import OCI_MANIFEST, Descriptor, Manifest
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mydocker.build.sharing.directory import Directory
    from mydocker.build.sharing.place import CachePlace
    from mydocker.build.sharing.remote import Remote
    from mydocker.events import Reporter
    from mydocker.image.manifest import Layer
    from mydocker.image.store import ImageStore


class Offer(NamedTuple):
    """A result that a shared cache has for a key, and where that is."""

    result: SharedResult
    source: Directory | Remote


class Imports:
    """The shared caches that a build may take results from, asked in order, read when first needed. Safe in threads.

    One that cannot be read or is not right is told and left out: a build never fails for want of a cache.
    """

    def __init__(
        self, places: tuple[CachePlace, ...], store: ImageStore, environ: Mapping[str, str], reporter: Reporter
    ) -> None:
        self._places = places
        self._store = store
        self._environ = environ
        self._reporter = reporter
        self._offers: dict[str, Offer] | None = None
        self._lock = threading.Lock()

    def find(self, key: str) -> Offer | None:
        """Return what there is for a key."""
        if not self._places:
            return None
        with self._lock:
            if self._offers is None:
                self._offers = {}
                for place in self._places:
                    self._read(place, self._offers)
            return self._offers.get(key)

    def take(self, key: str, offer: Offer, below: tuple[Layer, ...]) -> bool:
        """Bring an offered layer into the store, verified and unpacked on `below`; tell whether that could be done.

        What is not right is not asked for again. Hold `store.holding()` until the result is written down.
        """
        layer = offer.result.layer
        try:
            offer.source.fetch(self._store, layer.blob)
            self._store.layers.check_blob(layer)
            if layer.diff_id != EMPTY:
                self._store.stack_dirs((*below, layer))
        except MydockerError as failed:
            self._warn(offer.source, failed)
            with self._lock:
                if self._offers is not None:
                    self._offers.pop(key, None)
            return False
        return True

    def _read(self, place: CachePlace, offers: dict[str, Offer]) -> None:
        source = place.open(self._store, self._environ)
        try:
            manifest = Manifest.parse(source.manifest(), OCI_MANIFEST)
            if manifest.config.media_type != CONFIG:
                raise ImageError("read a build cache", f"it is {manifest.config.media_type[:100]!r}")
            source.fetch(self._store, manifest.config)
            results = decode(self._store.blobs.read(manifest.config.digest), manifest)
        except MydockerError as failed:
            self._warn(source, failed)
            return
        for key, result in results.items():
            offers.setdefault(key, Offer(result, source))

    def _warn(self, source: Directory | Remote, failed: MydockerError) -> None:
        self._reporter(Notice(f"the build cache at {source} is not used: {failed}", "warning"))


def give(
    results: Mapping[str, SharedResult],
    places: tuple[CachePlace, ...],
    store: ImageStore,
    environ: Mapping[str, str],
) -> None:
    """Send results, by key, to every place; their layers are in the store. Raises what stands in the way."""
    config = encode(results)
    with store.holding():
        blob = Descriptor(CONFIG, store.blobs.put_bytes(config), len(config))
        manifest = manifest_of(blob, results.values())
        for place in places:
            place.open(store, environ).send(store, manifest)
