"""A hostile registry gets nothing into the store that is not what it said, and no credential that is not its own.

Numbers 54 to 58 and 60 of the threat list; 54 to 57 have unit tests of the documents besides.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any

import pytest

from mydocker.errors import DigestMismatch, ImageError, MydockerError, RegistryError
from mydocker.image.credentials import Credential
from mydocker.image.manifest import OCI_INDEX, OCI_MANIFEST
from mydocker.image.reference import Reference
from mydocker.image.registry import Registry
from tests.system.image.hostile import Member, archive
from tests.system.image.registry_double import Double, Reply, Request, certificate, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mydocker.image.image import Image
    from mydocker.image.store import ImageStore

pytestmark = pytest.mark.root

LAYER = archive(Member(b"file", data=b"content"))
OTHER = archive(Member(b"file", data=b"another"))
ME = Credential("me", "secret")
BASIC = "Basic bWU6c2VjcmV0"  # me:secret


@pytest.fixture
def registry() -> Iterator[Double]:
    with running() as double:
        yield double


def pull(store: ImageStore, registry: Double, credential: Credential | None = None, name: str = "app:1") -> Image:
    with Registry(store, Reference.parse(f"{registry.address}/{name}"), credential) as client:
        return client.pull()


def refuses(
    store: ImageStore, registry: Double, kind: type[MydockerError] = ImageError, match: str | None = None
) -> None:
    """The pull fails in time; nothing of it is there, and nothing is locked (58: CVE-2021-20291)."""
    start = time.monotonic()
    with pytest.raises(kind, match=match):
        pull(store, registry)
    assert time.monotonic() - start < 10
    assert store.images() == ()
    assert os.listdir(store.layout.tmp) == []
    store.prune()
    assert os.listdir(store.layout.blobs) == os.listdir(store.layout.snapshots) == []


def test_an_honest_image_comes(store: ImageStore, registry: Double) -> None:
    digest = registry.put_manifest(registry.image(LAYER))
    assert pull(store, registry).digest == digest
    assert store.fsck().problems == ()


# 54: bytes that are not what was announced ---------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["config", "layers"])
@pytest.mark.parametrize("really", [OTHER, LAYER[:-1], LAYER + b"x", b""])
def test_54_blob_with_other_bytes(store: ImageStore, registry: Double, which: str, really: bytes) -> None:
    manifest: dict[str, Any] = registry.image(LAYER)
    registry.put_manifest(manifest)
    descriptor = manifest["config"] if which == "config" else manifest["layers"][0]
    registry.replies[f"/v2/app/blobs/{descriptor['digest']}"] = Reply(body=really)
    refuses(store, registry, MydockerError)


@pytest.mark.parametrize("name", ["1", "digest"])
def test_54_manifest_with_other_bytes(store: ImageStore, registry: Double, name: str) -> None:
    digest = registry.put_manifest(registry.image(LAYER))
    raw = json.dumps(registry.image(OTHER)).encode()
    headers = (("Content-Type", OCI_MANIFEST), ("Docker-Content-Digest", str(digest)))
    if name == "1":
        registry.replies["/v2/app/manifests/1"] = Reply(body=raw, headers=headers)
        refuses(store, registry, DigestMismatch)
    else:
        registry.replies[f"/v2/app/manifests/{digest}"] = Reply(body=raw, headers=headers[:1])
        with pytest.raises(DigestMismatch):
            pull(store, registry, name=f"app@{digest}")


def test_54_diff_id_that_is_not_the_layer_s(store: ImageStore, registry: Double) -> None:
    manifest = registry.image(LAYER)
    manifest["layers"] = registry.image(OTHER)["layers"]
    registry.put_manifest(manifest)
    refuses(store, registry, DigestMismatch)


@pytest.mark.parametrize("which", ["config", "layers"])
def test_54_reading_stops_where_the_blob_should_end(store: ImageStore, registry: Double, which: str) -> None:
    manifest: dict[str, Any] = registry.image(LAYER)
    registry.put_manifest(manifest)
    descriptor = manifest["config"] if which == "config" else manifest["layers"][0]
    registry.replies[f"/v2/app/blobs/{descriptor['digest']}"] = Reply(body=bytes(2**20), endless=True)
    refuses(store, registry, DigestMismatch)
    assert registry.sent < 64 * 2**20, "what the socket buffers hold, not what the server would give"


def test_54_manifest_without_end(store: ImageStore, registry: Double) -> None:
    registry.replies["/v2/app/manifests/1"] = Reply(body=b" " * 2**20, endless=True)
    refuses(store, registry, RegistryError, "more than")
    assert registry.sent < 64 * 2**20


@pytest.mark.parametrize("size", [-1, 2**63, 10**20, 1.5, "12", None])
def test_54_size_that_cannot_be(store: ImageStore, registry: Double, size: object) -> None:
    manifest: dict[str, Any] = registry.image(LAYER)
    manifest["layers"][0]["size"] = size
    registry.put_manifest(manifest)
    refuses(store, registry)
    assert registry.paths() == ["/v2/app/manifests/1"], "no blob is asked for"


# 55, 56, 57: documents -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "digest", ["sha256:../../../etc/passwd", "md5:" + "0" * 32, "sha256:" + "A" * 64, "sha256:abc", "", "/etc/passwd"]
)
def test_55_digest_that_is_none(store: ImageStore, registry: Double, digest: str) -> None:
    manifest: dict[str, Any] = registry.image(LAYER)
    manifest["config"]["digest"] = digest
    registry.put_manifest(manifest)
    refuses(store, registry, match="digest")
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [{**manifest["layers"][0], "digest": digest}]}
    registry.put_manifest(index)
    refuses(store, registry, match="digest")
    assert set(registry.paths()) == {"/v2/app/manifests/1"}


def test_56_document_that_is_two_things(store: ImageStore, registry: Double) -> None:
    both = {**registry.image(LAYER), "manifests": []}
    for kind in (OCI_MANIFEST, OCI_INDEX):
        registry.put_manifest({**both, "mediaType": kind}, kind=kind)
        refuses(store, registry)
        registry.put_manifest({key: value for key, value in both.items() if key != "mediaType"}, kind=kind)
        refuses(store, registry)


def test_56_media_type_that_is_not_the_header_s(store: ImageStore, registry: Double) -> None:
    registry.put_manifest(registry.image(LAYER), kind=OCI_INDEX)
    refuses(store, registry, MydockerError)
    digest = registry.put_manifest(registry.image(LAYER))
    size = len(json.dumps(registry.image(LAYER)))
    announced = {"mediaType": OCI_INDEX, "digest": digest, "size": size}
    registry.put_manifest({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [announced]})
    refuses(store, registry, MydockerError)


def test_57_indexes_without_end(store: ImageStore, registry: Double) -> None:
    inner: object = registry.image(LAYER)
    kind = OCI_MANIFEST
    for _ in range(5):
        digest = registry.put_manifest(inner, kind=kind)
        descriptor = {"mediaType": kind, "digest": digest, "size": len(json.dumps(inner))}
        inner, kind = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor]}, OCI_INDEX
    registry.put_manifest(inner, kind=kind)
    refuses(store, registry, RegistryError, "nested")


@pytest.mark.parametrize(
    "raw",
    [
        b'{"schemaVersion":2,"layers":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"schemaVersion":2,"schemaVersion":2}',
        b'{"schemaVersion":2,"config":' + b" " * 5_000_000 + b"{}}",
        b'{"schemaVersion":2,"manifests":[' + b"{}," * 1_000_000 + b"{}]}",
        b"\xff\xfe{}", b"", b"[]", b"null", b"<html>",
    ],
    ids=["deep", "twice", "large", "many", "utf16", "empty", "list", "null", "html"],
)  # fmt: skip
def test_57_odd_documents(store: ImageStore, registry: Double, raw: bytes) -> None:
    for kind in (OCI_MANIFEST, OCI_INDEX, "text/plain"):
        registry.put_manifest(raw, kind=kind)
        refuses(store, registry, MydockerError)


def test_57_foreign_urls_and_embedded_data_are_not_used(store: ImageStore, registry: Double) -> None:
    with running() as foreign:
        manifest: dict[str, Any] = registry.image(LAYER)
        manifest["layers"][0]["urls"] = [f"{foreign.url}/layer"]
        manifest["layers"][0]["data"] = "AAAA"
        digest = registry.put_manifest(manifest)
        assert pull(store, registry).digest == digest
        assert foreign.requests == []


def test_58_a_refused_layer_leaves_the_store_usable(store: ImageStore, registry: Double) -> None:
    registry.put_manifest(registry.image(LAYER, archive(Member(b"../escaped", data=b"x"))))
    refuses(store, registry, match=r"\.\.")
    digest = registry.put_manifest(registry.image(LAYER))
    assert pull(store, registry).digest == digest


# 60: credentials -----------------------------------------------------------------------------------------------------


def bearer(registry: Double, realm: str) -> Callable[[Request], Reply]:
    """Answer for a manifest only who brings the token `good`; others are sent to `realm`."""
    reply = registry.replies["/v2/app/manifests/1"]

    def answer(request: Request) -> Reply:
        if request.headers.get("authorization") == "Bearer good":
            assert isinstance(reply, Reply)
            return reply
        challenge = f'Bearer realm="{realm}",service="the \\"service\\"",scope="repository:app:pull"'
        return Reply(401, headers=(("WWW-Authenticate", challenge),))

    return answer


TOKEN = Reply(body=b'{"token": "good"}')


def test_60_token_is_fetched_for_what_is_asked_and_used(store: ImageStore, registry: Double) -> None:
    digest = registry.put_manifest(registry.image(LAYER))
    registry.replies["/token"] = TOKEN
    registry.replies["/v2/app/manifests/1"] = bearer(registry, f"{registry.url}/token")
    assert pull(store, registry, ME).digest == digest
    (asked,) = [each for each in registry.requests if each.path.startswith("/token")]
    assert asked.headers["authorization"] == BASIC
    assert "scope=repository%3Aapp%3Apull" in asked.path
    assert "service=the+%22service%22" in asked.path
    assert {each for each in registry.authorizations() if each != BASIC} == {"Bearer good"}


def test_60_identity_token_is_exchanged_and_not_sent_as_password(store: ImageStore, registry: Double) -> None:
    registry.put_manifest(registry.image(LAYER))
    registry.replies["/token"] = TOKEN
    registry.replies["/v2/app/manifests/1"] = bearer(registry, f"{registry.url}/token")
    pull(store, registry, Credential("", "", "long-lived"))
    (asked,) = [each for each in registry.requests if each.path == "/token"]
    assert (asked.method, b"refresh_token=long-lived" in asked.body) == ("POST", True)
    assert "authorization" not in asked.headers


def test_60_anonymous_token(store: ImageStore, registry: Double) -> None:
    registry.put_manifest(registry.image(LAYER))
    registry.replies["/token"] = TOKEN
    registry.replies["/v2/app/manifests/1"] = bearer(registry, f"{registry.url}/token")
    pull(store, registry)
    assert set(registry.authorizations()) == {"Bearer good"}


@pytest.mark.parametrize(
    "realm", ["http://evil.test/token", "ftp://127.0.0.1/", "file:///etc/passwd", "//evil.test/", "", "https://"]
)
def test_60_token_realm_where_a_password_would_be_heard(
    store: ImageStore, registry: Double, realm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = names_mean_loopback(monkeypatch)
    registry.put_manifest(registry.image(LAYER))
    registry.replies["/v2/app/manifests/1"] = bearer(registry, realm)
    with pytest.raises(RegistryError, match="token"):
        pull(store, registry, ME)
    assert registry.authorizations() == []
    assert called == {"127.0.0.1"}


@pytest.mark.parametrize("token", [b"{}", b'{"token": "a\\r\\nHost: evil"}', b'{"token": 5}', b"[]", b"{" * 9999])
def test_60_token_that_is_none(store: ImageStore, registry: Double, token: bytes) -> None:
    registry.put_manifest(registry.image(LAYER))
    registry.replies["/token"] = Reply(body=token)
    registry.replies["/v2/app/manifests/1"] = bearer(registry, f"{registry.url}/token")
    with pytest.raises(MydockerError):
        pull(store, registry, ME)


def test_60_password_that_is_refused_says_how_to_log_in(store: ImageStore, registry: Double) -> None:
    registry.put_manifest(registry.image(LAYER))
    registry.replies["/v2/app/manifests/1"] = bearer(registry, f"{registry.url}/token")
    registry.replies["/token"] = Reply(401)
    with pytest.raises(RegistryError) as caught:
        pull(store, registry, ME)
    assert "mydocker login" in caught.value.hint
    registry.replies["/v2/app/manifests/1"] = Reply(401, headers=(("WWW-Authenticate", 'Basic realm="x"'),))
    with pytest.raises(RegistryError) as caught:
        pull(store, registry)
    assert "mydocker login" in caught.value.hint


@pytest.mark.parametrize("scheme", ["Negotiate", "Digest realm=x", "", "Bearer", 'Basic realm="x'])
def test_60_challenges_that_cannot_be_met(store: ImageStore, registry: Double, scheme: str) -> None:
    registry.replies["/v2/app/manifests/1"] = Reply(401, headers=(("WWW-Authenticate", scheme),))
    with pytest.raises(RegistryError):
        pull(store, registry, ME)
    assert set(registry.authorizations()) <= {BASIC}


def test_60_credential_does_not_follow_a_redirect_to_another_host(store: ImageStore, registry: Double) -> None:
    manifest: dict[str, Any] = registry.image(LAYER)
    digest = registry.put_manifest(manifest)
    registry.replies["/token"] = TOKEN
    registry.replies["/v2/app/manifests/1"] = bearer(registry, f"{registry.url}/token")
    path = f"/v2/app/blobs/{manifest['layers'][0]['digest']}"
    with running() as elsewhere:
        elsewhere.replies["/there"] = Reply(body=LAYER)
        registry.replies[path] = Reply(307, headers=(("Location", f"{elsewhere.url}/there?signature=x"),))
        assert pull(store, registry, ME).digest == digest
        assert elsewhere.paths() == ["/there?signature=x"]
        assert elsewhere.authorizations() == []


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://evil.test/x", "/v2/app/again"])
def test_60_redirects_that_are_not_followed(
    store: ImageStore, registry: Double, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = names_mean_loopback(monkeypatch)
    back = Reply(302, headers=(("Location", target),))
    registry.replies["/v2/app/manifests/1"] = registry.replies["/v2/app/again"] = back
    refuses(store, registry, RegistryError)
    assert called == {"127.0.0.1"}


def names_mean_loopback(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Let every host name be this machine, as it would be for whoever owns that name; return the names asked for."""
    called: set[str] = set()
    real = socket.getaddrinfo

    def resolve(host: str, *arguments: Any, **options: Any) -> Any:
        called.add(host)
        return real("127.0.0.1", *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return called


def test_60_no_password_over_plain_http_to_another_machine(store: ImageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    names_mean_loopback(monkeypatch)
    with running("registry.test") as registry:
        registry.put_manifest(registry.image(LAYER))
        with pytest.raises(RegistryError):
            pull(store, registry, ME)
        assert registry.requests == []
        with Registry(store, Reference.parse(f"{registry.address}/app:1"), None, insecure=True) as told:
            assert told.pull().config.architecture == "amd64"


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """What serves https for registry.test and auth.test, with a certificate that this process trusts."""
    file = certificate(tmp_path, "registry.test", "auth.test")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    names_mean_loopback(monkeypatch)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


@pytest.mark.peer("openssl")
def test_60_token_of_another_host_by_https_and_no_way_back_to_http(store: ImageStore, trusted: ssl.SSLContext) -> None:
    with running("registry.test", trusted) as registry, running("auth.test", trusted) as auth, running() as plain:
        digest = registry.put_manifest(registry.image(LAYER))
        registry.replies["/v2/app/manifests/1"] = bearer(registry, f"{auth.url}/token")
        auth.replies["/token"] = TOKEN
        assert pull(store, registry, ME).digest == digest
        assert set(registry.authorizations()) == {"Bearer good"}
        assert auth.authorizations() == [BASIC]
        registry.replies["/v2/app/manifests/1"] = Reply(302, headers=(("Location", f"{plain.url}/x"),))
        with pytest.raises(RegistryError, match="https"):
            pull(store, registry, ME)
        assert plain.requests == []


@pytest.mark.peer("openssl")
def test_60_certificate_that_nobody_trusts(
    store: ImageStore, trusted: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with running("registry.test", trusted) as registry:
        registry.put_manifest(registry.image(LAYER))
        with pytest.raises(RegistryError, match="certificate"):
            pull(store, registry, ME)
        assert registry.requests == []


def test_60_upload_is_not_sent_elsewhere(store: ImageStore, registry: Double) -> None:
    registry.put_manifest(registry.image(LAYER))
    image = pull(store, registry)
    with running() as elsewhere:
        away = Reply(202, headers=(("Location", f"{elsewhere.url}/upload"),))
        for digest in (image.id, image.layers[0].blob.digest):
            registry.replies[f"/v2/other/blobs/{digest}"] = Reply(404)
        registry.replies["/v2/other/blobs/uploads/"] = away
        with (
            Registry(store, Reference.parse(f"{registry.address}/other:1"), ME) as client,
            pytest.raises(RegistryError, match="elsewhere"),
        ):
            client.push(image)
        assert elsewhere.requests == []


def test_error_text_of_a_registry_is_shown_and_bounded(store: ImageStore, registry: Double) -> None:
    errors = {"errors": [{"code": "DENIED", "message": "you\x1b[31m may not" + "!" * 10_000}]}
    registry.replies["/v2/app/manifests/1"] = Reply(403, json.dumps(errors).encode())
    with pytest.raises(RegistryError, match="403") as caught:
        pull(store, registry)
    assert len(str(caught.value)) < 500
