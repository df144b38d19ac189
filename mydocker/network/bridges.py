"""Bridges: made when a network is first used, again after a reboot, gone with the network.

The order makes a kill -9 harmless: the bridge is switched on last, so one that is down was left unfinished and is made
anew. Callers hold the network's lock.
"""

from __future__ import annotations

import errno
import os

from mydocker.errors import NetworkError
from mydocker.network import addresses, filters, messages, netlink
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mydocker.network.definition import Definition

_LONGEST_NAME = 15


class Bridge(NamedTuple):
    """A bridge: its number, and why it has been made without filters just now ("": it has them)."""

    number: int
    unfiltered: str = ""


def ensure(definition: Definition, link: netlink.Netlink) -> Bridge:
    """Return a network's bridge; make it, its filters and its settings where they are missing.

    Without nf_tables in the kernel, a network has no way out, and an internal one cannot be. Raise NetworkError, also
    when the host uses the subnet otherwise by now, or the kernel has no bridges.
    """
    name = definition.bridge
    if link.is_up(name):
        return Bridge(link.index(name))
    remove(definition, link)
    for each in definition.ranges:
        if found := addresses.clash(each.subnet, host_subnets(link)):
            raise NetworkError(f"cannot make the bridge of {definition.name}", f"{each.subnet} overlaps {found}",
                               "remove one of the two")  # fmt: skip
    try:
        link.send(netlink.new_bridge(name, _mac(definition.id), definition.mtu))
        number = link.index(name)
        _settings(definition)
        link.send(*_addresses(definition, number, link))
        unfiltered = _filter(definition)
        link.send(messages.switch_on(number))
    except BaseException as err:
        remove(definition, link)
        if isinstance(err, OSError):
            raise unusable(f"cannot make the bridge of {definition.name}", err) from err
        raise
    _also_by_name(definition, link, number)
    return Bridge(number, unfiltered)


def _addresses(definition: Definition, number: int, link: netlink.Netlink) -> list[messages.Message]:
    """Return the messages that give the bridge its addresses; ifconfig(8) shows IPv4's under the network's name."""
    label = definition.name if _may_be_name(definition.name, link) else ""
    return [
        messages.add_address(number, each.show(each.gateway), each.subnet.length, broadcast(each.subnet),
                            label if each.bits == 32 else "")
        for each in definition.ranges
    ]  # fmt: skip


def _may_be_name(name: str, link: netlink.Netlink) -> bool:
    """Tell whether a link may be called so: short enough, and not the name of one that is there."""
    return len(name) <= _LONGEST_NAME and not link.index(name)


def _filter(definition: Definition) -> str:
    """Install the filters; return why that cannot be, which only an ordinary network can live with."""
    try:
        filters.install(definition)
    except OSError as err:
        why = f"nf_tables in the kernel says: {(err.strerror or str(err)).lower()}"
        if definition.internal:
            raise NetworkError(f"cannot keep the network {definition.name} internal", why) from err
        return why
    return ""


def remove(definition: Definition, link: netlink.Netlink) -> None:
    """Remove a network's bridge and filters, as far as they are there."""
    filters.remove(definition)
    number = link.index(definition.bridge)
    if number:
        link.send(messages.delete_link(number))


def host_subnets(link: netlink.Netlink) -> list[tuple[addresses.Subnet, str]]:
    """Return what the host's routes use, each with a description."""
    found = []
    for route in netlink.routes(link):
        number, bits = addresses.parse(route.destination)
        subnet = addresses.Subnet(number, route.length, bits)
        found.append((subnet, f"a route of the host through {_name(route.link)}"))
    return found


def _name(number: int) -> str:
    import _socket

    try:
        return _socket.if_indextoname(number)
    except OSError:
        return "no device"


def broadcast(subnet: addresses.Subnet) -> str:
    """Return a subnet's broadcast address; IPv6 and subnets of two have none."""
    return addresses.show(subnet.last, 32) if subnet.bits == 32 and subnet.length < 31 else ""


def unusable(what: str, err: OSError) -> NetworkError:
    """Say why the kernel refused."""
    hints = {
        errno.EPERM: "networks need root",
        errno.EOPNOTSUPP: "the kernel has no bridges or veth pairs: modprobe bridge veth",
    }
    return NetworkError(what, (err.strerror or str(err)).lower(), hints.get(err.errno or 0, ""))


def _mac(identifier: str) -> str:
    """Return a hardware address of the bridge's own; else it would change with each container that comes or goes."""
    return "02:" + ":".join(identifier[i : i + 2] for i in range(0, 10, 2))


def _settings(definition: Definition) -> None:
    """Set what concerns the new bridge alone: nobody's announcements are believed; an internal one forwards nothing."""
    configure(definition.bridge, "ipv6", accept_ra=0)
    if definition.internal:
        configure(definition.bridge, "ipv4", forwarding=0)


def configure(link: str, family: str, **settings: int) -> None:
    """Set parameters of a link of ours (kernel: ip-sysctl.rst, conf/interface/*), where the kernel has the family."""
    for key, value in settings.items():
        path = f"/proc/sys/net/{family}/conf/{link}/{key}"
        if os.path.exists(path):
            with open(path, "w") as file:
                file.write(str(value))


def _also_by_name(definition: Definition, link: netlink.Netlink, number: int) -> None:
    """Let the bridge answer to the network's name as well, where nothing else on the host does (`ifconfig NAME`)."""
    if _may_be_name(definition.name, link):
        try:
            link.send(messages.second_name(number, definition.name))
        except OSError as err:
            if err.errno != errno.EEXIST:  # taken meanwhile
                raise
