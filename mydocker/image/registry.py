"""Registries: images come and go by the OCI distribution protocol (distribution-spec 1.1).

Blobs travel side by side, are verified while they stream, and go on where a broken connection stopped them. Manifests
are kept and sent as the bytes that they are, so digests are the same on both sides.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from mydocker.errors import DigestMismatch, MydockerError, RegistryError
from mydocker.events import Progress
from mydocker.image import platforms
from mydocker.image.archives import check_layers, tell_moves
from mydocker.image.collect import collect
from mydocker.image.config import ImageConfig
from mydocker.image.credentials import CredentialStore
from mydocker.image.digest import Digest
from mydocker.image.manifest import INDEXES, MANIFESTS, Descriptor, Index, Manifest, document_kind
from mydocker.image.transport import BROKEN, Body, Transport

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mydocker.image.credentials import Credential
    from mydocker.image.image import Image
    from mydocker.image.manifest import Platform
    from mydocker.image.reference import Reference
    from mydocker.image.store import ImageStore
    from mydocker.image.transport import Answer

# docker's defaults are 3 down and 5 up; more only shortens every single one.
_SIDE_BY_SIDE = 4
_TRIES = 5
_DEEPEST_INDEX = 3
# A registry needs a moment to see that a connection has ended, and to write down how far it came.
_SETTLING = 0.3
_MANIFEST_TYPES = ", ".join((*MANIFESTS, *INDEXES))


class Registry:
    """One repository of a registry, as the part of a reference before its tag names it. Close it, or use `with`."""

    def __init__(
        self, store: ImageStore, reference: Reference, credential: Credential | None, *, insecure: bool = False
    ) -> None:
        self._store = store
        self._reference = reference
        self._path = f"/v2/{reference.path}"
        self._transport = Transport(reference.domain, credential, insecure=insecure)

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *unused: object) -> None:
        self._transport.close_all()

    def pull(self, platform: Platform | None = None) -> Image:
        """Fetch the image that the reference names, and list it under that name.

        Of an index, the image for `platform` (default: this machine's) is taken. Blobs that are here are not fetched.
        Nothing is visible before all of it is here and verified; a failure leaves nothing.
        """
        store = self._store
        try:
            with store.holding():
                raw, media_type = self._manifest(platform or platforms.host())
                manifest = Manifest.parse(raw, media_type)
                self._fetch_blobs(manifest)
                tell_moves(store, manifest.config.digest, (self._reference,))
                return store.register(raw, media_type, (self._reference,))
        except MydockerError:
            collect(store, wait=0.5, patient=False)
            raise

    def push(self, image: Image) -> Digest:
        """Send an image under the reference's tag and return its digest; blobs that the registry has are not sent."""
        with self._store.holding():
            raw = self._store.read_manifest(image)
            layers = (layer.blob for layer in image.layers)
            return self.send(raw, image.manifest_type, (*layers, Manifest.parse(raw).config))

    def send(self, manifest: bytes, media_type: str, blobs: Iterable[Descriptor]) -> Digest:
        """Send blobs of the store, then the manifest that names them, under the reference's tag; return its digest."""
        digest = Digest.of(manifest)
        each_once = {blob.digest: blob for blob in blobs}
        with _side_by_side() as pool:
            for done in [pool.submit(self._send_blob, blob) for blob in each_once.values()]:
                done.result()
        answer = self._transport.request(
            "PUT",
            f"{self._path}/manifests/{self._reference.tag or digest}",
            scope=self._scope("pull,push"),
            headers={"Content-Type": media_type},
            body=manifest,
            accept=(200, 201),
        )
        said = answer.headers.get("Docker-Content-Digest")
        if said and said != digest:
            raise RegistryError(f"push {self._reference.familiar}", f"the registry calls it {said[:100]}")
        return digest

    def document(self) -> bytes:
        """Return the manifest or index that the reference names, as its bytes are."""
        return self._document(self._reference.digest or self._reference.tag, self._reference.digest)[0]

    def fetch(self, blob: Descriptor) -> None:
        """Bring a blob into the store, verified, unless it is there."""
        if not self._store.blobs.has(blob):
            self._store.blobs.put(self._blob(blob), blob)

    def _scope(self, actions: str) -> str:
        return f"repository:{self._reference.path}:{actions}"

    # Coming -----------------------------------------------------------------------------------------------------------

    def _manifest(self, platform: Platform) -> tuple[bytes, str]:
        """Return the manifest for the platform, and its media type, following indexes."""
        reference = self._reference
        raw, media_type = self._document(reference.digest or reference.tag, reference.digest)
        for _ in range(_DEEPEST_INDEX):
            if document_kind(raw, media_type) not in INDEXES:
                return raw, media_type
            chosen = platforms.choose(Index.parse(raw, media_type), platform)
            raw, media_type = self._document(chosen.digest, chosen.digest, chosen)
        raise RegistryError(f"pull {reference.familiar}", f"indexes are nested more than {_DEEPEST_INDEX} deep")

    def _document(self, name: str, digest: Digest | None, announced: Descriptor | None = None) -> tuple[bytes, str]:
        answer = self._transport.request(
            "GET",
            f"{self._path}/manifests/{quote(name, safe=':')}",
            scope=self._scope("pull"),
            headers={"Accept": _MANIFEST_TYPES},
            accept=(200,),
        )
        raw = answer.read()
        said = answer.headers.get("Docker-Content-Digest")
        wanted = digest or (Digest.parse(said) if said else None)
        if wanted and Digest.of(raw) != wanted:
            raise DigestMismatch(f"pull {self._reference.familiar}", f"the manifest {wanted} has other bytes")
        if announced and len(raw) != announced.size:
            raise DigestMismatch(f"pull {self._reference.familiar}", "the manifest has another size than announced")
        kind = answer.headers.get_content_type()
        if announced and announced.media_type and kind != announced.media_type:
            raise RegistryError(f"pull {self._reference.familiar}", f"{kind} came for {announced.media_type}")
        return raw, kind if kind in (*MANIFESTS, *INDEXES) else ""

    def _fetch_blobs(self, manifest: Manifest) -> None:
        """Fetch what is missing, side by side, and unpack layers as they come, bottom first."""
        store = self._store
        with _side_by_side() as pool:
            self.fetch(manifest.config)
            config = ImageConfig.parse(store.blobs.read(manifest.config.digest))
            layers = check_layers(config, manifest)
            waiting = {blob.digest: pool.submit(self.fetch, blob) for blob in manifest.layers}
            for at, layer in enumerate(layers):
                waiting[layer.blob.digest].result()
                store.stack_dirs(layers[: at + 1])

    def _blob(self, blob: Descriptor) -> Iterator[bytes]:
        """Yield a blob's bytes; after a broken connection the rest is asked for, not all of it again."""
        at, failures = 0, 0
        while at < blob.size:
            try:
                for chunk in self._part(blob, at):
                    at, failures = at + len(chunk), 0
                    self._store.reporter(Progress(f"pull {blob.digest.short}", at, blob.size))
                    yield chunk
                if at < blob.size:
                    raise OSError("the connection ended too early")
            except BROKEN as failed:
                failures += 1
                self._transport.close()
                if failures == _TRIES:
                    raise RegistryError(
                        f"pull the blob {blob.digest}", str(failed) or type(failed).__name__
                    ) from failed

    def _part(self, blob: Descriptor, begin: int) -> Iterator[bytes]:
        headers = {"Range": f"bytes={begin}-"} if begin else {}
        answer = self._transport.request(
            "GET", f"{self._path}/blobs/{blob.digest}", scope=self._scope("pull"), headers=headers, accept=(200, 206)
        )
        skip = begin
        if answer.status == 206:
            if not answer.headers.get("Content-Range", "").startswith(f"bytes {begin}-"):
                raise RegistryError(f"pull the blob {blob.digest}", "the registry sent another part than asked for")
            skip = 0
        for chunk in answer.chunks():
            if skip >= len(chunk):
                skip -= len(chunk)
                continue
            yield chunk[skip:]
            skip = 0

    # Going ------------------------------------------------------------------------------------------------------------

    def _send_blob(self, blob: Descriptor) -> None:
        """Upload a blob unless the registry has it; a broken upload goes on where the registry says it stopped."""
        scope = self._scope("pull,push")
        there = self._transport.request("HEAD", f"{self._path}/blobs/{blob.digest}", scope=scope, accept=(200, 404))
        if there.status == 200:
            self._store.reporter(Progress(f"push {blob.digest.short}", blob.size, blob.size))
            return
        fd = self._store.blobs.open(blob.digest)
        try:
            place, at, failures = self._begin(), 0, 0
            while at < blob.size:
                body = _Told(fd, at, blob, self._store)
                try:
                    place = self._patch(place, body, at, blob.size)
                    at = blob.size
                except BROKEN as failed:
                    failures += 1
                    self._transport.close()
                    if failures == _TRIES:
                        raise RegistryError(f"push the blob {blob.digest}", str(failed)) from failed
                    place, at = self._progress(place)
            self._finish(place, blob)
        finally:
            os.close(fd)

    def _patch(self, place: str, body: Body, begin: int, size: int) -> str:
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(size - begin),
            "Content-Range": f"{begin}-{size - 1}",
        }
        scope = self._scope("pull,push")
        answer = self._transport.request("PATCH", place, scope=scope, headers=headers, body=body, accept=(202,))
        return self._location(answer)

    def _begin(self) -> str:
        """Start an upload and return where it goes."""
        answer = self._transport.request(
            "POST", f"{self._path}/blobs/uploads/", scope=self._scope("pull,push"), accept=(202,), body=b""
        )
        return self._location(answer)

    def _progress(self, place: str) -> tuple[str, int]:
        """Ask how much of a broken upload has arrived; where the registry has given it up, begin another."""
        time.sleep(_SETTLING)
        answer = self._transport.request("GET", place, scope=self._scope("pull,push"), accept=(204, 400, 404, 416))
        if answer.status != 204:
            return self._begin(), 0
        _, _, last = answer.headers.get("Range", "0-0").rpartition("-")
        arrived = int(last) + 1 if last.isdecimal() and int(last) else 0
        return self._location(answer), arrived

    def _finish(self, place: str, blob: Descriptor) -> None:
        join = "&" if urlsplit(place).query else "?"
        self._transport.request(
            "PUT",
            f"{place}{join}digest={quote(blob.digest)}",
            scope=self._scope("pull,push"),
            headers={"Content-Length": "0"},
            body=b"",
            accept=(201, 204),
        )

    def _location(self, answer: Answer) -> str:
        """Return where an upload goes on: at this registry, whatever it says."""
        location = answer.headers.get("Location", "")
        if not location:
            raise RegistryError(f"push to {self._reference.domain}", "the registry did not say where to")
        return self._transport.at_home(location)


