"""The flags of `run`, one by one, read back from inside; those with a file of their own are tested there."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.system.runtime.test_lifecycle import state, until

if TYPE_CHECKING:
    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root

MIB = 1 << 20
GROUPS = "/sys/fs/cgroup"


@pytest.mark.parametrize(
    ("flags", "script", "shown"),
    [
        (["--hostname", "name"], "hostname; cat /etc/hostname", "name name"),
        (["--domainname", "domain"], "cat /proc/sys/kernel/domainname", "domain"),
        (["-w", "/made/here"], "pwd", "/made/here"),
        (["-u", "bob"], "id -u; id -g; echo $HOME", "1000 1000 /home/bob"),
        (["-u", "1000:wheel"], "id -u; id -g", "1000 10"),
        (["--group-add", "wheel", "--group-add", "77", "-u", "bob"], "id -G", "1000 10 77"),
        (["-e", "A=b", "-e", "A=c"], "echo $A", "c"),
        (["--ulimit", "nofile=100:200"], "ulimit -Sn; ulimit -Hn", "100 200"),
        (["--ulimit", "core=0"], "ulimit -c", "0"),
        (["--shm-size", "1m"], "stat -f -c '%b %S' /dev/shm", "256 4096"),
        (["--tmpfs", "/t:size=1m,mode=700,exec"], "stat -f -c '%b %S' /t; stat -c %a /t", "256 4096 700"),
        (["--read-only"], "touch /x 2>/dev/null || echo refused; touch /dev/shm/x && echo fine", "refused fine"),
        (["--read-only", "--tmpfs", "/tmp"], "touch /tmp/x && echo fine", "fine"),
        (["--cap-drop", "ALL"], "grep CapEff /proc/self/status", "CapEff: 0000000000000000"),
        (["--cap-drop", "all", "--cap-add", "chown"], "grep CapEff /proc/self/status", "CapEff: 0000000000000001"),
        (["--cap-drop", "CAP_CHOWN"], "grep CapEff /proc/self/status", "CapEff: 00000000a80425fa"),
        (["--cap-add", "SYS_TIME"], "grep CapEff /proc/self/status", "CapEff: 00000000aa0425fb"),
        (["--security-opt", "no-new-privileges"], "grep NoNewPrivs /proc/self/status", "NoNewPrivs: 1"),
        (["--security-opt", "seccomp=unconfined"], "grep ^Seccomp: /proc/self/status", "Seccomp: 0"),
        (["--security-opt", "systempaths=unconfined"], "grep -c ' /proc/' /proc/mounts; true", "0"),
        (["--sysctl", "net.ipv4.ip_forward=1"], "cat /proc/sys/net/ipv4/ip_forward", "1"),
        (["--sysctl", "kernel.msgmax=9000"], "cat /proc/sys/kernel/msgmax", "9000"),
        (["--oom-score-adj", "500"], "cat /proc/self/oom_score_adj", "500"),
        (["--device", "/dev/zero:/dev/mine:r"], "stat -c %t:%T /dev/mine; head -c 2 /dev/mine | wc -c", "1:5 2"),
        (["--init"], "cat /proc/1/cmdline | tr '\\0' ' ' | cut -c1-5", "init"),
        (["-command", "echo $((6*7))"], None, "42"),
        (["--entrypoint", "echo"], "fine", "fine"),
        (["--entrypoint", ""], "echo cleared", "cleared"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_a_flag_does_inside_what_it_says(box: CommandLine, flags: list[str], script: str | None, shown: str) -> None:
    command = [] if script is None else [script] if "echo" in flags else ["sh", "-c", script]
    image = ["-image", "base"] if "-command" in flags else ["base"]
    assert box("run", "--rm", *flags, *image, *command).split() == shown.split()


def _limit(identifier: str, version_1: str, version_2: str) -> str:
    """Read a limit of a container's control group, whatever the version of this host."""
    if os.path.exists(f"{GROUPS}/cgroup.controllers"):
        return Path(GROUPS, "mydocker", identifier, version_2).read_text().strip()
    controller = version_1.split(".")[0]
    return Path(GROUPS, controller, "mydocker", identifier, version_1).read_text().strip()


