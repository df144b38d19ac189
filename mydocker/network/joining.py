"""Joining a network and leaving it: an endpoint exists while its container runs.

The lease is written before the link is made and given back after it is gone, so whatever is killed in between, an
address never has two owners.
"""

from __future__ import annotations

import errno
from contextlib import suppress

from mydocker.errors import NotFound
from mydocker.network import bridges, filters, messages, netlink
from mydocker.network.folder import Folder, folders
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mydocker.network.definition import Definition
    from mydocker.network.leases import Endpoint, Leases, Wish


class Joined(NamedTuple):
    """A container on a network, and all leases of that, as they were when we looked."""

    network: Definition
    endpoint: Endpoint
    leases: Leases


def join(top: str, container: str, wish: Wish, namespace: int, others: list[Joined]) -> Joined:
    """Put a container on a network: a link into its network namespace, a descriptor. `others` it is on already.

    Raise NotFound, Busy, NetworkError, UsageError; nothing is left then.
    """
    folder = Folder(top, wish.network)
    with folder.changing() as definition, netlink.Netlink() as link:
        bridge = bridges.ensure(definition, link)
        before = folder.read_leases()
        names = frozenset(each.endpoint.interface for each in others)
        leases, endpoint = before.lease(definition, container, wish, names)
        folder.write_leases(leases)
        try:
            _remove_link(endpoint, link)  # a killed keeper's, whose namespace is not gone yet
            _connect(definition, endpoint, bridge.number, namespace, link, len(others))
        except OSError as err:
            _remove_link(endpoint, link)
            filters.expel(definition, endpoint)
            folder.write_leases(before)
            raise bridges.unusable(f"cannot put the container on the network {definition.name}", err) from err
    return Joined(definition, endpoint, leases)


def _connect(
    definition: Definition, endpoint: Endpoint, bridge: int, namespace: int, link: netlink.Netlink, place: int
) -> None:
    """Make the link and set it up.

    It is switched on last, and tells the others then where the addresses are now: they may remember another container.
    """
    filters.admit(definition, endpoint)
    pair = (endpoint.device, bridge, endpoint.interface, endpoint.mac, definition.mtu, namespace)
    link.send(messages.new_pair(*pair))
    with netlink.inside(namespace):
        within = netlink.Netlink()
        bridges.configure(endpoint.interface, "ipv4", arp_notify=1)
        # A container among the others is no router (CVE-2020-13401).
        bridges.configure(endpoint.interface, "ipv6", ndisc_notify=1, accept_ra=0)
    with within:
        number = within.index(endpoint.interface)
        addresses = (endpoint.address, endpoint.address6)
        within.send(
            *(
                messages.add_address(number, address, each.subnet.length, bridges.broadcast(each.subnet))
                for address, each in zip(addresses, definition.ranges, strict=False)
            ),
            messages.switch_on(number),
        )
        _name(within, number, place)


def _name(within: netlink.Netlink, number: int, place: int) -> None:
    """Let the link answer to `eth0` as well, to eth1, ... on further networks."""
    while within.index(f"eth{place}"):
        place += 1
    within.send(messages.second_name(number, f"eth{place}"))


def route(joined: list[Joined], namespace: int) -> None:
    """Send what goes elsewhere through the first network that has a way out, in each family."""
    wanted = []
    ranges = [each for one in joined if not one.network.internal for each in one.network.ranges]
    for bits in (32, 128):
        found = next((each for each in ranges if each.bits == bits), None)
        if found is not None:
            wanted.append(messages.default_route(found.show(found.gateway)))
    if wanted:
        with netlink.inside(namespace):
            within = netlink.Netlink()
        with within:
            within.send(*wanted)


def leave(folder: Folder, container: str) -> bool:
    """Take a container off a network; tell whether it was on it. Raise NotFound when the network is gone."""
    with folder.changing() as definition, netlink.Netlink() as link:
        leases = folder.read_leases()
        endpoint = leases.of(container)
        if endpoint is None:
            return False
        _remove_link(endpoint, link)
        filters.expel(definition, endpoint)
        folder.write_leases(leases.release(container))
    return True


def _remove_link(endpoint: Endpoint, link: netlink.Netlink) -> None:
    number = link.index(endpoint.device)
    if number:
        try:
            link.send(messages.delete_link(number))
        except OSError as err:
            if err.errno != errno.ENODEV:  # its namespace ended at this very moment
                raise


def memberships(top: str, container: str) -> list[Joined]:
    """Return the networks that a container is on now, by name."""
    found = []
    for folder in folders(top):
        leases = folder.read_leases()
        endpoint = leases.of(container)
        if endpoint is not None:
            with suppress(NotFound):  # removed meanwhile
                found.append(Joined(folder.read(), endpoint, leases))
    return found
