"""What the keeper of a container with published ports calls around each run (see `mydocker.runtime.record.Container`).

The ports are taken before the container's program starts: one that is taken already is an error, and nothing runs. They
come after the container's networks, whose own hook is called from here.
"""

from __future__ import annotations

import importlib
import os

from mydocker.linux.process import start_ticks
from mydocker.network import portmap_start
from mydocker.network.portmap import Folder
from mydocker.network.portmap_control import request
from mydocker.network.ports import parse

MODULE = __name__


def arguments(directory: str, name: str, words: tuple[str, ...], inner: tuple[str, ...]) -> tuple[str, ...]:
    """Return what `attach` and `detach` are to be given after the container's folder.

    `directory` is the store's portmap/, `name` what the container is called in messages, `words` are what `-p` takes,
    `inner` the module and the arguments of the hook that comes before, if there is one.
    """
    return (directory, name, " ".join(words), *inner)


def attach(pid: int, bundle: str, directory: str, name: str, words: str, module: str = "", *inner: str) -> None:
    """Forward ports to the container whose first process is `pid`. Raise NetworkError; the caller calls `detach`."""
    if module:
        importlib.import_module(module).attach(pid, bundle, *inner)
    message = {
        "do": "publish",
        "container": os.path.basename(bundle),
        "name": name,
        "pid": pid,
        "ticks": start_ticks(pid),
        "ports": [publish for word in words.split() for publish in parse(word)],
    }
    portmap_start.call(Folder(directory), message)


def detach(bundle: str, directory: str, name: str, words: str, module: str = "", *inner: str) -> None:
    """Forward them no more; a service that is not running forgets the container when it starts again."""
    try:
        request(Folder(directory), {"do": "unpublish", "container": os.path.basename(bundle)})
    except (FileNotFoundError, ConnectionError):
        pass
    finally:
        if module:
            importlib.import_module(module).detach(bundle, *inner)
