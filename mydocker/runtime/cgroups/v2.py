"""Control groups of version 2: one hierarchy, controllers handed down level by level (admin-guide/cgroup-v2.rst)."""

from __future__ import annotations

import os

from mydocker.linux import device_filter
from mydocker.runtime.cgroups.v1 import write
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


_WANTED = ("cpu", "memory", "pids", "io", "cpuset", "hugetlb")


def make(roots: tuple[tuple[str, str], ...], controller: str, directory: str) -> None:
    """Make the group with its parents, the controllers that exist enabled on the way down."""
    top = roots[0][1]
    here = top
    for name in directory[len(top) :].strip("/").split("/"):
        _hand_down(here)
        here = f"{here}/{name}"
        try:
            os.mkdir(here)
        except FileExistsError:
            continue


def _hand_down(directory: str) -> None:
    with open(f"{directory}/cgroup.controllers") as file:
        present = file.read().split()
    with open(f"{directory}/cgroup.subtree_control") as file:
        enabled = file.read().split()
    missing = [f"+{name}" for name in _WANTED if name in present and name not in enabled]
    if missing:
        write(directory, "cgroup.subtree_control", " ".join(missing))


def apply(controller: str, directory: str, resources: dict[str, Any]) -> None:
    """Set the limits of `resources` (runtime-spec, `linux.resources`; runc's conversion of v1 values)."""
    memory, cpu = resources.get("memory", {}), resources.get("cpu", {})
    changes: list[tuple[str, Any]] = [
        ("memory.max", _or_max(memory.get("limit"))),
        ("memory.swap.max", swap_alone(memory.get("limit"), memory.get("swap"))),
        ("memory.low", memory.get("reservation")),
        ("cpu.weight", weight_of_shares(cpu["shares"]) if cpu.get("shares") else None),
        ("cpu.max", _quota(cpu.get("quota"), cpu.get("period"))),
        ("cpuset.cpus", cpu.get("cpus") or None),
        ("cpuset.mems", cpu.get("mems") or None),
        ("pids.max", _or_max(resources.get("pids", {}).get("limit"))),
    ]
    changes += [(name, value) for name, value in resources.get("unified", {}).items()]
    for name, value in changes:
        if value is not None and not (name == "memory.swap.max" and not os.path.exists(f"{directory}/{name}")):
            write(directory, name, value)
    weight = resources.get("blockIO", {}).get("weight")
    if weight and os.path.exists(f"{directory}/io.bfq.weight"):
        write(directory, "io.bfq.weight", weight)
    if resources.get("devices"):
        device_filter.attach(directory, resources["devices"])


def _or_max(value: int | None) -> str | None:
    if value is None:
        return None
    return str(value) if value > 0 else "max"


def swap_alone(limit: int | None, total: int | None) -> str | None:
    """Return swap without memory: v1 and docker count both together, v2 counts swap alone."""
    if total is None:
        return None
    if total < 0:
        return "max"
    return str(total - (limit or 0))


def weight_of_shares(shares: int) -> int:
    """Return cpu.weight (1..10000) for cpu.shares (2..262144), as runc and crun convert."""
    return 1 + (min(max(shares, 2), 262144) - 2) * 9999 // 262142


def _quota(quota: int | None, period: int | None) -> str | None:
    if quota is None and period is None:
        return None
    return f"{quota if quota and quota > 0 else 'max'} {period or 100000}"
