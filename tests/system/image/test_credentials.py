"""Passwords stay where other tools keep theirs: in docker's file, in podman's, or with a credential helper."""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING

import pytest

from mydocker.errors import MydockerError, NotFound, RegistryError
from mydocker.image.credentials import Credential, CredentialStore
from mydocker.image.registry import login, logout
from tests.system.image.registry_double import Double, Reply, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ME = Credential("me", "se:cret")

HELPER = """#!/usr/bin/env python3
import json, os, sys
place = os.path.join(os.path.dirname(__file__), "secrets.json")
secrets = json.load(open(place)) if os.path.exists(place) else {}
action, given = sys.argv[1], sys.stdin.read()
if action == "store":
    entry = json.loads(given)
    secrets[entry["ServerURL"]] = entry
elif given not in secrets:
    print("credentials not found in native keychain")
    sys.exit(1)
elif action == "get":
    print(json.dumps(secrets[given]))
elif action == "erase":
    del secrets[given]
json.dump(secrets, open(place, "w"))
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path / "home"), "XDG_RUNTIME_DIR": str(tmp_path / "run")}


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A credential helper called `vault` in the search path."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "docker-credential-vault").write_text(HELPER)
    (programs / "docker-credential-vault").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return programs / "secrets.json"


def settings(environ: dict[str, str], value: object) -> Path:
    file = os.path.join(environ["HOME"], ".docker", "config.json")
    os.makedirs(os.path.dirname(file), exist_ok=True)
    with open(file, "w") as target:
        target.write(json.dumps(value))
    from pathlib import Path

    return Path(file)


def auth(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_docker_s_file_is_read_and_what_else_is_in_it_stays(environ: dict[str, str]) -> None:
    file = settings(environ, {"auths": {"one.example": auth("a", "b")}, "detachKeys": "ctrl-x"})
    store = CredentialStore(environ)
    assert store.find("one.example") == Credential("a", "b")
    assert store.find("two.example") is None
    store.save("two.example:5000", ME)
    assert store.find("two.example:5000") == ME
    assert store.find("one.example") == Credential("a", "b")
    assert json.loads(file.read_text())["detachKeys"] == "ctrl-x"
    assert file.stat().st_mode & 0o777 == 0o600
    store.forget("two.example:5000")
    assert list(json.loads(file.read_text())["auths"]) == ["one.example"]


def test_hub_has_its_old_key(environ: dict[str, str]) -> None:
    file = settings(environ, {})
    CredentialStore(environ).save("docker.io", ME)
    assert list(json.loads(file.read_text())["auths"]) == ["https://index.docker.io/v1/"]
    assert CredentialStore(environ).find("docker.io", "library/debian") == ME


def test_podman_s_file_goes_down_to_one_repository(environ: dict[str, str]) -> None:
    os.makedirs(f"{environ['XDG_RUNTIME_DIR']}/containers")
    auths = {"r.example": auth("all", "x"), "r.example/team/app": auth("one", "x")}
    with open(f"{environ['XDG_RUNTIME_DIR']}/containers/auth.json", "w") as file:
        json.dump({"auths": auths}, file)
    store = CredentialStore(environ)
    found = [store.find("r.example", path) for path in ("team/app", "team/app/web", "team/other", "")]
    assert [each.user for each in found if each] == ["one", "one", "all", "all"]


def test_file_that_the_environment_names_comes_first(environ: dict[str, str], tmp_path: Path) -> None:
    settings(environ, {"auths": {"r.example": auth("docker", "x")}})
    (tmp_path / "chosen.json").write_text(json.dumps({"auths": {"r.example": auth("chosen", "x")}}))
    found = CredentialStore({**environ, "REGISTRY_AUTH_FILE": str(tmp_path / "chosen.json")}).find("r.example")
    assert found is not None
    assert found.user == "chosen"


@pytest.mark.parametrize("key", ["credsStore", "credHelpers"])
def test_helper_keeps_gives_and_forgets(environ: dict[str, str], helper: Path, key: str) -> None:
    file = settings(environ, {key: "vault" if key == "credsStore" else {"r.example": "vault"}})
    before = file.read_text()
    store = CredentialStore(environ)
    assert store.find("r.example") is None
    store.save("r.example", ME)
    assert json.loads(helper.read_text())["r.example"]["Secret"] == "se:cret"
    assert file.read_text() == before, "the password is with the helper alone"
    assert store.find("r.example") == ME
    store.forget("r.example")
    assert store.find("r.example") is None
    with pytest.raises(NotFound):
        store.forget("r.example")


def test_helper_with_an_identity_token(environ: dict[str, str], helper: Path) -> None:
    settings(environ, {"credsStore": "vault"})
    helper.write_text(json.dumps({"r.example": {"Username": "<token>", "Secret": "long"}}))
    assert CredentialStore(environ).find("r.example") == Credential("", "", "long")


@pytest.mark.parametrize("name", ["../../bin/sh", "a b", "x;y", "/bin/true", "missing"])
def test_helper_that_is_none(environ: dict[str, str], helper: Path, name: str) -> None:
    settings(environ, {"credsStore": name})
    with pytest.raises(RegistryError, match=r"helper|no such program"):
        CredentialStore(environ).find("r.example")


@pytest.mark.parametrize("text", ["{", "[]", '{"auths": []}', '{"auths": {"r.example": {"auth": "!!"}}}'])
def test_damaged_file_is_said(environ: dict[str, str], text: str) -> None:
    file = settings(environ, {})
    file.write_text(text)
    with pytest.raises(MydockerError):
        CredentialStore(environ).find("r.example")


@pytest.fixture
def registry() -> Iterator[Double]:
    """A registry that knows one user."""
    with running() as double:
        asks = Reply(401, headers=(("WWW-Authenticate", 'Basic realm="x"'),))
        good = "Basic " + base64.b64encode(b"me:se:cret").decode()
        double.replies["/v2/"] = lambda request: Reply() if request.headers.get("authorization") == good else asks
        yield double


def test_login_keeps_only_what_the_registry_accepts(environ: dict[str, str], helper: Path, registry: Double) -> None:
    settings(environ, {"credsStore": "vault"})
    with pytest.raises(RegistryError):
        login(registry.address, Credential("me", "wrong"), environ)
    assert CredentialStore(environ).find(registry.address) is None
    login(registry.address, ME, environ)
    assert CredentialStore(environ).find(registry.address) == ME
    logout(registry.address, environ)
    assert CredentialStore(environ).find(registry.address) is None
