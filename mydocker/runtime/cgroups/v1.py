"""Control groups of version 1: one hierarchy per controller, each with its own files (admin-guide/cgroup-v1)."""

from __future__ import annotations

import os
from itertools import groupby

from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def make(roots: tuple[tuple[str, str], ...], controller: str, directory: str) -> None:
    """Make the group's directory in one hierarchy, with its parents."""
    try:
        os.mkdir(directory)
    except FileExistsError:
        pass
    except FileNotFoundError:
        make(roots, controller, os.path.dirname(directory))
        os.mkdir(directory)
    if "cpuset" in controller.split(","):
        _inherit_cpuset(directory)


def _inherit_cpuset(directory: str) -> None:
    """Give a new cpuset what its parent has, for nobody may enter an empty one."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if not _read(f"{directory}/{name}"):
            write(directory, name, _read(f"{os.path.dirname(directory)}/{name}"))


def _read(path: str) -> str:
    with open(path) as file:
        return file.read().strip()


def write(directory: str, name: str, *values: object) -> None:
    """Write values to one control file, each at once."""
    descriptor = os.open(f"{directory}/{name}", os.O_WRONLY | os.O_CLOEXEC)
    try:
        for value in values:
            try:
                os.write(descriptor, str(value).encode())
            except OSError as err:
                raise OSError(err.errno, err.strerror, f"{directory}/{name} = {value}") from err
    finally:
        os.close(descriptor)


def apply(controller: str, directory: str, resources: dict[str, Any]) -> None:
    """Set the limits of `resources` (runtime-spec, `linux.resources`) that belong to this hierarchy's controllers."""
    for name in controller.split(","):
        setter = _SETTERS.get(name)
        if setter is not None:
            setter(directory, resources)


def _memory(directory: str, resources: dict[str, Any]) -> None:
    memory = resources.get("memory", {})
    limit, swap = memory.get("limit"), memory.get("swap")
    changes = [("memory.limit_in_bytes", limit)]
    if os.path.exists(f"{directory}/memory.memsw.limit_in_bytes"):
        changes.append(("memory.memsw.limit_in_bytes", swap))
        # memory + swap can never be below memory, in between neither: what grows has to grow first.
        if swap is not None and limit is not None and _grows(directory, swap):
            changes.reverse()
    changes.append(("memory.soft_limit_in_bytes", memory.get("reservation")))
    changes.append(("memory.swappiness", memory.get("swappiness")))
    for name, value in changes:
        if value is not None:
            write(directory, name, value)
    if memory.get("disableOOMKiller"):
        write(directory, "memory.oom_control", 1)


def _grows(directory: str, swap: int) -> bool:
    return swap < 0 or swap > int(_read(f"{directory}/memory.memsw.limit_in_bytes"))


def _cpu(directory: str, resources: dict[str, Any]) -> None:
    cpu = resources.get("cpu", {})
    for key, name in (("shares", "cpu.shares"), ("period", "cpu.cfs_period_us"), ("quota", "cpu.cfs_quota_us")):
        if cpu.get(key) is not None:
            write(directory, name, cpu[key])


def _cpuset(directory: str, resources: dict[str, Any]) -> None:
    cpu = resources.get("cpu", {})
    for key, name in (("cpus", "cpuset.cpus"), ("mems", "cpuset.mems")):
        if cpu.get(key):
            write(directory, name, cpu[key])


def _pids(directory: str, resources: dict[str, Any]) -> None:
    limit = resources.get("pids", {}).get("limit")
    if limit is not None:
        write(directory, "pids.max", limit if limit > 0 else "max")


def _blkio(directory: str, resources: dict[str, Any]) -> None:
    weight = resources.get("blockIO", {}).get("weight")
    if weight:
        name = "blkio.bfq.weight" if os.path.exists(f"{directory}/blkio.bfq.weight") else "blkio.weight"
        write(directory, name, weight)


def _devices(directory: str, resources: dict[str, Any]) -> None:
    for allow, rules in groupby(resources.get("devices", ()), lambda rule: bool(rule["allow"])):
        write(directory, "devices.allow" if allow else "devices.deny", *map(_device_rule, rules))


def _device_rule(rule: dict[str, Any]) -> str:
    kind = rule.get("type", "a")
    numbers = f"{_number(rule.get('major'))}:{_number(rule.get('minor'))}"
    return "a" if kind == "a" and numbers == "*:*" else f"{kind} {numbers} {rule.get('access', 'rwm')}"


def _number(value: int | None) -> str:
    return "*" if value is None or value < 0 else str(value)


_SETTERS: dict[str, Callable[[str, dict[str, Any]], None]] = {
    "memory": _memory,
    "cpu": _cpu,
    "cpuset": _cpuset,
    "pids": _pids,
    "blkio": _blkio,
    "devices": _devices,
}
