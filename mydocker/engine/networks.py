"""Networks as the doors see them: those of the store, and the containers on them."""

from __future__ import annotations

import os
from contextlib import suppress

from mydocker.creation.connection import Network as Connection
from mydocker.engine.publishing import refresh
from mydocker.errors import Busy, NotFound, UsageError
from mydocker.events import Notice
from mydocker.network import addresses
from mydocker.network.definition import Definition
from mydocker.network.definition import Request as NetworkRequest
from mydocker.network.folder import Folder, folders
from mydocker.network.leases import Wish, check_mac
from mydocker.network.membership import FILE, Membership
from mydocker.runtime.bundle import Bundle
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mydocker.creation.request import RunRequest
    from mydocker.events import Reporter
    from mydocker.network.joining import Joined
    from mydocker.network.networks import Network
    from mydocker.runtime.containers import Containers
    from mydocker.runtime.record import Container

__all__ = ["NetworkRequest", "StoreNetworks", "connection"]

HOOK = "mydocker.network.hook"
RESOLVER = "127.0.0.11"  # where the container's resolver listens; see `mydocker.network.resolver`


def connection(directory: str, names: str, request: RunRequest) -> Connection:
    """Return how a container is connected that is to be on networks. Raise NotFound, UsageError.

    `names` is the folder of the containers' names. Nothing of the kernel's is touched, nor loaded what talks to it:
    that is the keeper's part.
    """
    references = tuple(text for text in request.networks if text)
    wishes: list[Wish] = []
    for name in references:
        if name in ("none", "host") or name.startswith(("container:", "/")):
            raise UsageError(f"--network {name}", "cannot be combined with a network")
        found = _find(directory, name)
        if any(wish.network == found.name for wish in wishes):
            raise UsageError(f"--network {name}", "given twice")
        first = not wishes
        wishes.append(
            _wish(found, request.address, request.address6, request.mac, request.aliases) if first else Wish(found.name)
        )
    for server in request.dns:
        addresses.parse(server, f"--dns {server}")
    membership = Membership(tuple(wishes), request.dns, resolves=not request.resolv)
    return Connection(
        mode="none",
        name=",".join(wish.network for wish in wishes),
        attachments=((HOOK, directory, names),),
        files=((FILE, membership.text()),),
        nameserver=RESOLVER,
    )


def _find(directory: str, reference: str) -> Definition:
    """Return the network of that name, or whose id begins so."""
    try:
        return Folder(directory, reference).read()
    except NotFound:
        found = [each for each in (folder.read() for folder in folders(directory)) if each.id.startswith(reference)]
        if len(found) != 1:
            raise
        return found[0]


def _wish(network: Definition, address: str, address6: str, mac: str, aliases: tuple[str, ...]) -> Wish:
    """Return the wish to be on a network, checked as far as it can be before the container runs."""
    for text, bits, flag in ((address, 32, "--ip"), (address6, 128, "--ip6")):
        if text:
            number, found = addresses.parse(text, f"{flag} {text}")
            family = network.range(bits)
            if found != bits or family is None or not family.subnet.hosts[0] <= number <= family.subnet.hosts[1]:
                subnets = ", ".join(str(each.subnet) for each in network.ranges)
                raise UsageError(f"{flag} {text}", f"not an address of the network {network.name}, {subnets}")
    return Wish(network.name, address, address6, check_mac(mac) if mac else "", aliases)


