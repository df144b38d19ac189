"""How a container is connected, as the room that makes containers is told by the one that knows networks."""

from __future__ import annotations

from mydocker.values import NamedTuple


class Network(NamedTuple):
    """How a container is connected: the runtime's word, what its record shows, and who sets it up (see `Container`).

    `files` are names and contents for its folder. `nameserver` is the one that it asks ("": those of --dns or of the
    host); `files_of` is the folder of a container whose names it shares.
    """

    mode: str = "none"
    name: str = "none"
    attachments: tuple[tuple[str, ...], ...] = ()
    ports: str = ""
    files: tuple[tuple[str, str], ...] = ()
    nameserver: str = ""
    files_of: str = ""
