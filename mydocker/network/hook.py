"""What the keeper of a container calls around each run (see `mydocker.runtime.record.Container`).

`attach` comes between the making of the namespaces and the start of the program, `detach` after the end; after a
kill -9 of the keeper, the next command calls `detach`. `bundle` is the container's folder, named by its id; `top` is
that of all networks, `names` the one where each container's name is a link to its id.
"""

from __future__ import annotations

import os
from contextlib import suppress

from mydocker.errors import NotFound
from mydocker.network import host, hosts, resolver
from mydocker.network.folder import Folder, folders
from mydocker.network.joining import Joined, join, leave, memberships, route
from mydocker.network.membership import Membership
from mydocker.network.names import Book
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.network.leases import Wish
    from mydocker.network.resolver import Resolver


def attach(pid: int, bundle: str, top: str, names: str) -> Resolver | None:
    """Put the container whose first process is `pid` on its networks; return its resolver, if it has one.

    Raise NotFound, NetworkError, UsageError.
    """
    membership = Membership.read(bundle)
    container = os.path.basename(bundle)
    detach(bundle, top, names)  # a `connect` may have come too late for the run before this one
    namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        joined: list[Joined] = []
        for wish in membership.wishes:
            joined.append(_join(namespace, bundle, top, wish, joined))
        _arrange(namespace, bundle, joined)
        if not membership.resolves:
            return None
        return resolver.Resolver(resolver.listen(namespace), bundle, Book(top, names, container))
    finally:
        os.close(namespace)


def detach(bundle: str, top: str, names: str) -> None:
    """Take the container off all networks: also off those that it was put on while it ran."""
    container = os.path.basename(bundle)
    for folder in folders(top):
        if folder.read_leases().of(container) is not None:
            with suppress(NotFound):
                leave(folder, container)


def enter(namespace: int, bundle: str, top: str, wish: Wish) -> None:
    """Put a running container on one more network. Raise NotFound, NetworkError, UsageError."""
    joined = memberships(top, os.path.basename(bundle))
    joined.append(_join(namespace, bundle, top, wish, joined))
    _arrange(namespace, bundle, _in_order(joined, bundle))


def exit_from(namespace: int, bundle: str, top: str, network: str) -> None:
    """Take a running container off a network."""
    container = os.path.basename(bundle)
    with suppress(NotFound):
        leave(Folder(top, network), container)
    _arrange(namespace, bundle, _in_order(memberships(top, container), bundle))


def _join(namespace: int, bundle: str, top: str, wish: Wish, joined: list[Joined]) -> Joined:
    made = join(top, os.path.basename(bundle), wish, namespace, joined)
    if not made.network.internal:  # after a reboot, the host has forgotten it
        host.let_through(top, tuple(each.bits for each in made.network.ranges))
    return made


def _in_order(joined: list[Joined], bundle: str) -> list[Joined]:
    order = [wish.network for wish in Membership.read(bundle).wishes]
    return sorted(joined, key=lambda each: order.index(each.network.name) if each.network.name in order else len(order))


def _arrange(namespace: int, bundle: str, joined: list[Joined]) -> None:
    route(joined, namespace)
    gateways = [each.network.ranges[0] for each in joined]
    gateway = gateways[0].show(gateways[0].gateway) if gateways else ""
    hosts.write(bundle, [each.endpoint for each in joined], gateway)
