"""Namespaces of another container: whose they are is fixed when a container is made, where they are whenever it starts.

The document names them by process, and that container may have been started anew since, or its process's number given
to another. So an annotation keeps the ids, and `refreshed` looks the processes up. Who shares the IPC namespace shares
/dev/shm as well, as with docker.
"""

from __future__ import annotations

import os

from mydocker.errors import Busy
from mydocker.runtime.bundle import Bundle
from mydocker.runtime.ending import open_process
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

SHARED = "io.mydocker.shared"  # annotation: `ipc=ID pid=ID`, names as below /proc/PID/ns
_NAMES = {"network": "net"}
SHM = "/dev/shm"


def path_of(pid: int, name: str) -> str:
    """Return the path of a namespace, `name` as below /proc/PID/ns."""
    return f"/proc/{pid}/ns/{name}"


def shm_of(ipc_path: str) -> str:
    """Return the /dev/shm that belongs to the IPC namespace at a path, "" where that says nothing about a process."""
    parts = ipc_path.split("/")
    known = len(parts) == 5 and parts[1] == "proc" and parts[2].isdecimal()
    return f"/proc/{parts[2]}/root{SHM}" if known else ""


def refreshed(document: dict[str, Any], top: str) -> dict[str, Any]:
    """Return the document with the namespaces of other containers where they are now. Raise Busy."""
    shared = (document.get("annotations") or {}).get(SHARED)
    if not shared:
        return document
    places = {}
    for word in shared.split():
        name, _, identifier = word.partition("=")
        places[name] = path_of(_process_of(top, identifier), name)

    def moved(entry: dict[str, Any]) -> dict[str, Any]:
        name = _NAMES.get(entry["type"], entry["type"])
        return {**entry, "path": places[name]} if name in places else entry

    linux = {**document["linux"], "namespaces": [moved(entry) for entry in document["linux"]["namespaces"]]}
    found = {**document, "linux": linux}
    if "ipc" in places:
        source = shm_of(places["ipc"])
        found["mounts"] = [
            {**entry, "source": source} if entry["destination"] == SHM and entry["type"] == "bind" else entry
            for entry in document["mounts"]
        ]
    return found


def _process_of(top: str, identifier: str) -> int:
    why = "it is not running"
    try:
        state = Bundle(top, identifier).read_state()
    except FileNotFoundError:
        why = "it has been removed"
    else:
        process = open_process(state)
        if process is not None:
            os.close(process)
            return state.pid
    raise Busy(f"cannot share the namespaces of container {identifier[:12]}", why)
