"""Who is called what on the networks that a container is on: read from the store at each question, so always true."""

from __future__ import annotations

import os

from mydocker.network.joining import memberships
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mydocker.network.definition import Definition
    from mydocker.network.leases import Endpoint

_SHORT = 12  # digits of an id that people use


class Peer(NamedTuple):
    """A container that shares a network with the one that asks: what it is called there, in small letters."""

    network: Definition
    endpoint: Endpoint
    names: tuple[str, ...]

    @property
    def addresses(self) -> tuple[str, ...]:
        """Its addresses, of both families."""
        return tuple(text for text in (self.endpoint.address, self.endpoint.address6) if text)


class Book(NamedTuple):
    """The names that the container `container` may know: those of networks below `top` that it is on.

    `names` is the folder where each container's name is a link to its id.
    """

    top: str
    names: str
    container: str

    def peers(self) -> tuple[Peer, ...]:
        """Return the containers on the networks that this one is on, itself too."""
        called = self._called()
        found = []
        for network, _, leases in memberships(self.top, self.container):
            for endpoint in leases.endpoints:
                names = (*called.get(endpoint.container, ()), endpoint.container[:_SHORT], *endpoint.aliases)
                found.append(Peer(network, endpoint, tuple(name.lower() for name in names)))
        return tuple(found)

    def _called(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        try:
            names = os.listdir(self.names)
        except FileNotFoundError:
            return {}
        for name in names:
            try:
                owner = os.readlink(f"{self.names}/{name}")
            except FileNotFoundError:  # renamed meanwhile
                continue
            found[owner] = (*found.get(owner, ()), name)
        return found


def find(peers: tuple[Peer, ...], name: str) -> list[Peer]:
    """Return the peers called `name`, or `name.NETWORK`; letter case does not matter (RFC 4343)."""
    wanted = name.lower().rstrip(".")
    return [
        peer
        for peer in peers
        if wanted in peer.names or wanted.removesuffix(f".{peer.network.name.lower()}") in peer.names
    ]


def find_address(peers: tuple[Peer, ...], address: str) -> list[Peer]:
    """Return the peers that have an address."""
    return [peer for peer in peers if address in peer.addresses]
