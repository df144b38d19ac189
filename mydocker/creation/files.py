"""The files about names that a container has of its own: /etc/hosts, /etc/hostname, /etc/resolv.conf."""

from __future__ import annotations

import os

from mydocker.errors import UsageError
from mydocker.runtime.options import Mount
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.creation.connection import Network
    from mydocker.creation.request import RunRequest
    from mydocker.runtime.bundle import Bundle

_LARGEST = 1 << 20


def place(bundle: Bundle, request: RunRequest, hostname: str, connected: Network, taken: set[str]) -> tuple[Mount, ...]:
    """Write the files into the container's folder and return their mounts, but for targets in `taken`.

    A container that shares another's network has that one's names (docker's rule).
    """
    contents = {
        "hostname": f"{hostname}\n",
        "hosts": _hosts(request, "" if connected.files else hostname),
        "resolv.conf": _resolv(request, connected.nameserver),
    }
    mounts = []
    for name, content in contents.items():
        if f"/etc/{name}" in taken:
            continue
        path = bundle.file(name)
        if connected.files_of and name != "hostname" and os.path.exists(f"{connected.files_of}/{name}"):
            path = f"{connected.files_of}/{name}"
        else:
            write(path, content)
        mounts.append(Mount(f"/etc/{name}", path, "bind", ()))
    for name, content in connected.files:
        write(bundle.file(name), content, 0o600)
    return tuple(mounts)


def write(path: str, content: str, mode: int = 0o644) -> None:
    """Write a new file."""
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)


def read_hostname(folder: str) -> str:
    """Return the host name of the container in `folder`, "" for none."""
    try:
        with open(f"{folder}/hostname", encoding="utf-8") as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""


def _hosts(request: RunRequest, hostname: str) -> str:
    """Return /etc/hosts; `hostname` is the container's own where no network gives it an address."""
    lines = ["127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback"]
    if hostname:
        lines.append(f"127.0.1.1\t{hostname}")
    for entry in request.hosts:
        name, _, address = entry.replace("=", ":", 1).partition(":")
        if not name or not address:
            raise UsageError(f"--add-host {entry}", "not of the form NAME:ADDRESS")
        lines.append(f"{address}\t{name}")
    return "\n".join(lines) + "\n"


def _resolv(request: RunRequest, nameserver: str) -> str:
    """Return /etc/resolv.conf: the file of -resolv as it is; else --dns, or the host's, with --dns-search.

    `nameserver` takes the place of the servers, which it asks then itself.
    """
    if request.resolv:
        return _read(request.resolv)
    kept = []
    for line in _read("/etc/resolv.conf", missing="").splitlines():
        word = line.split()[:1]
        replaced = (
            (word == ["nameserver"] and (nameserver or request.dns))
            or (word in (["search"], ["domain"]) and request.dns_search)
            or (word == ["options"] and (request.dns_options or nameserver))
        )
        if not replaced:
            kept.append(line)
    servers = (nameserver,) if nameserver else request.dns
    kept += [f"nameserver {server}" for server in servers]
    if request.dns_search and request.dns_search != (".",):
        kept.append(f"search {' '.join(request.dns_search)}")
    if request.dns_options:
        kept.append(f"options {' '.join(request.dns_options)}")
    elif nameserver:  # names of containers have no dots: they are asked for as they are, before any domain is tried
        kept.append("options ndots:0")
    return "".join(f"{line}\n" for line in kept)


def _read(path: str, missing: str | None = None) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read(_LARGEST)
    except OSError as err:
        if missing is not None:
            return missing
        raise UsageError(f"-resolv {path}", err.strerror or str(err)) from err
