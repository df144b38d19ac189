"""All networks of a store: create, find, list, remove. Callable from any process at any time."""

from __future__ import annotations

import os
import time

from mydocker.errors import Busy, NameTaken, NotFound, UsageError
from mydocker.linux.files import remove_tree
from mydocker.network import bridges, host, netlink
from mydocker.network.definition import Definition, Request, define
from mydocker.network.folder import Folder, folders, locked, write_json
from mydocker.network.leases import Leases
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mydocker.network.addresses import Subnet

_NEW, _GONE = ".new-", ".gone-"


class Network(NamedTuple):
    """A network as it is now."""

    definition: Definition
    leases: Leases


class Created(NamedTuple):
    """A new network, and what its maker should know (sentences): settings of the host changed, filters missing."""

    definition: Definition
    notices: tuple[str, ...]


class Networks(NamedTuple):
    """The networks below `directory` (ROOT/networks)."""

    directory: str

    def create(self, request: Request) -> Created:
        """Make a network with its bridge. Raise UsageError, NameTaken, or NetworkError for a subnet in use."""
        os.makedirs(self.directory, 0o700, exist_ok=True)
        with locked(f"{self.directory}/lock"), netlink.Netlink() as link:
            self._sweep()
            if os.path.exists(f"{self.directory}/{request.name}/network.json"):
                raise NameTaken(f"there is a network {request.name} already", hint="`mydocker network rm` removes it")
            definition = define(request, self._in_use(link), os.urandom(32).hex(), time.time())
            self._place(definition)
            try:
                notices = self._bring_up(definition, link)
            except BaseException:
                bridges.remove(definition, link)
                self._discard(definition.name, link)
                raise
        return Created(definition, notices)

    def _in_use(self, link: netlink.Netlink) -> list[tuple[Subnet, str]]:
        """Return the subnets that are taken: by other networks, whose bridges may not be there, and by the host."""
        known = [each.definition for each in self.list()]
        ours = [(each.subnet, f"the network {network.name}") for network in known for each in network.ranges]
        return ours + bridges.host_subnets(link)

    def _place(self, definition: Definition) -> None:
        new = f"{self.directory}/{_NEW}{definition.name}"
        os.mkdir(new, 0o700)
        write_json(f"{new}/network.json", definition.encode(), durable=True)
        Folder(self.directory, f"{_NEW}{definition.name}").write_leases(Leases())
        with open(f"{new}/lock", "w"):
            pass
        os.rename(new, f"{self.directory}/{definition.name}")

    def _bring_up(self, definition: Definition, link: netlink.Netlink) -> tuple[str, ...]:
        notices = []
        with Folder(self.directory, definition.name).changing():
            bridge = bridges.ensure(definition, link)
        if bridge.unfiltered:
            notices.append(f"the network {definition.name} has no way out: {bridge.unfiltered}")
        elif not definition.internal:
            changed = host.let_through(self.directory, tuple(each.bits for each in definition.ranges))
            notices += [f"switched on {setting} on this host, for the way out" for setting in changed]
        return tuple(notices)

    def find(self, reference: str) -> Network:
        """Return the network that `reference` names: its name, its id or the unique beginning of one.

        Raise NotFound for none, UsageError for several.
        """
        folder = Folder(self.directory, reference)
        try:
            return Network(folder.read(), folder.read_leases())
        except NotFound:
            found = [each for each in self.list() if reference and each.definition.id.startswith(reference)]
            if not found:
                raise
        if len(found) > 1:
            raise UsageError(f"{reference} is the beginning of {len(found)} network ids", hint="give more digits")
        return found[0]

    def list(self) -> list[Network]:
        """Return all networks, by name."""
        found = []
        for folder in folders(self.directory):
            try:
                found.append(Network(folder.read(), folder.read_leases()))
            except NotFound:  # removed meanwhile
                continue
        return found

    def remove(self, reference: str) -> Definition:
        """Remove a network with everything that was made for it. Raise Busy when containers are on it."""
        name = self.find(reference).definition.name
        folder = Folder(self.directory, name)
        with locked(f"{self.directory}/lock"):
            self._sweep()
            with folder.changing() as definition, netlink.Netlink() as link:
                if endpoints := folder.read_leases().endpoints:
                    who = ", ".join(each.container[:12] for each in endpoints)
                    hint = "stop them, or `mydocker network disconnect` them"
                    raise Busy(f"cannot remove the network {name}", f"containers are on it: {who}", hint)
                try:
                    bridges.remove(definition, link)
                except OSError as err:
                    raise bridges.unusable(f"cannot remove the network {name}", err) from err
                self._discard(name, link)
        return definition

    def _discard(self, name: str, link: netlink.Netlink) -> None:
        """Take a network's folder away; with the last one, what the host's settings were changed for.

        They stay when the host has bridges of others: those may have come to count on them.
        """
        gone = f"{_GONE}{name}"
        os.rename(f"{self.directory}/{name}", f"{self.directory}/{gone}")
        self._remove_folder(gone)
        left = [each.definition for each in self.list()]
        if all(each.internal for each in left) and not netlink.bridges(link) - {each.bridge for each in left}:
            host.put_back(self.directory)

    def _sweep(self) -> None:
        """Remove what killed processes left of networks; for holders of the lock of all networks."""
        for name in os.listdir(self.directory):
            if name.startswith((_NEW, _GONE)):
                self._remove_folder(name)

    def _remove_folder(self, name: str) -> None:
        top = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            remove_tree(top, name.encode())
        finally:
            os.close(top)

    def prune(self, wanted: frozenset[str]) -> tuple[str, ...]:
        """Remove all networks that no container is on, but those called as in `wanted`; return their names."""
        removed = []
        for network in self.list():
            if not network.leases.endpoints and network.definition.name not in wanted:
                try:
                    removed.append(self.remove(network.definition.name).name)
                except (Busy, NotFound):  # used, or removed, since we looked
                    continue
        return tuple(removed)