class StoreNetworks(NamedTuple):
    """The networks below `directory` and the containers of the same store."""

    directory: str
    containers: Containers
    reporter: Reporter

    def create(self, request: NetworkRequest) -> Definition:
        """Make a network with its bridge. Raise UsageError, NameTaken, or NetworkError for a subnet in use."""
        from mydocker.network.networks import Networks

        created = Networks(self.directory).create(request)
        for text in created.notices:
            self.reporter(Notice(text, "warning"))
        return created.definition

    def find(self, reference: str) -> Network:
        """Return the network that `reference` names: a name, an id, or the unique beginning of one. Raise NotFound."""
        from mydocker.network.networks import Networks

        return Networks(self.directory).find(reference)

    def remove(self, reference: str) -> None:
        """Remove a network with everything that was made for it. Raise Busy when containers are on it."""
        from mydocker.network.networks import Networks

        Networks(self.directory).remove(reference)

    def prune(self) -> tuple[str, ...]:
        """Remove the networks that no container is on, running or not; return their names."""
        from mydocker.network.networks import Networks

        wanted = {name for each in self.containers.list() for name in each.network.split(",")}
        return Networks(self.directory).prune(frozenset(wanted))

    def of(self, container: str) -> list[Joined]:
        """Return the networks that a container (its whole id) is on now, with its endpoints."""
        from mydocker.network.joining import memberships

        return memberships(self.directory, container)

    def connect(
        self, network: str, reference: str, *, address: str = "", address6: str = "", mac: str = "",
        aliases: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        """Put a container on one more network, at once when it runs, and at each start.

        Raise NotFound, UsageError, Busy for a container that was made without a network or is on that one already.
        """
        found = _find(self.directory, network)
        wish = _wish(found, address, address6, mac, aliases)
        bundle = self.containers.bundle(reference)
        with bundle.changing():
            container = self._networked(reference)
            membership = Membership.read(bundle.path)
            if any(each.network == found.name for each in membership.wishes):
                raise Busy(f"{container.name} is on the network {found.name} already")
            wanted = membership.with_wish(wish)
            wanted.write(bundle.path)
            try:
                with _Namespace(container) as namespace:
                    if namespace >= 0:
                        from mydocker.network.hook import enter

                        enter(namespace, bundle.path, self.directory, wish)
            except BaseException:
                membership.write(bundle.path)
                raise
            bundle.write(container._replace(network=wanted.names))
            refresh(container, bundle.path)

    def disconnect(self, network: str, reference: str) -> None:
        """Take a container off a network, at once when it runs. Raise NotFound, Busy."""
        bundle = self.containers.bundle(reference)
        with bundle.changing():
            container = self._networked(reference)
            membership = Membership.read(bundle.path)
            with suppress(NotFound):  # a network that is gone can be left as well, by its name
                network = _find(self.directory, network).name
            if all(each.network != network for each in membership.wishes):
                raise NotFound(f"{container.name} is not on the network {network}")
            wanted = membership.without(network)
            with _Namespace(container) as namespace:
                if namespace >= 0:
                    from mydocker.network.hook import exit_from

                    exit_from(namespace, bundle.path, self.directory, network)
            wanted.write(bundle.path)
            bundle.write(container._replace(network=wanted.names))
            refresh(container, bundle.path)

    def _networked(self, reference: str) -> Container:
        container = self.containers.find(reference)
        if all(module != HOOK for module, *_ in container.attachments):
            why = f"it was made with the network {container.network}"
            raise Busy(f"cannot change the networks of {container.name}", why, "make it anew with -net NAME")
        return container

    def recover(self) -> None:
        """Take containers off networks that nobody keeps: killed processes left them on."""
        for folder in folders(self.directory):
            for endpoint in folder.read_leases().endpoints:
                if not Bundle(self.containers.directory, endpoint.container).is_kept():
                    from mydocker.network.joining import leave

                    with suppress(NotFound):
                        leave(folder, endpoint.container)

    def list(self) -> list[Network]:
        """Return all networks, by name."""
        from mydocker.network.networks import Networks

        return Networks(self.directory).list()


class _Namespace:
    """A running container's network namespace as a descriptor; -1 when it does not run."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._descriptor = -1

    def __enter__(self) -> int:
        from mydocker.runtime.ending import open_process

        state = self._container.state
        process = open_process(state)
        if process is not None:
            try:
                with suppress(FileNotFoundError, ProcessLookupError):
                    self._descriptor = os.open(f"/proc/{state.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
                again = open_process(state)
            finally:
                os.close(process)
            if again is None:  # it ended, and the number may be another's: what was opened may be, too
                self.__exit__()
            else:
                os.close(again)
        return self._descriptor

    def __exit__(self, *unused: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
