"""Who has which address on a network. Values only; `mydocker.network.networks` keeps them in a file, under a lock."""

from __future__ import annotations

import zlib

from mydocker.errors import Busy, NetworkError, UsageError
from mydocker.network import addresses
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any

    from mydocker.network.definition import Definition, Range


class Wish(NamedTuple):
    """How a container wants to be on the network called `network`; what is empty is chosen.

    `address` and `address6` are texts, `aliases` further names. Kept in the container's folder, so it lasts as long as
    the container.
    """

    network: str
    address: str = ""
    address6: str = ""
    mac: str = ""
    aliases: tuple[str, ...] = ()


class Endpoint(NamedTuple):
    """A container on a network: its addresses (text; `address6` may be empty), and its link.

    `interface` is the link's name inside, `device` that of the end on the bridge.
    """

    container: str
    address: str
    address6: str
    mac: str
    interface: str
    device: str
    aliases: tuple[str, ...] = ()


class Leases(NamedTuple):
    """All endpoints of a network, and the last addresses that were given (IPv4, IPv6) where nobody asked for one."""

    endpoints: tuple[Endpoint, ...] = ()
    last: int = 0
    last6: int = 0

    def of(self, container: str) -> Endpoint | None:
        """Return a container's endpoint."""
        return next((each for each in self.endpoints if each.container == container), None)

    def lease(
        self, definition: Definition, container: str, wish: Wish, names: frozenset[str] = frozenset()
    ) -> tuple[Leases, Endpoint]:
        """Return the leases with one more endpoint, and that; `names` are of the links that the container has.

        Raise Busy, NetworkError or UsageError.
        """
        if self.of(container) is not None:
            raise Busy(f"container {container[:12]} is on the network {definition.name} already")
        device = definition.device(container)
        if any(each.device == device for each in self.endpoints):
            raise NetworkError(
                f"container {container[:12]} cannot join {definition.name}", f"the link {device} is taken"
            )
        first, *more = definition.ranges
        address, last = self._address(first, wish.address)
        address6, last6 = self._address(more[0], wish.address6) if more else ("", self.last6)
        if wish.address6 and not more:
            raise UsageError(f"--ip6 {wish.address6}", f"the network {definition.name} has no IPv6")
        mac = wish.mac or _mac(address)
        if any(each.mac == mac for each in self.endpoints):
            raise NetworkError(f"the hardware address {mac} is taken", f"on the network {definition.name}")
        interface = _interface(definition.id + container, names)
        made = Endpoint(container, address, address6, mac, interface, device, wish.aliases)
        return Leases((*self.endpoints, made), last or self.last, last6 or self.last6), made

    def _address(self, family: Range, wanted: str) -> tuple[str, int]:
        """Return an address and, where it was chosen here, its number."""
        taken = {family.gateway}
        for each in self.endpoints:
            text = each.address if family.bits == 32 else each.address6
            if text:
                taken.add(addresses.parse(text)[0])
        if not wanted:
            last = self.last if family.bits == 32 else self.last6
            number = addresses.next_free(family.pool, family.subnet, taken, last)
            return family.show(number), number
        number, bits = addresses.parse(wanted)
        if bits != family.bits or not family.subnet.hosts[0] <= number <= family.subnet.hosts[1]:
            raise UsageError(f"cannot have the address {wanted}", f"it is not in the subnet {family.subnet}")
        if number in taken:
            shown = family.show(number)
            owners = [each.container[:12] for each in self.endpoints if shown in (each.address, each.address6)]
            whose = f"container {owners[0]} has it" if owners else "it is the gateway's"
            raise NetworkError(f"cannot have the address {wanted}", whose, "leave --ip out, and one is chosen")
        return family.show(number), 0

    def release(self, container: str) -> Leases:
        """Return the leases without a container's endpoint."""
        return self._replace(endpoints=tuple(each for each in self.endpoints if each.container != container))

    def encode(self) -> dict[str, Any]:
        """Return them as JSON values."""
        return {"last": self.last, "last6": self.last6, "endpoints": [each._asdict() for each in self.endpoints]}

    @classmethod
    def decode(cls, facts: dict[str, Any]) -> Leases:
        """Return the leases that `encode` described; fields of newer versions are left out."""
        endpoints = []
        for each in facts["endpoints"]:
            known = {key: value for key, value in each.items() if key in Endpoint._fields}
            endpoints.append(Endpoint(**{**known, "aliases": tuple(each["aliases"])}))
        return cls(tuple(endpoints), facts["last"], facts["last6"])


def _mac(address: str) -> str:
    """Return a locally administered hardware address made of an IPv4 address (docker's way).

    Whoever gets the address next has the same one, so nobody's neighbour table is wrong.
    """
    return "02:42:" + ":".join(f"{int(part):02x}" for part in address.split("."))


def _interface(seed: str, taken: frozenset[str]) -> str:
    """Return a link's name inside a container, in the seed's form: `cif-64229`."""
    number = zlib.crc32(seed.encode())
    while (name := f"cif-{10000 + number % 90000}") in taken:
        number += 1
    return name


def check_mac(text: str) -> str:
    """Return a hardware address in lower case. Raise UsageError for none, or one of a group (IEEE 802, I/G bit)."""
    parts = text.lower().replace("-", ":").split(":")
    try:
        octets = [int(part, 16) for part in parts if len(part) == 2]
    except ValueError:
        octets = []
    if len(octets) != 6 or len(parts) != 6 or octets[0] & 1 or not any(octets):
        raise UsageError(f"--mac-address {text}", "not the address of one link", "as in 02:42:0a:48:00:02")
    return ":".join(parts)
