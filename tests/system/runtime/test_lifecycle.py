"""What the commands about containers promise: exit statuses, streams, names, logs, stopping, restarting, volumes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for a condition, fail when it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


def state(box: CommandLine, name: str) -> dict[str, object]:
    """Return the recorded state of a container."""
    found: dict[str, object] = json.loads(box("inspect", name))[0]["state"]
    return found


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 42"], 42),
        (["sh", "-c", "sleep 9 & kill -9 $!; wait $!"], 137),
        (["no-such-command"], 127),
        (["/no/such/command"], 127),
        (["/etc/passwd"], 126),
        (["/tmp"], 126),
    ],
)
def test_exit_statuses_are_those_of_docker(box: CommandLine, command: list[str], status: int) -> None:
    assert box.run("run", "--rm", "base", *command).returncode == status
    assert box.run("ps", "-q").stdout == ""


def test_a_bad_flag_is_125_and_leaves_no_container(box: CommandLine) -> None:
    for flags in (["-m", "lots"], ["--cap-add", "NOPE"], ["-u", "nobodyknows"], ["--ulimit", "x"], ["-v", "a:b:c:d"]):
        assert box.run("run", "--rm", *flags, "base", "true").returncode == 125, flags
    assert box("ps", "-q") == ""


def test_streams_are_exact_apart_and_complete(box: CommandLine, tmp_path: Path) -> None:
    sent = os.urandom(3_000_000)
    done = subprocess.run(
        box.words("run", "--rm", "-i", "base", "sh", "-c", "tee /dev/stderr 2>&2 || cat"),
        input=b"", env=box.env, cwd=box.directory, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    done = subprocess.run(
        box.words("run", "--rm", "-i", "base", "cat"),
        input=sent, env=box.env, cwd=box.directory, capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout == sent
    assert done.stderr == b""
    done = subprocess.run(
        box.words("run", "--rm", "base", "sh", "-c", "head -c 700000 /dev/zero; head -c 300000 /dev/zero >&2"),
        env=box.env, cwd=box.directory, capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    assert (len(done.stdout), len(done.stderr)) == (700_000, 300_000)


def test_a_reader_that_goes_away_ends_the_container_like_a_pipe(box: CommandLine) -> None:
    shown = subprocess.run(
        ["sh", "-c", f"{' '.join(box.words('run', '--name', 'endless', 'base', 'yes'))} | head -1"],
        env=box.env, cwd=box.directory, capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    assert shown.stdout == "y\n"
    until(lambda: state(box, "endless")["status"] == "exited")


def test_logs_of_both_streams_tail_and_times(box: CommandLine) -> None:
    box.run(
        "run", "--name", "said", "base", "sh", "-c", "for i in 1 2 3; do echo out $i; done; echo err >&2; printf half"
    )
    done = box.run("logs", "said")
    assert (done.stdout, done.stderr) == ("out 1\nout 2\nout 3\nhalf", "err\n")
    assert box.run("logs", "--tail", "0", "said").stdout == ""
    assert box.run("logs", "--tail", "1", "said").stdout == "half"
    assert box.run("logs", "--since", "2000-01-01T00:00:00", "--until", "2000-01-02T00:00:00", "said").stdout == ""
    assert all(len(line.split(" ")[0]) == 30 for line in box("logs", "-t", "--tail", "3", "said").splitlines())


def test_logs_follow_until_the_end_through_rotations(box: CommandLine) -> None:
    script = "sleep 0.3; for i in $(seq 300); do echo line $i; done; sleep 0.3; echo last"
    box(
        "run",
        "-d",
        "--name",
        "talker",
        "--log-opt",
        "max-size=2k",
        "--log-opt",
        "max-file=9",
        "base",
        "sh",
        "-c",
        script,
    )
    lines = box("logs", "-f", "talker").splitlines()
    assert lines[-1] == "last"
    assert [line for line in lines if line != "last"] == [f"line {number}" for number in range(1, 301)]


def test_exec_gets_what_the_container_has_and_its_own_user_and_folder(box: CommandLine) -> None:
    box("run", "-d", "--name", "host", "-e", "A=1", "-e", "B=1", "-m", "64m", "base", "sleep", "60")
    assert box(
        "exec", "-e", "B=2", "-u", "bob", "-w", "/tmp", "host", "sh", "-c", "echo $A$B $(id -un) $(pwd) $HOME"
    ) == ("12 bob /tmp /home/bob\n")
    assert box.run("exec", "host", "sh", "-c", "exit 9").returncode == 9
    assert box.run("exec", "host", "nope").returncode == 127
    inside = box(
        "exec", "host", "sh", "-c", "readlink /proc/self/ns/pid /proc/1/ns/pid; readlink /proc/1/ns/pid"
    ).split()
    assert len(set(inside)) == 1
    groups = box("exec", "host", "cat", "/proc/self/cgroup")
    assert {line.rsplit(":", 1)[1] for line in groups.splitlines()} == {"/"}
    done = subprocess.run(
        box.words("exec", "-i", "host", "cat"), input=b"\0\xff" * 50_000, env=box.env, cwd=box.directory,
        capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout == b"\0\xff" * 50_000
    box("exec", "-d", "host", "sh", "-c", "sleep 0.1; touch /tmp/done")
    until(lambda: box.run("exec", "host", "test", "-e", "/tmp/done").returncode == 0)


def test_stop_sends_the_signal_waits_then_kills(box: CommandLine) -> None:
    box(
        "run",
        "-d",
        "--name",
        "polite",
        "base",
        "sh",
        "-c",
        "trap 'echo bye; exit 5' TERM; while :; do sleep 0.05; done",
    )
    box("run", "-d", "--name", "usr1", "--stop-signal", "USR1", "base", "sh", "-c",
        "trap 'exit 6' USR1; while :; do sleep 0.05; done")  # fmt: skip
    box("run", "-d", "--name", "deaf", "base", "sh", "-c", "trap '' TERM; while :; do sleep 0.05; done")
    time.sleep(0.2)
    began = time.monotonic()
    box("stop", "polite", "usr1")
    assert time.monotonic() - began < 5
    assert (state(box, "polite")["exit_status"], state(box, "usr1")["exit_status"]) == (5, 6)
    box("stop", "-t", "0.3", "deaf")
    assert state(box, "deaf")["exit_status"] == 137
    box("start", "polite")
    assert state(box, "polite")["status"] == "running"
    box("kill", "-s", "KILL", "polite")
    assert box("wait", "polite") == "137\n"


def test_names_are_unique_and_references_may_be_beginnings(box: CommandLine) -> None:
    identifier = box("create", "--name", "one", "base", "true").strip()
    assert box.run("create", "--name", "one", "base").returncode != 0
    assert len(identifier) == 64
    assert json.loads(box("inspect", identifier[:6]))[0]["name"] == "one"
    box("rename", "one", "two")
    assert box.run("inspect", "one").returncode != 0
    box("create", "--name", "one", "base", "true")
    assert set(box("ps", "-q").split()) == {each["id"][:12] for each in json.loads(box("inspect", "one", "two"))}


def test_those_that_remove_themselves_can_be_removed_by_force(box: CommandLine) -> None:
    ids = [box("run", "-d", "--rm", "base", "sleep", "100").strip() for _ in range(12)]
    assert box("remove", "-f", *ids).split() == ids
    assert box("ps", "-q") == ""


def test_many_started_at_once_do_not_take_one_another_for_running(box: CommandLine) -> None:
    words = box.words("run", "-d", "base", "sleep", "100")
    started = [
        subprocess.Popen(words, env=box.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(20)
    ]
    said = [each.communicate() for each in started]
    assert [complaint for _, complaint in said] == [""] * len(started)
    assert len(box("ps", "--running", "-q").split()) == len(started)
    box("remove", "-f", *(identifier.strip() for identifier, _ in said))


def test_a_running_container_is_removed_by_force_only(box: CommandLine) -> None:
    box("run", "-d", "--name", "busy", "base", "sleep", "60")
    done = box.run("remove", "busy")
    assert (done.returncode, "running" in done.stderr) == (1, True)
    box("remove", "-f", "busy")
    assert box("ps", "-q") == ""


def test_pause_stops_the_clock(box: CommandLine) -> None:
    box("run", "-d", "--name", "ticker", "base", "sh", "-c", "while :; do echo x; sleep 0.02; done")
    until(lambda: bool(box("logs", "ticker")))
    box("pause", "ticker")
    assert state(box, "ticker")["status"] == "paused"
    first = box("logs", "ticker")
    time.sleep(0.2)
    assert box("logs", "ticker") == first
    assert box.run("exec", "ticker", "true").returncode == 1
    box("unpause", "ticker")
    until(lambda: box("logs", "ticker") != first)
    box("pause", "ticker")
    box("stop", "-t", "1", "ticker")
    assert state(box, "ticker")["status"] == "exited"


def test_restart_policies(box: CommandLine) -> None:
    box("run", "-d", "--name", "twice", "--restart", "on-failure:2", "base", "sh", "-c", "echo run; exit 1")
    until(lambda: state(box, "twice")["status"] == "exited" and state(box, "twice")["restarts"] == 2)
    assert box("logs", "twice") == "run\n" * 3
    box("run", "-d", "--name", "fine", "--restart", "on-failure", "base", "true")
    until(lambda: state(box, "fine")["status"] == "exited")
    assert state(box, "fine")["restarts"] == 0
    box("run", "-d", "--name", "always", "--restart", "always", "base", "sh", "-c", "echo run; sleep 0.05")
    until(lambda: box("logs", "always").count("run") >= 3)
    box("stop", "always")
    time.sleep(0.5)
    assert state(box, "always")["status"] == "exited"


def test_health_checks(box: CommandLine) -> None:
    box("run", "-d", "--name", "well", "--health-cmd", "test -e /ok", "--health-interval", "100ms",
        "--health-retries", "2", "base", "sleep", "60")  # fmt: skip
    assert state(box, "well")["health"] == "starting"
    until(lambda: state(box, "well")["health"] == "unhealthy")
    box("exec", "well", "touch", "/ok")
    until(lambda: state(box, "well")["health"] == "healthy")
    assert "(healthy)" in box("ps")


def test_limits_are_set_and_changed_while_it_runs(box: CommandLine) -> None:
    box("run", "-d", "--name", "limited", "-m", "64m", "--cpushare", "512", "--cpuset", "0", "--pids-limit", "50",
        "--cpus", "0.5", "base", "sleep", "60")  # fmt: skip
    before = limits(box, "limited")
    assert before == {"memory": str(64 << 20), "shares": "512", "cpus": "0", "pids": "50", "quota": "50000"}
    box("update", "-m", "96m", "--cpushare", "256", "limited")
    assert limits(box, "limited") == {**before, "memory": str(96 << 20), "shares": "256"}
    box("update", "-m", "32m", "limited")
    assert limits(box, "limited")["memory"] == str(32 << 20)
    assert json.loads(box("stats", "--no-stream", "--format", "json", "limited"))[0]["memory_limit"] == 32 << 20
    assert "sleep 60" in box("top", "limited")


def limits(box: CommandLine, name: str) -> dict[str, str]:
    """Read the limits where the container sees them (version 1: one file per controller; version 2: other names)."""
    top = "/sys/fs/cgroup"
    if os.path.exists(f"{top}/cgroup.controllers"):
        words = f"{top}/memory.max {top}/cpu.weight {top}/cpuset.cpus {top}/pids.max {top}/cpu.max"
        found = box("exec", name, "cat", *words.split()).split()
        weights = {"20": "512", "10": "256"}
        return dict(zip(("memory", "shares", "cpus", "pids", "quota"), found, strict=False)) | {
            "shares": weights.get(found[1], found[1])
        }
    files = {
        "memory": "memory/memory.limit_in_bytes", "shares": "cpu/cpu.shares", "cpus": "cpuset/cpuset.cpus",
        "pids": "pids/pids.max", "quota": "cpu/cpu.cfs_quota_us",
    }  # fmt: skip
    found = box("exec", name, "cat", *(f"{top}/{path}" for path in files.values())).split()
    return dict(zip(files, found, strict=True))


def test_running_out_of_memory_is_told(box: CommandLine) -> None:
    done = box.run(
        "run", "--name", "hog", "-m", "16m", "--memory-swap", "16m", "base", "tail", "-c", "200m", "/dev/zero"
    )
    assert done.returncode == 137
    assert state(box, "hog")["oom_killed"] is True


def test_init_collects_orphans_and_passes_signals_on(box: CommandLine) -> None:
    script = "(sleep 0.1 &) ; sleep 0.4; ps -o stat,comm | grep -c Z; true"
    assert box("run", "--rm", "--init", "base", "sh", "-c", script).split()[0] == "0"
    assert box.run("run", "--rm", "--init", "base", "sh", "-c", "exit 4").returncode == 4
    assert box.run("run", "--rm", "--init", "base", "nope").returncode == 127
    box("run", "-d", "--init", "--name", "init", "base", "sleep", "60")
    box("stop", "init")
    assert state(box, "init")["exit_status"] == 143


def test_signals_reach_the_container_in_the_foreground(box: CommandLine) -> None:
    running = box.start(
        "run", "--name", "fore", "base", "sh", "-c", "trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done"
    )
    assert running.stdout is not None
    assert running.stdout.readline() == "up\n"
    running.send_signal(signal.SIGTERM)
    assert running.wait(timeout=10) == 7
    running.communicate()


def test_events_tell_the_story(box: CommandLine) -> None:
    box.run("run", "--name", "told", "base", "sh", "-c", "exit 3")
    box("remove", "told")
    told = [json.loads(line) for line in box("events", "--since", "5m", "--no-follow").splitlines()]
    actions = [(event["action"], event.get("exit_status")) for event in told if event["name"] == "told"]
    assert actions == [("create", None), ("start", None), ("die", 3), ("destroy", None)]


def test_environment_files_entrypoint_and_cidfile(box: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("# comment\nA=from file\nHOSTVAR\n")
    cid = tmp_path / "cid"
    shown = box("run", "--rm", "--env-file", file, "-e", "B=$x", "--cidfile", cid, "--entrypoint", "env", "base")
    assert {"A=from file", "B=$x"} <= set(shown.splitlines())
    assert "HOSTVAR" not in shown
    assert len(cid.read_text()) == 64
    assert box.run("run", "--rm", "--cidfile", cid, "base", "true").returncode == 125


def test_ps_filters(box: CommandLine) -> None:
    box("run", "-d", "--name", "up", "--label", "tier=web", "base", "sleep", "60")
    box.run("run", "--name", "down", "base", "false")
    assert box("ps", "-q", "--filter", "label=tier=web").strip() == json.loads(box("inspect", "up"))[0]["id"][:12]
    assert len(box("ps", "-q", "--running").split()) == 1
    assert len(box("ps", "-q", "--filter", "exited=1").split()) == 1
    assert box.run("ps", "--filter", "nonsense=1").returncode == 125


def test_a_start_that_cannot_be_recorded_leaves_nothing(box: CommandLine) -> None:
    script = """
import os
from mydocker.engine import Engine, RunRequest
from mydocker.errors import StoreError
from mydocker.runtime.bundle import Bundle, group_of

def full(bundle, state, whole=Bundle.write_state, **named):
    if state.status == "running":
        raise StoreError("cannot write", "the disk is full")
    whole(bundle, state, **named)

Bundle.write_state = full
engine = Engine()
made = engine.create(RunRequest(image="base", command=("sleep", "60")))
before = os.listdir("/proc/self/fd")
try:
    engine.containers.run_attached(made.id)
except StoreError as err:
    print(err.why)
print(set(os.listdir("/proc/self/fd")) - set(before))
print([path for _, path in group_of(engine.containers.bundle(made.id)).directories() if os.path.exists(path)])
try:
    print(os.waitpid(-1, os.WNOHANG))
except ChildProcessError:
    print("no child")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env=box.env, cwd=box.directory,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("the disk is full\nset()\n[]\nno child\n", "")
