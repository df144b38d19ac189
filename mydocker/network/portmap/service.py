"""The forwarding service: one process for all forwarded ports of a store, which tells its workers what to forward.

It keeps what cannot be done twice: the ports themselves, the namespaces of the containers that they lead to, the file
that remembers them. The bytes are moved by the workers (`forwarding.worker`), so a long request never delays them.

It lives as long as there are mappings, or until it is stopped when somebody started it by hand. When it is killed, its
workers die with it and the next command starts another one, which reads the file and goes on.
"""

from __future__ import annotations

import os
import time

from mydocker.errors import NetworkError, NotFound
from mydocker.network.forwarding.loop import IN, Loop
from mydocker.network.portmap.binding import ANY4, ANY6, bind
from mydocker.network.portmap.control import Control
from mydocker.network.portmap.mappings import Folder, Mapping, Server, State, encode_mapping
from mydocker.network.portmap.ports import Publish
from mydocker.network.portmap.residents import Residents
from mydocker.network.portmap.workers import Count, Order, Workers
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import _socket
    from typing import Any

    from mydocker.network.portmap.binding import Bound

GRACE = 10.0  # seconds that connections have to end when their port or server is taken away
_MOST_SERVERS = 256  # of one port: its description is one message to a worker
_LINGER = 1.0  # how long it waits for the next mapping: a container that starts again, or a command on its way
_RESTORING = 2.0  # how long a port may take to become free after the service that had it was killed


class Attendant(NamedTuple):
    """A command in the foreground that keeps the service alive as long as it lives itself; `process` is its pidfd."""

    process: int
    service: Service

    def handle(self, mask: int) -> None:
        """It has ended."""
        self.service.dismiss(self)


