"""Containers with a user namespace: what the child does before it enters it, and how it does (see `runtime.users`).

Each function is an operation of the plan, called with the `Setup` that it works on. They run as the host's root, in a
mount namespace that still belongs to the host, until `enter`. Imported only for such containers, before the root
changes.
"""

from __future__ import annotations

import os

from mydocker.linux import capabilities, mounts, namespaces, process
from mydocker.linux.lookup import magic_link
from mydocker.runtime import channel, mounting, program
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from mydocker.runtime.init import Setup
    from mydocker.runtime.stubs import Stub
    from mydocker.runtime.users import Mappings

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


def user_namespace(setup: Setup, uids: Mappings, gids: Mappings, path: str) -> None:
    """Make the container's user namespace, or open the one at `path`."""
    setup.users = os.open(path, os.O_RDONLY | os.O_CLOEXEC) if path else _make(uids, gids)
    setup.root_ids = (_outside(uids), _outside(gids))


def _make(uids: Mappings, gids: Mappings) -> int:
    """Return a descriptor of a new user namespace: a process makes it, holds it until it has its mappings, and ends."""
    made_read, made_write = os.pipe2(os.O_CLOEXEC)
    hold_read, hold_write = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        try:
            os.close(hold_write)
            namespaces.unshare(namespaces.CLONE_NEWUSER)
            # Its number as this procfs counts: this may be another process namespace already.
            os.write(made_write, os.readlink("/proc/self").encode())
            os.read(hold_read, 1)
        finally:
            os._exit(0)
    try:
        os.close(made_write)
        number = os.read(made_read, 32).decode()
        if not number:
            raise OSError(0, "cannot make a user namespace: see /proc/sys/user/max_user_namespaces")
        for name, entries in (("uid_map", uids), ("gid_map", gids)):
            with open(f"/proc/{number}/{name}", "w") as file:
                file.write("".join(f"{inside} {outside} {count}\n" for inside, outside, count in entries))
        return os.open(f"/proc/{number}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        for descriptor in (made_read, hold_read, hold_write):
            os.close(descriptor)
        os.waitpid(pid, 0)


def _outside(entries: Mappings) -> int:
    """Return what 0 inside is outside."""
    return next(outside - inside for inside, outside, count in entries if inside <= 0 < inside + count)


def overlay(setup: Setup, lower: tuple[str, ...], upper: str, work: str, init: str, missing: tuple[Stub, ...]) -> None:
    """Stack the layers, every one behind a mount that shows the container's ids, as the container's own root.

    Whoever mounts an overlay is who makes files in its upper directory, so it has to be somebody with an id inside.
    """
    for path in (os.path.dirname(work), *lower):
        _cover(path, setup.users)
    _act_as(*setup.root_ids)
    try:
        setup.root = mounting.overlay_root(lower, upper, work, init, missing)
    finally:
        _act_as(0, 0)


def directory(setup: Setup, path: str, missing: tuple[Stub, ...]) -> None:
    """Use a directory as root, with the container's ids."""
    _cover(path, setup.users)
    _act_as(*setup.root_ids)
    try:
        setup.root = mounting.directory_root(path, missing)
    finally:
        _act_as(0, 0)


def _cover(path: str, users: int) -> None:
    """Put an idmapped copy of a directory over itself."""
    place = os.open(path, _DIRECTORY)
    tree = mounts.clone(place, path=path)
    try:
        mounts.map_ids(tree, users, path=path)
        mounts.attach(tree, place, path)
    finally:
        os.close(tree)
        os.close(place)


def _act_as(uid: int, gid: int) -> None:
    process.set_file_ids(uid, gid)
    everything = capabilities.held()
    capabilities.set_sets(everything, everything, 0)  # the kernel drops some with the id


def copy(setup: Setup, target: str, source: str, recursive: bool) -> None:
    """Copy a mount for later, unless an earlier operation did."""
    if target not in setup.made:
        setup.made[target] = mounting.bind(source, recursive)


def bind(
    setup: Setup, target: str, source: str, recursive: bool, map_below: bool, uids: Mappings, gids: Mappings
) -> None:
    """Copy a mount for later, showing other ids: those of the mappings, or without any the container's."""
    if not uids and setup.users < 0:
        return  # a container without a user namespace sees what there is
    users = _make(uids, gids) if uids else setup.users
    tree = mounting.bind(source, recursive)
    mounts.map_ids(tree, users, recursive=map_below, path=source)
    setup.made[target] = tree
    if uids:
        os.close(users)


def device_files(
    setup: Setup,
    target: str,
    kind: str,
    attributes: int,
    options: tuple[tuple[str, str | None], ...],
    operations: tuple[tuple[Any, ...], ...],
) -> None:
    """Make the file system for /dev with everything in it: device nodes can be made by the host's root only."""
    tree = mounts.new_filesystem(kind, list(options), attributes, kind)
    uid, gid = setup.root_ids
    os.chown(magic_link(tree), uid, gid)
    for name, *arguments in operations:
        if name == "device":
            path, node, major, minor, mode, owner, group = arguments
            place = path.removeprefix(target)
            mounting.device(tree, place, node, major, minor, mode, uid + owner, gid + group)
        else:
            link_target, path = arguments
            mounting.link(tree, link_target, path.removeprefix(target))
    setup.made[target] = tree


def enter(setup: Setup, new_processes: bool) -> None:
    """Enter the user namespace as its root; with `new_processes`, go on as the first of a new process namespace.

    That has to belong to the user namespace, so it is made here, and a child goes on: the parent learns its number.
    """
    program.own_streams(setup.root_ids[0])
    namespaces.setns(setup.users, namespaces.CLONE_NEWUSER)
    become_root()
    if not new_processes:
        return
    namespaces.unshare(namespaces.CLONE_NEWPID)
    pid = os.fork()
    if pid:
        channel.send(setup.end, channel.CHILD + str(pid).encode())
        os._exit(0)
    os.setsid()
    if channel.receive(setup.end)[0] != channel.CHILD:  # the one between has been waited for: nobody else is told
        os._exit(1)


def become_root() -> None:
    """Take the ids of the user namespace's root."""
    os.setgroups(())
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def attach_root(setup: Setup) -> None:
    """Attach the root over everything: no directory of the host's is sure to be open to this root."""
    place = os.open("/", _DIRECTORY)
    mounts.attach(setup.root, place, "/")
    os.close(place)


def join(setup: Setup, descriptor: int, flags: int, root_uid: int) -> None:
    """Join all namespaces of a process (the inherited pidfd), its user namespace among them, as root in there."""
    program.own_streams(root_uid)
    namespaces.setns(descriptor, flags)
    os.close(descriptor)
    become_root()
