"""Which networks a container is to be on: kept in its folder for as long as there is the container."""

from __future__ import annotations

import json
from contextlib import suppress

from mydocker.errors import NotFound
from mydocker.network.folder import folders, read_json, write_json
from mydocker.network.leases import Wish
from mydocker.values import NamedTuple

FILE = "network.json"


class Membership(NamedTuple):
    """The networks that a container is to be on, in order.

    `servers` are the name servers that its resolver asks for all other names (none: the host's); `resolves` is False
    for a container that has no resolver.
    """

    wishes: tuple[Wish, ...]
    servers: tuple[str, ...] = ()
    resolves: bool = True

    @property
    def names(self) -> str:
        """The networks' names with commas between them, "none" for no network."""
        return ",".join(wish.network for wish in self.wishes) or "none"

    def with_wish(self, wish: Wish) -> Membership:
        """Return the membership with one more network."""
        return self._replace(wishes=(*self.wishes, wish))

    def without(self, network: str) -> Membership:
        """Return the membership without a network."""
        return self._replace(wishes=tuple(wish for wish in self.wishes if wish.network != network))

    def _facts(self) -> dict[str, object]:
        return {"wishes": [each._asdict() for each in self.wishes], "servers": self.servers, "resolves": self.resolves}

    def text(self) -> str:
        """Return the file's content."""
        return json.dumps(self._facts())

    @classmethod
    def read(cls, bundle: str) -> Membership:
        """Return what is kept in a container's folder. Raise FileNotFoundError."""
        facts = read_json(f"{bundle}/{FILE}")
        wishes = tuple(Wish(**{**each, "aliases": tuple(each["aliases"])}) for each in facts["wishes"])
        return cls(wishes, tuple(facts["servers"]), facts["resolves"])

    def write(self, bundle: str) -> None:
        """Keep it in a container's folder."""
        write_json(f"{bundle}/{FILE}", self._facts(), durable=True)


class Attached(NamedTuple):
    """A running container on a network, for people: addresses as text, `gateway` the bridge's IPv4 address."""

    network: str
    address: str
    address6: str
    gateway: str
    mac: str
    interface: str
    aliases: tuple[str, ...]


def attached(top: str) -> dict[str, tuple[Attached, ...]]:
    """Return all endpoints on the networks below `top`, by the id of the container."""
    found: dict[str, tuple[Attached, ...]] = {}
    for folder in folders(top):
        with suppress(NotFound):  # removed meanwhile
            first = folder.read().ranges[0]
            for each in folder.read_leases().endpoints:
                gateway = first.show(first.gateway)
                shown = (each.address, each.address6, gateway, each.mac, each.interface, each.aliases)
                found[each.container] = (*found.get(each.container, ()), Attached(folder.name, *shown))
    return found