class Service:
    """What is forwarded, and everything that has to be open for it."""

    def __init__(self, folder: Folder, *, forever: bool) -> None:
        self._folder = folder
        self.loop = Loop()
        self._forever = forever
        self._mappings: dict[str, Mapping] = {}
        self._listeners: dict[str, _socket.socket] = {}
        self._residents = Residents(self.loop, self._bury)
        self._workers = Workers(self.loop, self._orders)
        self._control: Control | None = None
        self._idle_since = 0.0
        self._attendants: set[Attendant] = set()

    # Beginning and ending --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Go on with what is remembered, and hear requests."""
        self._workers.start()
        state = self._folder.read()
        self._forever = self._forever or (state.forever and not state.stopped)
        deadline = time.monotonic() + _RESTORING
        for mapping in state.mappings:
            self._restore(mapping, deadline)
        self._remember()
        self._control = Control(self._folder, self.loop, self.answer)

    def _restore(self, mapping: Mapping, deadline: float) -> None:
        """Take up a mapping again; what its containers published goes with them, what cannot be had now is kept."""
        servers = tuple(server for server in mapping.servers if not server.is_gone)
        if not servers:
            return
        mapping = mapping._replace(servers=servers, error="")
        while True:
            try:
                self._open(mapping)
                return
            except NetworkError as err:
                if time.monotonic() > deadline:
                    self._mappings[mapping.key] = mapping._replace(error=f"{err.what}: {err.why}")
                    return
            time.sleep(0.02)

    def run(self) -> None:
        """Serve until there is nothing to forward any more, or somebody says stop."""
        self._rest()
        self.loop.run()

    def close(self) -> None:
        """Stop forwarding; what is remembered stays."""
        self._workers.stop()
        for listener in self._listeners.values():
            listener.close()
        if self._control is not None:
            self._control.close()

    def _rest(self) -> None:
        """Look whether there is anything left to do."""
        self._idle_since = time.monotonic()
        self.loop.watch(self._look)

    def _look(self, now: float) -> bool:
        """End when nothing is forwarded and the last connections have ended; a timer of the loop."""
        if self._mappings or self._forever or self._attendants:
            return False
        idle = now - self._idle_since
        if idle > GRACE + 1 or (idle > _LINGER and not self._workers.open()):
            self.loop.running = False
        return True

    # Requests --------------------------------------------------------------------------------------------------------

    def answer(self, request: dict[str, Any]) -> object:
        """Do what a request asks for. Raise NetworkError, NotFound; nothing has changed then."""
        does = {
            "publish": self._publish,
            "unpublish": self._unpublish,
            "refresh": self._refresh,
            "forward": self._forward,
            "withdraw": self._withdraw,
            "list": self._list,
            "stay": self._stay,
            "attend": self._attend,
            "stop": self._stop,
        }
        return does[request["do"]](request)

    def _publish(self, request: dict[str, Any]) -> object:
        """Forward ports of the host to a container, all that are asked for or none."""
        server = Server(0, "", request["container"], request["name"], request["pid"], request["ticks"])
        self._residents.admit(server.container, server.pid, server.ticks)
        opened: list[Mapping] = []
        try:
            for words in request["ports"]:
                publish = Publish(*words)
                for bound in self._take(publish, server.container):
                    target = server._replace(port=publish.container)
                    mapping = Mapping(bound.address, bound.port, (target,), publish.protocol)
                    opened.append(mapping)
                    self._open(mapping, bound.socket)
        except BaseException:
            for mapping in opened:
                self._close(mapping.key, 0)
            self._residents.dismiss(server.container)
            raise
        self._remember()
        return [encode_mapping(mapping) for mapping in opened]

    def _unpublish(self, request: dict[str, Any]) -> object:
        """Forward no more to a container; idempotent."""
        self._bury(request["container"])
        return None

    def _refresh(self, request: dict[str, Any]) -> object:
        """Find out anew where a container is reached: it joined or left a network."""
        self._residents.look_again(request["container"])
        for mapping in tuple(self._mappings.values()):
            if mapping.container == request["container"] and mapping.key in self._listeners:
                self._change(mapping)
        return None

    def _bury(self, container: str) -> None:
        """Forget a container and what it published."""
        gone = [key for key, mapping in self._mappings.items() if mapping.container == container]
        for key in gone:
            self._close(key, GRACE)
        self._residents.dismiss(container)
        if gone:
            self._remember()
            self._rest()

    def _forward(self, request: dict[str, Any]) -> object:
        """Forward a port to an address; where it is forwarded by hand already, the address is one more server."""
        publish, server = Publish(*request["port"]), Server(request["to"][1], request["to"][0])
        policy = request["policy"]
        changed = []
        present = [self._mappings[key] for key in self._keys_of(publish)]
        for mapping in present:
            if mapping.container:
                raise NetworkError(f"port {mapping} of the host is taken", f"{_owner(mapping)} has it")
            servers = mapping.servers if server in mapping.servers else (*mapping.servers, server)
            if len(servers) > _MOST_SERVERS:
                raise NetworkError(f"port {mapping} has {_MOST_SERVERS} targets already", hint="take one away with -d")
            changed.append(mapping._replace(servers=servers, policy=policy or mapping.policy))
        if changed:
            self._change_all(changed)
        else:
            for bound in bind(publish, self._owner_of):
                made = Mapping(bound.address, bound.port, (server,), publish.protocol)
                changed.append(made._replace(policy=policy or made.policy))
                self._open(changed[-1], bound.socket)
        self._remember()
        return [encode_mapping(mapping) for mapping in changed]

    def _withdraw(self, request: dict[str, Any]) -> object:
        """Undo `forward`; connections have some time to end."""
        publish, server = Publish(*request["port"]), Server(request["to"][1], request["to"][0])
        found = [self._mappings[key] for key in self._keys_of(publish) if server in self._mappings[key].servers]
        if not found:
            raise NotFound(f"nothing forwards port {publish.first}/{publish.protocol} to {server}",
                           hint="`mydocker portmap list` shows what is forwarded")  # fmt: skip
        for mapping in found:
            servers = tuple(each for each in mapping.servers if each != server)
            if servers and mapping.key in self._listeners:
                self._change(mapping._replace(servers=servers))
            elif servers:
                self._mappings[mapping.key] = mapping._replace(servers=servers)
            else:
                self._close(mapping.key, GRACE)
        self._remember()
        self._rest()
        return [encode_mapping(mapping) for mapping in found]

    def _list(self, request: dict[str, Any]) -> object:
        """Return all mappings with their connections."""
        counts = self._workers.count()
        answer = []
        for key, mapping in self._mappings.items():
            found = [counts.get((key, server.key), Count()) for server in mapping.servers]
            servers = [
                {**entry, "open": count.open, "healthy": count.well}
                for entry, count in zip(encode_mapping(mapping)["servers"], found, strict=True)
            ]
            answer.append({**encode_mapping(mapping), "servers": servers})
        return answer

    def _stay(self, request: dict[str, Any]) -> object:
        """Live on without mappings, too."""
        self._forever = True
        self._remember()
        return os.getpid()

    def _attend(self, request: dict[str, Any]) -> object:
        """Live on as long as the process that asks does."""
        attendant = Attendant(os.pidfd_open(request["pid"]), self)
        self._attendants.add(attendant)
        self.loop.add(attendant.process, attendant, IN)
        return os.getpid()

    def dismiss(self, attendant: Attendant) -> None:
        """Live on without a command that has ended."""
        self._attendants.discard(attendant)
        self.loop.drop(attendant.process)
        os.close(attendant.process)
        self._rest()

    def _stop(self, request: dict[str, Any]) -> object:
        """End the service; the next command does not start it again, unless it needs it."""
        self._folder.write(State(tuple(self._mappings.values()), stopped=True))
        self.loop.running = False
        return os.getpid()

    # Mappings --------------------------------------------------------------------------------------------------------

    def _keys_of(self, publish: Publish) -> list[str]:
        addresses = (publish.address,) if publish.address else ("0.0.0.0", "::")
        keys = (Mapping(address, publish.first, (), publish.protocol).key for address in addresses)
        return [key for key in keys if key in self._mappings]

    def _owner_of(self, address: str, port: int, protocol: str) -> str:
        for key in self._listeners:
            mapping = self._mappings[key]
            if (mapping.port, mapping.protocol) == (port, protocol) and _overlap(mapping.address, address):
                return _owner(mapping)
        return ""

    def _take(self, publish: Publish, container: str) -> tuple[Bound, ...]:
        """Take a port for a container. Raise NetworkError, also where it is kept for somebody who could not have it."""
        taken = bind(publish, self._owner_of)
        for bound in taken:
            kept = self._mappings.get(Mapping(bound.address, bound.port, (), publish.protocol).key)
            if kept is not None and kept.container != container:
                for each in taken:
                    each.socket.close()
                raise NetworkError(f"port {kept} of the host is taken", f"{_owner(kept)} has it")
        return taken

    def _open(self, mapping: Mapping, listener: _socket.socket | None = None) -> None:
        """Forward a port, with the socket that has it, or take it. Raise NetworkError."""
        for server in mapping.servers:  # known first: what cannot be had now is to be forgotten with its container
            if server.container:
                self._residents.admit(server.container, server.pid, server.ticks)
        if listener is None:
            publish = Publish(mapping.address, mapping.port, mapping.port, 0, mapping.protocol)
            (bound,) = bind(publish, self._owner_of)
            listener = bound.socket
        self._listeners[mapping.key] = listener
        self._mappings[mapping.key] = mapping
        self._workers.set(self._order(mapping), 0)

    def _change(self, mapping: Mapping) -> None:
        """Forward to other servers; a port that could not be had is tried again. Raise NetworkError."""
        if mapping.key not in self._listeners:
            self._open(mapping._replace(error=""))
            return
        self._mappings[mapping.key] = mapping
        self._workers.set(self._order(mapping), GRACE)

    def _change_all(self, changed: list[Mapping]) -> None:
        """Change all of them or none: those first that have to be bound, which may fail. Raise NetworkError."""
        unbound = [self._mappings[mapping.key] for mapping in changed if mapping.key not in self._listeners]
        try:
            for mapping in sorted(changed, key=lambda each: each.key in self._listeners):
                self._change(mapping)
        except BaseException:
            for mapping in unbound:
                self._close(mapping.key, 0)
                self._mappings[mapping.key] = mapping
            raise

    def _close(self, key: str, grace: float) -> None:
        """Forward a port no more."""
        self._mappings.pop(key, None)
        listener = self._listeners.pop(key, None)
        if listener is not None:
            self._workers.end(key, grace)
            listener.close()

    def _order(self, mapping: Mapping) -> Order:
        places = tuple(
            self._residents.place(server.container) if server.container else ((server.address,), -1)
            for server in mapping.servers
        )
        return Order(mapping, self._listeners[mapping.key], places)

    def _orders(self) -> list[Order]:
        return [self._order(self._mappings[key]) for key in self._listeners]

    def _remember(self) -> None:
        self._folder.write(State(tuple(self._mappings.values()), forever=self._forever))


def _overlap(ours: str, wanted: str) -> bool:
    """Tell whether a port cannot be had for both addresses; "" is all of both families."""
    same_family = (":" in ours) == (":" in wanted)
    return not wanted or (same_family and (ours == wanted or bool({ours, wanted} & {ANY4, ANY6})))


def _owner(mapping: Mapping) -> str:
    """Return whose port it is, for messages."""
    return f"container {mapping.servers[0].owner}" if mapping.container else "`portmap forward`"
