"""The mappings of a store: what is forwarded where, and the file that remembers it.

portmap/                0700, below the store's root
  mappings.json         what is forwarded; replaced by rename
  control               the service's socket, 0600
  lock                  held by the service as long as it lives
  log                   what a service that failed had to say
"""

from __future__ import annotations

import json
import os

from mydocker.errors import StoreError
from mydocker.linux.process import start_ticks
from mydocker.network.portmap.ports import TCP, shown
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any

VERSION = 1
_ROUND_ROBIN = "round-robin"


class Server(NamedTuple):
    """Where connections are sent to: an address and a port, or a port of a container.

    A container is known by its id, and as a running one by its first process: the number and when it began (clock ticks
    since boot), for numbers are used again.
    """

    port: int
    address: str = ""
    container: str = ""
    name: str = ""
    pid: int = 0
    ticks: int = 0

    @property
    def key(self) -> str:
        """What tells it from the others of its port."""
        return f"{self.container}/{self.pid}/{self.ticks}/{self.address}/{self.port}"

    @property
    def is_gone(self) -> bool:
        """Whether it is a container that has ended."""
        return bool(self.container) and start_ticks(self.pid) != self.ticks

    @property
    def owner(self) -> str:
        """What people call the container: its name, or its short id."""
        return self.name or self.container[:12]

    def __str__(self) -> str:
        """The way it is shown to people."""
        return f"{self.owner or shown(self.address)}:{self.port}"


class Mapping(NamedTuple):
    """One port of one address of the host. `error` says why it is not forwarded at the moment."""

    address: str
    port: int
    servers: tuple[Server, ...]
    protocol: str = TCP
    policy: str = _ROUND_ROBIN
    error: str = ""

    @property
    def key(self) -> str:
        """The port's name among all."""
        return f"{self.protocol}/{self.port}/{self.address}"

    @property
    def container(self) -> str:
        """The id of the container that published the port; "" for one that was forwarded by hand."""
        return self.servers[0].container if self.servers else ""

    def __str__(self) -> str:
        """The host's side, as in `0.0.0.0:8080/tcp`."""
        return f"{shown(self.address)}:{self.port}/{self.protocol}"


class State(NamedTuple):
    """What the file holds. `stopped`: somebody ended the service on purpose; `forever`: it also waits for mappings."""

    mappings: tuple[Mapping, ...] = ()
    stopped: bool = False
    forever: bool = False

    @property
    def wants_service(self) -> bool:
        """Whether a service should be running."""
        return not self.stopped and (self.forever or bool(self.mappings))


class Folder(NamedTuple):
    """The folder portmap/ of a store."""

    path: str

    def file(self, name: str) -> str:
        """Return the path of something in it."""
        return f"{self.path}/{name}"

    def make(self) -> None:
        """Make the folder: nobody but its owner may look into it, and so reach the control socket."""
        os.makedirs(self.path, 0o700, exist_ok=True)
        os.chmod(self.path, 0o700)

    def clear(self) -> None:
        """Remove what a killed service was writing; for the service, which holds the lock."""
        for name in os.listdir(self.path):
            if name.startswith("mappings.json."):
                os.unlink(self.file(name))

    def read(self) -> State:
        """Return what is remembered; raise StoreError for a damaged file."""
        path = self.file("mappings.json")
        try:
            with open(path, "rb") as file:
                content = json.loads(file.read())
            return decode(content)
        except FileNotFoundError:
            return State()
        except (ValueError, KeyError, TypeError) as err:
            hint = "remove the file and publish the ports again"
            raise StoreError(f"cannot read {path}", f"damaged: {err}", hint) from err

    def write(self, state: State) -> None:
        """Replace what is remembered; it survives a loss of power."""
        path = self.file("mappings.json")
        temporary = f"{path}.{os.getpid()}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, json.dumps(encode(state), indent=1).encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, path)


def encode(state: State) -> dict[str, Any]:
    """Return the state as JSON values."""
    return {
        "version": VERSION,
        "stopped": state.stopped,
        "forever": state.forever,
        "mappings": [encode_mapping(mapping) for mapping in state.mappings],
    }


def encode_mapping(mapping: Mapping) -> dict[str, Any]:
    """Return a mapping as JSON values."""
    return {**mapping._asdict(), "servers": [server._asdict() for server in mapping.servers]}


def decode(content: dict[str, Any]) -> State:
    """Return the state that `encode` wrote. Raise ValueError for another version, else KeyError, TypeError."""
    if content["version"] != VERSION:
        raise ValueError(f"version {content['version']} of a newer mydocker")
    mappings = tuple(decode_mapping(entry) for entry in content["mappings"])
    return State(mappings, bool(content["stopped"]), bool(content["forever"]))


def decode_mapping(entry: dict[str, Any]) -> Mapping:
    """Return the mapping that `encode_mapping` described."""
    servers = tuple(Server(**server) for server in entry["servers"])
    return Mapping(**{**entry, "servers": servers})
