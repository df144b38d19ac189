"""Credentials: who one is at which registry, kept where docker and podman keep it.

Read are, in this order: $REGISTRY_AUTH_FILE, docker's config.json ($DOCKER_CONFIG, else ~/.docker), podman's auth.json
($XDG_RUNTIME_DIR/containers). Programs named in `credHelpers` and `credsStore` are asked by docker's protocol of
credential helpers. `login` writes to docker's file, or to its helper.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from mydocker.errors import NotFound, RegistryError
from mydocker.image import documents

if TYPE_CHECKING:
    from collections.abc import Mapping

_HUB = "docker.io"
_HUB_KEY = "https://index.docker.io/v1/"
_HELPER_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_HELPER_SECONDS = 60
# What a helper answers as user name when the secret is an OAuth refresh token.
_TOKEN_USER = "<token>"


class Credential(NamedTuple):
    """A user name and a password, or an identity token to be exchanged for others."""

    user: str
    password: str
    identity_token: str = ""


class CredentialStore:
    """The credentials of one user, as the environment says where they are."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        home = environ.get("HOME", "/root")
        self._docker = os.path.join(environ.get("DOCKER_CONFIG") or os.path.join(home, ".docker"), "config.json")
        self._files = [self._docker]
        if chosen := environ.get("REGISTRY_AUTH_FILE"):
            self._files.insert(0, chosen)
        if runtime := environ.get("XDG_RUNTIME_DIR"):
            self._files.append(os.path.join(runtime, "containers/auth.json"))

    def find(self, domain: str, path: str = "") -> Credential | None:
        """Return the credential for a registry, or for the part of it that `path` is in, if there is one."""
        for file in self._files:
            settings = _read(file)
            if helper := _helper_for(settings, domain):
                if found := _ask(helper, "get", _key(domain)):
                    return _from_helper(found)
                continue
            auths = documents.child(settings, "auths")
            for key in _keys(domain, path):
                if key in auths and (credential := _from_entry(documents.child(auths, key))):
                    return credential
        return None

    def save(self, domain: str, credential: Credential) -> None:
        """Keep a credential, in the helper that docker's config names, else in that file (0600)."""
        settings = _read(self._docker)
        if helper := _helper_for(settings, domain):
            entry = {"ServerURL": _key(domain), "Username": credential.user, "Secret": credential.password}
            _ask(helper, "store", json.dumps(entry))
            return
        auths = documents.child(settings, "auths")
        pair = f"{credential.user}:{credential.password}".encode()
        auths[_key(domain)] = {"auth": base64.b64encode(pair).decode()}
        _write(self._docker, settings | {"auths": auths})

    def forget(self, domain: str) -> None:
        """Remove a credential from every file and helper that has it; raise `NotFound` where none has."""
        gone = False
        for file in self._files:
            settings = _read(file)
            if helper := _helper_for(settings, domain):
                gone = _ask(helper, "erase", _key(domain)) is not None or gone
                continue
            auths = documents.child(settings, "auths")
            kept = {key: value for key, value in auths.items() if key not in _keys(domain, "")}
            if kept != auths:
                gone = True
                _write(file, settings | {"auths": kept})
        if not gone:
            raise NotFound(f"not logged in to {domain}")


def _key(domain: str) -> str:
    return _HUB_KEY if domain == _HUB else domain


def _keys(domain: str, path: str) -> list[str]:
    """Return the keys under which files have a registry, most particular first; podman's may go down to one path."""
    parts = path.split("/") if path else []
    keys = [f"{domain}/" + "/".join(parts[:length]) for length in range(len(parts), 0, -1)]
    keys += [domain, f"https://{domain}", f"http://{domain}", f"https://{domain}/", f"https://{domain}/v1/"]
    return [_HUB_KEY, "index.docker.io", *keys] if domain == _HUB else keys


def _read(file: str) -> documents.Object:
    try:
        with open(file, "rb") as source:
            return documents.parse_object(source.read(documents.LARGEST + 1), file)
    except (FileNotFoundError, NotADirectoryError):
        return {}


def _write(file: str, settings: documents.Object) -> None:
    os.makedirs(os.path.dirname(file), 0o700, exist_ok=True)
    unfinished = f"{file}.{os.urandom(6).hex()}"
    fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(fd, "w", encoding="utf-8") as target:
            json.dump(settings, target, indent="\t")
            target.flush()
            os.fsync(target.fileno())
        os.rename(unfinished, os.path.realpath(file))
    except BaseException:
        os.unlink(unfinished)
        raise


def _from_entry(entry: documents.Object) -> Credential | None:
    token = documents.text(entry, "identitytoken")
    packed = documents.text(entry, "auth")
    try:
        user, _, password = base64.b64decode(packed, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as failed:
        raise RegistryError("read stored credentials", "an 'auth' entry is damaged", "log in again") from failed
    return Credential(user, password, token) if user or token else None


def _helper_for(settings: documents.Object, domain: str) -> str:
    helpers = documents.text_map(settings, "credHelpers")
    return helpers.get(_key(domain)) or helpers.get(domain) or documents.text(settings, "credsStore")


def _ask(helper: str, action: str, text: str) -> documents.Object | None:
    """Run a credential helper (docker-credential-helpers, "Development"); None where it has no such credential."""
    if not _HELPER_NAME.fullmatch(helper):
        raise RegistryError("read stored credentials", f"{helper!r} is no name of a credential helper")
    program = f"docker-credential-{helper}"
    try:
        done = subprocess.run(
            [program, action], input=text.encode(), capture_output=True, timeout=_HELPER_SECONDS, check=False
        )
    except FileNotFoundError as failed:
        raise RegistryError(f"run {program}", "there is no such program", "install it, or log in again") from failed
    except subprocess.TimeoutExpired as failed:
        raise RegistryError(f"run {program}", f"it took more than {_HELPER_SECONDS} seconds") from failed
    if done.returncode:
        why = (done.stdout or done.stderr).decode(errors="replace").strip()
        if action != "store" and "not found" in why:
            return None
        raise RegistryError(f"run {program} {action}", why[:200])
    return documents.parse_object(done.stdout, program) if action == "get" else {}


def _from_helper(found: documents.Object) -> Credential:
    user, secret = documents.text(found, "Username"), documents.text(found, "Secret")
    return Credential("", "", secret) if user == _TOKEN_USER else Credential(user, secret)
