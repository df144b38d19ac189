"""Containers with a user namespace: what the parent decides about them. `mydocker.runtime.mapping` carries it out.

The container's ids are others outside (config-linux.md, "User namespace mappings"): its root is nobody in particular
there. Its files lie on the disk with the ids that it sees, and are shown to it by idmapped mounts (Linux 5.19 for
layers), so an image is the same whoever runs it. What only the host's root may do - making device nodes, opening a
volume that others must not reach - is done before the namespace is entered, and attached afterwards.
"""

from __future__ import annotations

import os

from mydocker.linux import namespaces
from mydocker.runtime.rootfs import Overlay, RootFs
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any

    from mydocker.runtime.mounting import Request

    Mappings = tuple[tuple[int, int, int], ...]  # first id inside, first id outside, how many
    Operation = tuple[Any, ...]

# Kernel file systems that can only be mounted by who owns the namespace that they show: else the host's is bound.
_SHOWN = {"sysfs": namespaces.CLONE_NEWNET, "mqueue": namespaces.CLONE_NEWIPC}
_PLACES = {"sysfs": "/sys", "mqueue": "/dev/mqueue", "proc": "/proc"}


class Users(NamedTuple):
    """A user namespace: its mappings, and its path where it exists already ("": it is made)."""

    uids: Mappings
    gids: Mappings
    path: str


def mappings(entries: list[dict[str, int]] | None) -> Mappings:
    """Return the document's mappings as plain numbers."""
    return tuple((entry["containerID"], entry["hostID"], entry["size"]) for entry in entries or ())


def of(document: dict[str, Any]) -> Users | None:
    """Return the user namespace that a document asks for, None for the caller's own."""
    linux = document["linux"]
    for entry in linux.get("namespaces", ()):
        if entry["type"] == "user":
            uids, gids = mappings(linux.get("uidMappings")), mappings(linux.get("gidMappings"))
            return Users(uids, gids, entry.get("path", ""))
    return None


def root_outside(users: Users) -> int:
    """Return the user outside that root inside is."""
    return next(outside - inside for inside, outside, count in users.uids if inside <= 0 < inside + count)


def idmapped(document: dict[str, Any]) -> list[Operation]:
    """Return the copies of those binds that show other ids than the disk holds (config.md, Mounts, `idmap`).

    Without mappings of its own a bind takes the container's.
    """
    found: list[Operation] = []
    for entry in document.get("mounts", ()):
        words = {*(entry.get("options") or ())}
        own = (mappings(entry.get("uidMappings")), mappings(entry.get("gidMappings")))
        if entry.get("type") == "bind" and (own[0] or words & {"idmap", "ridmap"}):
            target = "/" + entry["destination"].strip("/")
            found.append(("mapped", "bind", target, entry["source"], "bind" not in words, "ridmap" in words, *own))
    return found


def substituted(requests: list[Request], flags: int, own_processes: bool) -> list[Request]:
    """Return the requests with the host's file systems, if it has them, in place of what cannot be mounted here."""
    found = []
    for request in requests:
        target, kind, _, attributes, propagation, _, _, is_directory = request
        foreign = not flags & _SHOWN[kind] if kind in _SHOWN else kind == "proc" and not own_processes
        if not foreign:
            found.append(request)
        elif os.path.isdir(_PLACES[kind]):
            found.append((target, "bind", _PLACES[kind], attributes, propagation, (), False, is_directory))
    return found


def preparation(
    users: Users, rootfs: RootFs, stubs: tuple[tuple[str, bool], ...], requests: list[Request], nodes: list[Operation]
) -> list[Operation]:
    """Return what is done before the user namespace is entered, entering it not included.

    `nodes` are the operations that fill /dev.
    """
    plan: list[Operation] = []
    if isinstance(rootfs, Overlay):
        plan.append(("mapped", "overlay", rootfs.lower, rootfs.upper, rootfs.work, rootfs.init, stubs))
    else:
        plan.append(("mapped", "directory", rootfs.path, stubs))
    for target, kind, source, attributes, _, options, recursive, _ in requests:
        if kind == "bind":
            plan.append(("mapped", "copy", target, source, recursive))
        elif target == "/dev":
            plan.append(("mapped", "device_files", target, kind, attributes, options, tuple(nodes)))
    return plan