@pytest.mark.parametrize(
    ("flags", "file", "version_2", "value", "value_2"),
    [
        (["-m", "64m"], "memory.limit_in_bytes", "memory.max", str(64 * MIB), str(64 * MIB)),
        (["-m", "64m", "--memory-reservation", "32m"], "memory.soft_limit_in_bytes", "memory.low",
         str(32 * MIB), str(32 * MIB)),
        (["-cpushare", "512"], "cpu.shares", "cpu.weight", "512", "20"),
        (["--cpus", "0.5"], "cpu.cfs_quota_us", "cpu.max", "50000", "50000 100000"),
        (["-cpuset", "0"], "cpuset.cpus", "cpuset.cpus", "0", "0"),
        (["--cpuset-mems", "0"], "cpuset.mems", "cpuset.mems", "0", "0"),
        (["--pids-limit", "50"], "pids.max", "pids.max", "50", "50"),
        (["--pids-limit", "-1"], "pids.max", "pids.max", "max", "max"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_a_limit_is_in_the_control_group(
    box: CommandLine, flags: list[str], file: str, version_2: str, value: str, value_2: str
) -> None:
    identifier = box("run", "-d", *flags, "base", "sleep", "60").strip()
    expected = value_2 if os.path.exists(f"{GROUPS}/cgroup.controllers") else value
    assert _limit(identifier, file, version_2) == expected


def test_cgroup_parent_is_above_and_goes_with_the_last_container(box: CommandLine) -> None:
    identifier = box("run", "-d", "--cgroup-parent", "tests-parent", "base", "sleep", "60").strip()
    places = [*Path(GROUPS).glob(f"tests-parent/{identifier}"), *Path(GROUPS).glob(f"*/tests-parent/{identifier}")]
    assert places
    box("remove", "-f", identifier)
    assert not any(place.exists() for place in places)
    for place in places:
        place.parent.rmdir()


@pytest.mark.parametrize(
    "flags",
    [
        ["--ulimit", "nofile=2:1"], ["--ulimit", "nonsense=1"], ["--cap-add", "NONSENSE"], ["--memory-swap", "1g"],
        ["-m", "1k"], ["-m", "many"], ["--cpus", "-1"], ["--shm-size", "x"], ["--device", "/nowhere"],
        ["--device", "/etc/passwd"], ["--security-opt", "nonsense"], ["--security-opt", "seccomp=/nowhere"],
        ["--sysctl", "vm.swappiness=1"], ["--restart", "nonsense"], ["--restart", "always:3"],
        ["--stop-signal", "NONSENSE"], ["-w", "relative"], ["-v", "/a:/b:nonsense"], ["-v", "/a:relative"],
        ["-v", "/a:/"], ["--tmpfs", "relative"], ["--mount", "type=nonsense,dst=/x"], ["--mount", "type=bind,dst=/x"],
        ["--log-opt", "nonsense=1"], ["--pid", "nonsense"], ["--ipc", "container:nobody"], ["--env-file", "/nowhere"],
        ["--health-cmd", "true", "--health-interval", "soon"], ["--hostname", "a" * 65],
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_makes_no_sense_is_refused_and_leaves_no_container(box: CommandLine, flags: list[str]) -> None:
    done = box.run("run", "--rm", *flags, "base", "true")
    assert done.returncode in (1, 125)
    assert done.stderr.startswith("mydocker: ")
    assert "defect" not in done.stderr
    assert box("ps", "-q") == ""


def test_a_seccomp_profile_of_a_file_decides(box: CommandLine, tmp_path: Path) -> None:
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}
    profile = tmp_path / "profile.json"
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
    done = box.run("run", "--rm", "--security-opt", f"seccomp={profile}", "base", "mkdir", "/x")
    assert (done.returncode, "not supported" in done.stderr) == (1, True)


def test_stop_timeout_is_the_containers_own(box: CommandLine) -> None:
    deaf = "trap '' TERM; touch /ready; while :; do sleep 0.05; done"
    box("run", "-d", "--name", "deaf", "--stop-timeout", "0.2", "base", "sh", "-c", deaf)
    until(lambda: box.run("exec", "deaf", "test", "-e", "/ready").returncode == 0)
    began = time.monotonic()
    box("stop", "deaf")
    assert time.monotonic() - began < 8, "docker's ten seconds are the default only"
    assert state(box, "deaf")["exit_status"] == 137


def test_health_of_the_image_can_be_switched_off(box: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM base\nHEALTHCHECK --interval=1s CMD false\n")
    box("build", "-t", "checked:1", tmp_path)
    box("run", "-d", "--name", "checked", "checked:1", "sleep", "60")
    box("run", "-d", "--name", "unchecked", "--no-healthcheck", "checked:1", "sleep", "60")
    assert state(box, "checked")["health"] == "starting"
    assert state(box, "unchecked")["health"] == ""


def test_labels_and_variables_of_the_command_line(box: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(box.env, "FROM_HERE", "yes")
    shown = box("run", "--rm", "-e", "FROM_HERE", "-e", "NOT_THERE", "base", "env")
    assert "FROM_HERE=yes" in shown
    assert "NOT_THERE" not in shown
    box("create", "--name", "labelled", "--label", "a=1", "--label", "a=2", "--label", "b", "base")
    assert json.loads(box("inspect", "labelled"))[0]["labels"] == [["a", "2"], ["b", ""]]


def test_a_resolv_file_is_the_containers(box: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "resolv"
    file.write_text("nameserver 192.0.2.1\n")
    assert box("run", "--rm", "-resolv", file, "base", "cat", "/etc/resolv.conf") == "nameserver 192.0.2.1\n"


def test_oom_kill_disable_waits_instead_of_killing(box: CommandLine) -> None:
    if os.path.exists(f"{GROUPS}/cgroup.controllers"):
        assert box.run("run", "--rm", "-m", "16m", "--oom-kill-disable", "base", "true").returncode == 0
        return
    identifier = box("run", "-d", "-m", "16m", "--oom-kill-disable", "base", "sleep", "60").strip()
    assert "oom_kill_disable 1" in _limit(identifier, "memory.oom_control", "")


def test_the_flags_are_those_that_help_names(box: CommandLine) -> None:
    shown = subprocess.run(
        box.words("run", "--help"), env=box.env, capture_output=True, text=True, timeout=60, check=True
    ).stdout
    for flag in ("--userns", "--health-start-interval", "--detach-keys", "-cpuset", "--cidfile", "--group-add"):
        assert flag.lstrip("-") in shown
