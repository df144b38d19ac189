"""Nothing is left: after kill -9 at random moments, after a thousand containers, with a hundred at once."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.system.runtime.test_lifecycle import until

if TYPE_CHECKING:
    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root

KILLS = int(os.environ.get("MYDOCKER_KILLS", "60"))
RUNS = int(os.environ.get("MYDOCKER_RUNS", "150"))
AT_ONCE = int(os.environ.get("MYDOCKER_AT_ONCE", "40"))


def groups(box: CommandLine) -> set[str]:
    """Return the names of this store's containers that have a control group."""
    ids = {path.name for path in (box.root / "containers").glob("*") if len(path.name) == 64}
    found = {path.name for path in Path("/sys/fs/cgroup").glob("*/mydocker/*/")}
    return found & ids | {name for name in found if name in OURS}


OURS: set[str] = set()


def remains(box: CommandLine) -> dict[str, object]:
    """Count everything of this store that a container uses and that has to be gone when none runs."""
    top = str(box.root)
    processes = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if top.encode() in (path / "cmdline").read_bytes() or _in_our_group(path):
                processes.append(path.name)
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        mounts = [line for line in file if top in line]
    kept = list((box.root / "containers" / "kept").iterdir())
    gone = [path for path in (box.root / "containers").iterdir() if path.name.startswith(".gone")]
    return {"groups": groups(box), "processes": processes, "mounts": mounts, "kept": kept, "gone": gone}


def _in_our_group(path: Path) -> bool:
    return any(f"/mydocker/{identifier}" in (path / "cgroup").read_text() for identifier in OURS)


NOTHING: dict[str, object] = {"groups": set(), "processes": [], "mounts": [], "kept": [], "gone": []}


def test_kill_of_starter_shim_or_container_at_random_moments(box: CommandLine) -> None:
    OURS.clear()
    chance = random.Random(20260101)
    for number in range(KILLS):
        victim = chance.choice(["starter", "shim", "container"])
        flags = ["-d"] if victim == "shim" or chance.random() < 0.5 else ["--rm"]
        name = f"victim{number}"
        starter = subprocess.Popen(
            box.words("run", *flags, "--name", name, "base", "sleep", "100"), env=box.env, cwd=box.directory,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        time.sleep(chance.uniform(0.0, 0.15))
        if victim == "starter":
            starter.kill()
        else:
            with contextlib.suppress(OSError, ValueError, IndexError, ProcessLookupError):
                _kill(box, name, victim)
            if "-d" not in flags:
                starter.kill()
        starter.wait(timeout=20)
    shown = json.loads(box("ps", "--format", "json"))
    OURS.update(each["id"] for each in shown)
    for each in shown:
        # What runs is really running; what does not, says so.
        pid = each["state"]["pid"]
        assert (each["state"]["status"] == "running") == (pid > 0 and os.path.exists(f"/proc/{pid}")), each
        box("remove", "-f", each["id"])
    until(lambda: remains(box) == NOTHING)
    assert box("ps", "-q") == ""


def _kill(box: CommandLine, name: str, victim: str) -> None:
    identifier = os.readlink(box.root / "containers" / "names" / name)
    OURS.add(identifier)
    state = json.loads((box.root / "containers" / identifier / "state.json").read_text())
    if not state["pid"]:
        return
    target = state["pid"]
    if victim == "shim":
        target = int(Path(f"/proc/{target}/stat").read_text().rpartition(")")[2].split()[1])
        if "mydocker-shim" not in Path(f"/proc/{target}/comm").read_text():
            return
    os.kill(target, signal.SIGKILL)


def test_a_killed_shim_is_told_and_its_container_can_be_used_again(box: CommandLine) -> None:
    box("run", "-d", "--name", "orphan", "base", "sleep", "60")
    pid = json.loads(box("inspect", "orphan"))[0]["state"]["pid"]
    shim = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(shim, signal.SIGKILL)
    until(lambda: not os.path.exists(f"/proc/{pid}"))
    state = json.loads(box("inspect", "orphan"))[0]["state"]
    assert (state["status"], state["exit_status"], state["error"]) == ("exited", 137, "its keeper was killed")
    box("start", "orphan")
    box("remove", "-f", "orphan")
    assert remains(box) == NOTHING


def test_a_killed_starter_leaves_its_background_container_alone(box: CommandLine) -> None:
    starter = box.start("run", "-d", "--name", "stays", "base", "sh", "-c", "while :; do echo x; sleep 0.05; done")
    starter.communicate()
    with contextlib.suppress(ProcessLookupError):
        os.kill(starter.pid, signal.SIGKILL)
    until(lambda: box("logs", "stays").count("x") > 3)
    box("remove", "-f", "stays")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_an_interrupted_command_ends_its_container_and_says_so(box: CommandLine, number: signal.Signals) -> None:
    script = "echo up; sleep 60"
    running = box.start("run", "--name", "own", "--sig-proxy", "false", "base", "sh", "-c", script)
    assert running.stdout is not None
    assert running.stdout.readline() == "up\n"
    identifier = json.loads(box("inspect", "own"))[0]["id"]
    OURS.add(identifier)
    running.send_signal(number)
    assert running.wait(timeout=10) == 128 + number
    running.communicate()
    state = json.loads((box.root / "containers" / identifier / "state.json").read_text())
    assert (state["status"], state["exit_status"]) == ("exited", 137)
    assert remains(box) == NOTHING
    box("remove", "own")


def test_one_after_another_nothing_adds_up(box: CommandLine) -> None:
    box("run", "--rm", "base", "true")
    before = _counts()
    for _ in range(RUNS):
        box("run", "--rm", "base", "true")
    time.sleep(0.5)
    after = _counts()
    # Others work on this machine as well; a leak of one thing per container would stand out.
    assert {key: value for key, value in after.items() if value - before[key] > RUNS // 4} == {}
    assert remains(box) == NOTHING


def _counts() -> dict[str, int]:
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        mounts = len(file.readlines())
    with open("/proc/cgroups", encoding="ascii") as file:
        groups_per_controller = [int(line.split()[2]) for line in file if not line.startswith("#")]
    return {
        "mounts": mounts,
        "groups": max(groups_per_controller, default=0),
        "processes": len(list(Path("/proc").glob("[0-9]*"))),
        "mount namespaces": len(
            {os.stat(path).st_ino for path in Path("/proc").glob("[0-9]*/ns/mnt") if path.exists()}
        ),
    }


def test_many_at_once_and_a_quick_list(box: CommandLine) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: box("run", "-d", "base", "sleep", "100").strip(), range(AT_ONCE)))
    assert len(set(made)) == AT_ONCE
    OURS.update(made)
    shown = json.loads(box("ps", "--format", "json", "--running"))
    assert {each["id"] for each in shown} == set(made)
    assert len({each["state"]["pid"] for each in shown}) == AT_ONCE
    box("remove", "-f", *made)
    assert remains(box) == NOTHING


def test_a_child_that_waits_for_its_parent_ends_when_that_is_killed() -> None:
    script = (
        "import os, signal\n"
        "from mydocker.runtime import launch\n"
        "def die(child):\n"
        "    print(child, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "launch.start((('ready',),), (0, 1, 2), pid_namespace=None, on_ready=die)\n"
    )
    words = [sys.executable, "-c", script]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
    child = Path("/proc", done.stdout.strip())
    until(lambda: not child.exists() or b") Z " in (child / "stat").read_bytes())