def connect(store: ImageStore, reference: Reference, environ: Mapping[str, str], *, insecure: bool = False) -> Registry:
    """Return the repository of a reference, with the credentials that the environment's files have for it."""
    credential = CredentialStore(environ).find(reference.domain, reference.path)
    return Registry(store, reference, credential, insecure=insecure)


def pull(
    store: ImageStore,
    reference: Reference,
    environ: Mapping[str, str],
    *,
    platform: Platform | None = None,
    insecure: bool = False,
) -> Image:
    """Pull an image with the credentials that the environment's files have; see `Registry.pull`."""
    with connect(store, reference, environ, insecure=insecure) as registry:
        return registry.pull(platform)


def push(
    store: ImageStore, image: Image, reference: Reference, environ: Mapping[str, str], *, insecure: bool = False
) -> Digest:
    """Push an image under a name, with the credentials that the environment's files have; see `Registry.push`."""
    with connect(store, reference, environ, insecure=insecure) as registry:
        return registry.push(image)


def login(domain: str, credential: Credential, environ: Mapping[str, str], *, insecure: bool = False) -> None:
    """Keep a credential for a registry, once the registry has accepted it."""
    transport = Transport(domain, credential, insecure=insecure)
    try:
        transport.request("GET", "/v2/", accept=(200,))
    finally:
        transport.close_all()
    CredentialStore(environ).save(domain, credential)


def logout(domain: str, environ: Mapping[str, str]) -> None:
    """Forget the credential for a registry; raise `NotFound` when there is none."""
    CredentialStore(environ).forget(domain)


class _Told(Body):
    """A body that reports how far it is."""

    def __init__(self, fd: int, offset: int, blob: Descriptor, store: ImageStore) -> None:
        super().__init__(fd, offset, blob.size - offset)
        self._begin = offset
        self._blob = blob
        self._store = store

    def read(self, size: int = -1) -> bytes:
        data = super().read(size)
        done = self._begin + self.sent
        self._store.reporter(Progress(f"push {self._blob.digest.short}", done, self._blob.size))
        return data


@contextmanager
def _side_by_side() -> Iterator[ThreadPoolExecutor]:
    """Give a pool of threads; when the block fails, what has not begun is dropped."""
    pool = ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="registry")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
