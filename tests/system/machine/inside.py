"""Tests that only the computer of `test_cgroup_v2` can run; it names this file, and nobody else collects it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from mydocker.runtime.cgroups.hierarchy import detect
from tests.system.runtime.conftest import box, store
from tests.system.runtime.test_lifecycle import until

if TYPE_CHECKING:
    from tests.system.conftest import CommandLine

__all__ = ["box", "store"]

GROUPS = "/sys/fs/cgroup"


def test_a_container_has_one_group_with_all_its_limits(box: CommandLine) -> None:
    assert detect() == (2, (("", GROUPS),))
    limits = ["-m", "64m", "--memory-swap", "96m", "--memory-reservation", "32m"]
    identifier = box("run", "-d", *limits, "base", "sleep", "60").strip()
    group = Path(GROUPS, "mydocker", identifier)
    found = {name: (group / name).read_text().strip() for name in ("memory.max", "memory.low", "memory.high")}
    assert found == {"memory.max": str(64 << 20), "memory.low": str(32 << 20), "memory.high": "max"}
    pid = json.loads(box("inspect", identifier))[0]["state"]["pid"]
    assert (group / "cgroup.procs").read_text().split() == [str(pid)]
    assert {"cpu", "memory", "pids", "cpuset"} <= set((group / "cgroup.controllers").read_text().split())
    box("remove", "-f", identifier)
    assert not group.exists()


def test_groups_that_the_container_made_go_with_it(box: CommandLine) -> None:
    inner = "/sys/fs/cgroup/a/b"
    script = f"mkdir -p {inner} && echo $$ > {inner}/cgroup.procs && cat /proc/self/cgroup; sleep 60"
    identifier = box("run", "-d", "--privileged", "base", "sh", "-c", script).strip()
    until(lambda: box("logs", identifier) == "0::/a/b\n")
    box("remove", "-f", identifier)
    assert not Path(GROUPS, "mydocker", identifier).exists()


def test_only_the_devices_that_were_given_can_be_opened(box: CommandLine) -> None:
    disk = os.stat("/dev/nvme0n1").st_rdev
    script = f"mknod /tmp/d b {os.major(disk)} {os.minor(disk)} && head -c 1 /tmp/d >/dev/null && echo read"
    done = box.run("run", "--rm", "base", "sh", "-c", script)
    assert "Operation not permitted" in done.stderr
    reading = "head -c 1 /dev/x > /dev/null && echo read; (: >> /dev/x) 2>/dev/null || echo no writing"
    shown = box("run", "--rm", "--device", "/dev/nvme0n1:/dev/x:r", "base", "sh", "-c", reading)
    assert shown == "read\nno writing\n"
