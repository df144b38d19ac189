"""What the keeper of a container with published ports calls around each run (see `mydocker.runtime.record.Container`).

The ports are taken after the container is on its networks and before its program starts: one that is taken already is
an error, and nothing runs.
"""

from __future__ import annotations

import os

from mydocker.linux.process import start_ticks
from mydocker.network.portmap import starting
from mydocker.network.portmap.control import request
from mydocker.network.portmap.mappings import Folder
from mydocker.network.portmap.ports import parse


def attach(pid: int, bundle: str, directory: str, name: str, *words: str) -> None:
    """Forward ports to the container whose first process is `pid`. Raise NetworkError; nothing is forwarded then.

    `bundle` is the container's folder, named by its id, `directory` the store's portmap/; `name` is what the container
    is called in messages, and `words` are what `-p` takes.
    """
    message = {
        "do": "publish",
        "container": os.path.basename(bundle),
        "name": name,
        "pid": pid,
        "ticks": start_ticks(pid),
        "ports": [publish for word in words for publish in parse(word)],
    }
    starting.call(Folder(directory), message)


def refresh(bundle: str, directory: str) -> None:
    """Let the service find out where a running container is reached after its networks have changed."""
    _tell(directory, {"do": "refresh", "container": os.path.basename(bundle)})


def detach(bundle: str, directory: str, _name: str, *_words: str) -> None:
    """Forward them no more; a service that is not running forgets the container when it starts again."""
    _tell(directory, {"do": "unpublish", "container": os.path.basename(bundle)})


def _tell(directory: str, message: dict[str, str]) -> None:
    try:
        request(Folder(directory), message)
    except (FileNotFoundError, ConnectionError):
        return
