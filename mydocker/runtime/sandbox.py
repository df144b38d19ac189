"""Transient containers: a build step's command, run once, with nothing left behind.

No record is kept. The container dies with its caller: it is the child of a process that either is the caller or holds a
connection to it. Callable from any thread, any number at once.
"""

from __future__ import annotations

import os
from contextlib import contextmanager

from mydocker.linux.process import start_ticks
from mydocker.runtime import launch, plan
from mydocker.runtime.cgroups.hierarchy import PARENT, Cgroup, Hierarchy, detect
from mydocker.runtime.rootfs import Overlay, RootFs
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mydocker.runtime.carrier import Front


_PREFIX = "build-"


def run(document: dict[str, Any], rootfs: RootFs, *, stdin: int, stdout: int, stderr: int) -> int:
    """Run the document's process to its end and return its exit status as docker counts (128 + signal).

    The three descriptors become its standard streams; the caller keeps them. Raise CommandNotFound,
    CommandNotExecutable or RuntimeFailure when it could not be started.
    """
    hierarchy = detect()
    with control_group(document, hierarchy) as group:
        prepared = prepare(document, rootfs, group)
        if alone():
            started = launch.start(prepared.plan, (stdin, stdout, stderr), pid_namespace=prepared.pid_namespace)
            return _wait(started.pid)
        from mydocker.runtime import zygote

        return zygote.run(prepared, (stdin, stdout, stderr))


def interact(
    document: dict[str, Any], rootfs: RootFs, front: Front, *, tty: bool, size: tuple[int, int] = (0, 0)
) -> int:
    """Run the document's process with somebody in front of it, and return its exit status as docker counts.

    `tty` gives it a terminal of `size` (rows, columns). Only for a process with one thread. Raises as `run`.
    """
    from mydocker.runtime.carrier import Carrier, make_streams

    hierarchy = detect()
    with control_group(document, hierarchy) as group:
        streams = make_streams(tty, interactive=True)
        try:
            prepared = prepare(document, rootfs, group, size=size)
            started = launch.start(prepared.plan, streams.theirs, pid_namespace=prepared.pid_namespace)
        except BaseException:
            streams.close()
            raise
        return Carrier(started, streams, front).finish()


def _wait(pid: int) -> int:
    try:
        return launch.exit_status(os.waitpid(pid, 0)[1])
    except BaseException:  # an interrupt: the container ends with the wait for it
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        raise


def new_identifier() -> str:
    """Return a name for a transient container; it tells `recover` which process it belongs to."""
    pid = os.getpid()
    return f"{_PREFIX}{pid}-{start_ticks(pid)}-{os.urandom(4).hex()}"


def recover() -> None:
    """Remove the control groups of transient containers whose process is gone; their processes died with it."""
    hierarchy = detect()
    names: set[str] = set()
    for _, root in hierarchy.roots:
        try:
            names.update(name for name in os.listdir(f"{root}/{PARENT}") if name.startswith(_PREFIX))
        except FileNotFoundError:
            continue
    for name in names:
        pid, _, rest = name.removeprefix(_PREFIX).partition("-")
        if not (pid.isdecimal() and str(start_ticks(int(pid))) == rest.partition("-")[0]):
            Cgroup(hierarchy, f"{PARENT}/{name}").remove()


def alone() -> bool:
    """Tell whether this process has one thread only, and so may fork and go on in Python."""
    return len(os.listdir("/proc/self/task")) == 1


@contextmanager
def control_group(document: dict[str, Any], hierarchy: Hierarchy) -> Iterator[Cgroup]:
    """Make the document's control group and remove it at the end, with whatever is still inside."""
    group = Cgroup(hierarchy, document["linux"]["cgroupsPath"].strip("/"))
    group.create(document["linux"].get("resources") or {})
    try:
        yield group
    finally:
        group.remove()


def prepare(document: dict[str, Any], rootfs: RootFs, group: Cgroup, **how: Any) -> plan.Launch:
    """Return the plan for a document in a control group; `how` is for `mydocker.runtime.plan.make`."""
    if isinstance(rootfs, Overlay):
        os.makedirs(rootfs.init, 0o755, exist_ok=True)
    mounts = tuple((controllers, os.path.basename(root)) for controllers, root in group.hierarchy.roots)
    return plan.make(document, rootfs, cgroup_files=group.join_files(), cgroup_mounts=mounts, **how)
