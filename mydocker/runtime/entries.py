"""The entries of a document's `mounts` become requests: plain values that `mydocker.runtime.mounting` carries out.

Options are mount(8)'s words (runtime-spec, config.md, Mounts): flags, propagation, and the file system's own.
"""

from __future__ import annotations

import os
import stat

from mydocker.errors import RuntimeFailure, UsageError
from mydocker.linux import mounts
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from mydocker.runtime.mounting import Request as Request
    from mydocker.runtime.stubs import Stub

_ATTRIBUTES = {
    "ro": mounts.ATTR_RDONLY,
    "nosuid": mounts.ATTR_NOSUID,
    "nodev": mounts.ATTR_NODEV,
    "noexec": mounts.ATTR_NOEXEC,
    "noatime": mounts.ATTR_NOATIME,
    "strictatime": mounts.ATTR_STRICTATIME,
    "nodiratime": mounts.ATTR_NODIRATIME,
}
_DEFAULTS = frozenset(
    [
        "rw",
        "suid",
        "dev",
        "exec",
        "relatime",
        "defaults",
        "diratime",
        "async",
        "atime",
        "bind",
        "rbind",
        "idmap",
        "ridmap",
    ]
)
PROPAGATION = {
    "private": mounts.MS_PRIVATE,
    "rprivate": mounts.MS_PRIVATE | mounts.MS_REC,
    "slave": mounts.MS_SLAVE,
    "rslave": mounts.MS_SLAVE | mounts.MS_REC,
    "shared": mounts.MS_SHARED,
    "rshared": mounts.MS_SHARED | mounts.MS_REC,
    "unbindable": mounts.MS_UNBINDABLE,
    "runbindable": mounts.MS_UNBINDABLE | mounts.MS_REC,
}


def binds(document: dict[str, Any]) -> tuple[list[Request], tuple[Stub, ...]]:
    """Return what of the host is bound into a container, and the mount points that it needs for that."""
    wanted = [entry for entry in document.get("mounts", ()) if entry.get("type") == "bind"]
    # Below /dev lies what is gone with the container: devices, another's /dev/shm.
    requests = [request(entry) for entry in wanted if not entry["destination"].startswith("/dev/")]
    return requests, stubs(requests)


def request(entry: dict[str, Any]) -> Request:
    """Return a mount's fields: target, kind, source, attributes, propagation, options, recursive, is a directory."""
    words = entry.get("options") or ()
    bind = entry.get("type") == "bind" or "bind" in words or "rbind" in words
    source = entry.get("source") or ""
    attributes, propagation, data = 0, 0, []
    for word in words:
        if word in _ATTRIBUTES:
            attributes |= _ATTRIBUTES[word]
        elif word in PROPAGATION:
            propagation = PROPAGATION[word]
        elif word not in _DEFAULTS:
            key, equals, value = word.partition("=")
            data.append((key, value if equals else None))
    if bind and data:
        raise UsageError(f"cannot mount {source} on {entry['destination']}", f"a bind mount has no option {data[0][0]}")
    target = "/" + os.path.normpath(entry["destination"]).strip("/")
    if target == "/":
        raise UsageError(f"cannot mount {source} on /", "the root directory is the image's")
    kind = "bind" if bind else entry["type"]
    return (
        target,
        kind,
        source,
        attributes,
        propagation,
        tuple(data),
        "bind" not in words,
        _is_directory(kind, source),
    )


def shared_with_host(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Return target and source of those binds whose mounts shall appear on the host as well."""
    found = []
    for entry in document.get("mounts", ()):
        if entry.get("type") == "bind" and {"shared", "rshared"} & {*(entry.get("options") or ())}:
            found.append(("/" + entry["destination"].strip("/"), entry["source"]))
    return found


def _is_directory(kind: str, source: str) -> bool:
    if kind != "bind":
        return True
    try:
        return stat.S_ISDIR(os.stat(source).st_mode)
    except OSError as err:
        raise RuntimeFailure(f"cannot mount {source}", err.strerror or str(err), "the source has to exist") from err


def cgroup_requests(entry: dict[str, Any], cgroup_mounts: tuple[tuple[str, str], ...]) -> list[Request]:
    """Show the control groups inside: version 2 as it is, version 1 as a directory with one mount per hierarchy."""
    target, attributes = entry["destination"], request({**entry, "type": "tmpfs"})[3]
    if not cgroup_mounts:
        return []
    if cgroup_mounts[0][0] == "":
        return [(target, "cgroup2", "cgroup", attributes, 0, (), False, True)]
    base = (target, "tmpfs", "tmpfs", attributes & ~mounts.ATTR_RDONLY, 0, (("mode", "755"),), False, True)
    found: list[Request] = [base]
    for controllers, name in cgroup_mounts:
        options = tuple(_option(word) for word in controllers.split(","))
        found.append((f"{target}/{name}", "cgroup", "cgroup", attributes, 0, options, False, True))
    return found


def is_readonly_tree(requests: list[Request]) -> bool:
    """Tell whether version 1 hierarchies are shown read-only: then the directory that holds them becomes so, too."""
    return any(request[1] == "cgroup" and request[3] & mounts.ATTR_RDONLY for request in requests)


def _option(word: str) -> tuple[str, str | None]:
    key, equals, value = word.partition("=")
    return key, value if equals else None


def stubs(requests: list[Request]) -> tuple[tuple[str, bool], ...]:
    """Return the mount points that lie in the root file system itself, not in something mounted before them."""
    found: list[tuple[str, bool]] = []
    covered: list[str] = []
    for request in requests:
        target = request[0]
        if not any(target.startswith(above + "/") for above in covered):
            found.append((target, request[-1]))
        covered.append(target)
    return tuple(found)
