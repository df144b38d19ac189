"""A further process in a running container: it gets everything that the container has, and nothing else.

All namespaces are joined, the control group, the filter, the capabilities, the limits. The process that joins is not
dumpable before it does, so nothing inside can look into it or reach its executable through /proc (CVE-2016-9962,
CVE-2019-5736), and it becomes the sealed program of `mydocker.runtime.trampoline` before any program of the container.
"""

from __future__ import annotations

import os

from mydocker.errors import Busy
from mydocker.linux import namespaces
from mydocker.runtime import launch, plan, spec, users
from mydocker.runtime.bundle import group_of
from mydocker.runtime.ending import open_process
from mydocker.runtime.record import PAUSED
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any

    from mydocker.runtime.bundle import Bundle


class ExecOptions(NamedTuple):
    """What is run in a running container: as `ContainerOptions`; empty `user` and `cwd` are the container's own."""

    argv: tuple[str, ...]
    env: tuple[str, ...] = ()
    cwd: str = ""
    user: str = ""
    tty: bool = False
    privileged: bool = False


def start(bundle: Bundle, options: ExecOptions, streams: tuple[int, int, int], *, size: tuple[int, int] = (0, 0),
          die_with_parent: bool = True) -> launch.Started:  # fmt: skip
    """Start a process in a running container. Raise Busy when that is not running, else as `launch.start`.

    Only for a process with one thread (`Containers.exec` is for any). The caller waits for the process.
    """
    state = bundle.read_state()
    process = open_process(state)
    if process is None or state.status == PAUSED:
        if process is not None:
            os.close(process)
        raise Busy(f"cannot run anything in container {bundle.id[:12]}", f"it is {state.status}")
    try:
        document = _document(bundle.document(), options)
        own_pids = any(entry["type"] == "pid" for entry in document["linux"]["namespaces"])
        prepared: list[plan.Operation] = [
            ("cgroups", group_of(bundle).join_files()),
            _join(document, process),
            *plan.limits_and_program(document, size, die_with_parent),
        ]
        return launch.start(tuple(prepared), streams, pid_namespace=process if own_pids else None)
    finally:
        os.close(process)


def _join(document: dict[str, Any], process: int) -> plan.Operation:
    with_users = users.of(document)
    if with_users is None:
        return "join_process", process, _flags(document)
    return "mapped", "join", process, _flags(document), users.root_outside(with_users)


def _flags(document: dict[str, Any]) -> int:
    flags = namespaces.CLONE_NEWNS
    for entry in document["linux"]["namespaces"]:
        if entry["type"] != "pid":
            flags |= namespaces.KINDS[entry["type"]][0]
    return flags


def _document(document: dict[str, Any], options: ExecOptions) -> dict[str, Any]:
    """Return the container's document with the process replaced: what the options leave open is the container's."""
    process = dict(document["process"])
    names = {entry.split("=", 1)[0] for entry in options.env}
    kept = [entry for entry in process.get("env") or () if entry.split("=", 1)[0] not in names]
    process |= {"args": list(options.argv), "env": [*kept, *options.env], "terminal": options.tty}
    process["cwd"] = options.cwd or process["cwd"]
    annotations = dict(document.get("annotations") or {})
    annotations.pop(spec.INIT, None)
    if options.user:
        annotations[spec.USER] = options.user
    linux = dict(document["linux"])
    if options.privileged:
        process["capabilities"] = spec.all_capabilities()
        linux.pop("seccomp", None)
    return {**document, "process": process, "annotations": annotations, "linux": linux}
