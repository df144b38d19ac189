"""A real registry takes and gives images unchanged, also when connections break."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from mydocker.errors import DigestMismatch, NotFound, RegistryError
from mydocker.image.credentials import Credential, CredentialStore
from mydocker.image.reference import Reference
from mydocker.image.registry import login, logout, pull, push
from tests.peers.image.conftest import running_registry
from tests.system.image.trees import describe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mydocker.image.image import Image
    from mydocker.image.store import ImageStore

pytestmark = [pytest.mark.root, pytest.mark.peer("docker-registry")]


def files_of(store: ImageStore, image: Image) -> list[object]:
    return [describe(path) for path in store.snapshot_dirs(image)]


def test_pushed_and_pulled_image_has_the_same_digests(
    store: ImageStore, other: ImageStore, image: Image, registry: str
) -> None:
    name = Reference.parse(f"{registry}/team/museum:1")
    assert push(store, image, name, {}) == image.digest
    back = pull(other, name, {})
    assert (back.id, back.digest, back.references) == (image.id, image.digest, (name,))
    assert files_of(other, back) == files_of(store, image)
    assert other.resolve(f"{registry}/team/museum:1").id == image.id


def test_pull_by_digest_and_push_of_what_is_there_already(
    store: ImageStore, other: ImageStore, image: Image, registry: str
) -> None:
    push(store, image, Reference.parse(f"{registry}/museum:1"), {})
    push(store, image, Reference.parse(f"{registry}/museum:2"), {})
    exact = Reference.parse(f"{registry}/museum@{image.digest}")
    assert pull(other, exact, {}).digest == image.digest
    assert other.resolve(str(exact)).digest == image.digest


def test_image_that_is_not_there(other: ImageStore, registry: str) -> None:
    with pytest.raises(RegistryError, match="404"):
        pull(other, Reference.parse(f"{registry}/nothing:1"), {})
    assert os.listdir(other.layout.tmp) == []


@pytest.mark.peer("skopeo")
def test_skopeo_pulls_what_we_push_and_we_pull_what_it_pushes(
    store: ImageStore, other: ImageStore, image: Image, registry: str, tmp_path: Path
) -> None:
    push(store, image, Reference.parse(f"{registry}/ours:1"), {})
    inspected = skopeo("inspect", "--tls-verify=false", f"docker://{registry}/ours:1")
    assert json.loads(inspected)["Digest"] == image.digest
    layout = f"oci:{store.layout.root}:museum:1"
    store.save(str(tmp_path / "gzip.tar"), ["museum:1"], form="oci-archive", compression="gzip")
    packed = f"oci-archive:{tmp_path}/gzip.tar"
    skopeo("copy", "-q", "--dest-tls-verify=false", "-f", "v2s2", packed, f"docker://{registry}/theirs:1")
    assert pull(other, Reference.parse(f"{registry}/theirs:1"), {}).diff_ids == image.diff_ids
    # Without the flag it puts layers in another compression that it knows to be at the registry into their place.
    skopeo("copy", "-q", "--preserve-digests", "--dest-tls-verify=false", layout, f"docker://{registry}/same:1")
    assert pull(other, Reference.parse(f"{registry}/same:1"), {}).digest == image.digest


def skopeo(*arguments: str) -> str:
    return subprocess.run(
        ["skopeo", "--insecure-policy", *arguments],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


class Breaker:
    """Passes connections on to a registry and cuts each after `limit` bytes from one side, `times` times."""

    def __init__(self, target: str, limit: int, times: int, side: str) -> None:
        host, _, port = target.partition(":")
        self._target = (host, int(port))
        self._limit, self._side = limit, side
        self.left = times
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                for source, target, side in ((client, server, "up"), (server, client, "down")):
                    threading.Thread(target=self._pass, args=(source, target, side), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, side: str) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
                passed += len(data)
                if side == self._side and passed > self._limit and self.left:
                    self.left -= 1
                    break
        for end in (source, target):
            with contextlib.suppress(OSError):  # the thread of the other direction may have been here before
                end.shutdown(socket.SHUT_RDWR)
            end.close()  # what was sent and not read is answered by a reset: a sender would wait for room


@contextlib.contextmanager
def broken(registry: str, limit: int, times: int, side: str) -> Iterator[Breaker]:
    breaker = Breaker(registry, limit, times, side)
    try:
        yield breaker
    finally:
        breaker.close()


def random_image(store: ImageStore, tmp_path: Path) -> Image:
    """An image whose layer does not compress, so that there is something to cut."""
    (tmp_path / "random").mkdir()
    (tmp_path / "random/file").write_bytes(os.urandom(6 * 2**20))
    fd = os.open(tmp_path / "random", os.O_RDONLY)
    layer = store.layers.pack_tree(fd, 0)
    os.close(fd)
    from mydocker.image.config import ImageConfig

    return store.add(ImageConfig(architecture="amd64", diff_ids=(layer.diff_id,)), (layer,))


def test_cut_download_goes_on_where_it_stopped(
    store: ImageStore, other: ImageStore, registry: str, tmp_path: Path
) -> None:
    image = random_image(store, tmp_path)
    push(store, image, Reference.parse(f"{registry}/big:1"), {})
    with broken(registry, 2**20, 3, "down") as breaker:
        assert pull(other, Reference.parse(f"{breaker.address}/big:1"), {}).digest == image.digest
        assert breaker.left == 0


def test_cut_upload_goes_on(store: ImageStore, other: ImageStore, registry: str, tmp_path: Path) -> None:
    image = random_image(store, tmp_path)
    with broken(registry, 2**20, 3, "up") as breaker:
        push(store, image, Reference.parse(f"{breaker.address}/big:1"), {})
        assert breaker.left == 0
    assert pull(other, Reference.parse(f"{registry}/big:1"), {}).digest == image.digest


def test_wrong_blob_is_refused_and_leaves_nothing(
    store: ImageStore, other: ImageStore, image: Image, registry: str, tmp_path: Path
) -> None:
    name = Reference.parse(f"{registry}/museum:1")
    push(store, image, name, {})
    digest = image.layers[0].blob.digest.hex
    (data,) = (tmp_path / "registry").glob(f"**/{digest}/data")
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 1
    data.write_bytes(content)
    with pytest.raises(DigestMismatch):
        pull(other, name, {})
    assert other.images() == ()
    assert os.listdir(other.layout.blobs) == []


def test_password_is_asked_for_kept_and_forgotten(store: ImageStore, image: Image, tmp_path: Path) -> None:
    # htpasswd -nbB me secret
    (tmp_path / "htpasswd").write_text(f"me:{BCRYPT}\n")
    auth = f"auth: {{htpasswd: {{realm: test, path: {tmp_path}/htpasswd}}}}\n"
    environ = {"HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path / "docker")}
    with running_registry(tmp_path, auth) as address:
        name = Reference.parse(f"{address}/museum:1")
        with pytest.raises(RegistryError, match="who you are"):
            push(store, image, name, environ)
        with pytest.raises(RegistryError, match="401"):
            login(address, Credential("me", "wrong"), environ)
        assert not (tmp_path / "docker").exists()
        login(address, Credential("me", "secret"), environ)
        assert os.stat(tmp_path / "docker/config.json").st_mode & 0o777 == 0o600
        assert push(store, image, name, environ) == image.digest
        logout(address, environ)
        assert CredentialStore(environ).find(address) is None
        with pytest.raises(NotFound):
            logout(address, environ)


@pytest.mark.peer("skopeo")
def test_a_login_is_shared_with_skopeo(
    store: ImageStore, other: ImageStore, image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "htpasswd").write_text(f"me:{BCRYPT}\n")
    auth = f"auth: {{htpasswd: {{realm: test, path: {tmp_path}/htpasswd}}}}\n"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / ".docker"))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    with running_registry(tmp_path, auth) as address:
        ours, theirs = {"HOME": str(tmp_path)}, {"HOME": "/nowhere", "REGISTRY_AUTH_FILE": str(tmp_path / "auth.json")}
        login(address, Credential("me", "secret"), ours)
        push(store, image, Reference.parse(f"{address}/museum:1"), ours)
        shown = skopeo("inspect", "--tls-verify=false", f"docker://{address}/museum:1")
        assert json.loads(shown)["Digest"] == image.digest
        logout(address, ours)
        skopeo("login", "--authfile", theirs["REGISTRY_AUTH_FILE"], "--tls-verify=false", "-u", "me", "-p", "secret",
               address)  # fmt: skip
        assert pull(other, Reference.parse(f"{address}/museum:1"), theirs).digest == image.digest


BCRYPT = "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a"
