"""The API in a process with threads: containers are started from any of them, and never by a fork of that process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.system.runtime.test_lifecycle import until

if TYPE_CHECKING:
    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root

PROGRAM = """
import os, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from mydocker.engine import Engine, RunRequest
from mydocker.errors import CommandNotFound
from mydocker.runtime.joining import ExecOptions

forks = []
os.register_at_fork(before=lambda: forks.append(1))
threading.Thread(target=time.sleep, args=(120,), daemon=True).start()
engine = Engine()
containers = engine.containers

def run(*command, **named):
    made = engine.create(RunRequest(image="base", command=command, **named))
    read, write = os.pipe()
    try:
        status = containers.run_attached(made.id, stdin=None, stdout=write, stderr=2)
    finally:
        os.close(write)
    return status, os.fdopen(read).read()

"""


def program(box: CommandLine, code: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM + code], env=box.env, cwd=box.directory, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_any_thread_runs_and_joins_containers(box: CommandLine) -> None:
    code = """
print(run("sh", "-c", "echo main; exit 3"))
made = [engine.create(RunRequest(image="base", command=("sleep", "60"), name=f"t{n}")) for n in range(3)]
def one(container):
    containers.start(container.id)
    read, write = os.pipe()
    options = ExecOptions(("sh", "-c", "echo $X; exit 4"), env=("X=joined",))
    status = containers.exec(container.id, options, stdout=write)
    os.close(write)
    containers.exec_detached(container.id, ExecOptions(("touch", "/tmp/mark")))
    return status, os.fdopen(read).read()
with ThreadPoolExecutor(3) as pool:
    print(sorted(pool.map(one, made)))
try:
    run("nope", name="nope")
except CommandNotFound as err:
    print(err.what, err.exit_status)
print(len(forks))
"""
    shown, problems = program(box, code).communicate(timeout=60)
    assert problems == ""
    assert shown.splitlines() == [
        "(3, 'main\\n')", "[(4, 'joined\\n'), (4, 'joined\\n'), (4, 'joined\\n')]", "cannot run nope 127", "0",
    ]  # fmt: skip
    for number in range(3):
        box("exec", f"t{number}", "sh", "-c", "while ! test -e /tmp/mark; do sleep 0.05; done")


def test_nothing_is_inheritable_while_another_thread_may_start_a_program(box: CommandLine) -> None:
    code = """
def spawn(*arguments, whole=os.posix_spawn, **named):
    opened = [int(name) for name in os.listdir("/proc/self/fd")]
    found.append([each for each in opened if each > 2 and os.path.exists(f"/proc/self/fd/{each}")
                  and os.get_inheritable(each)])
    return whole(*arguments, **named)
os.posix_spawn, found = spawn, []
print(run("echo", "attached"))
made = engine.create(RunRequest(image="base", command=("sleep", "60"), name="started"))
containers.start(made.id)
containers.remove(made.id, force=True)
print(found)
"""
    shown, problems = program(box, code).communicate(timeout=60)
    assert (shown, problems) == ("(0, 'attached\\n')\n[[], []]\n", "")


def test_a_container_in_the_foreground_ends_with_the_process_that_started_it(box: CommandLine) -> None:
    running = program(box, 'run("sleep", "60", name="mine")')
    try:
        until(lambda: box.run("inspect", "mine").returncode == 0)
        until(lambda: json.loads(box("inspect", "mine"))[0]["state"]["status"] == "running")
        pid = json.loads(box("inspect", "mine"))[0]["state"]["pid"]
    finally:
        running.kill()
        running.communicate()
    until(lambda: not Path(f"/proc/{pid}").exists())
    assert json.loads(box("inspect", "mine"))[0]["state"]["status"] == "exited"


def test_a_thread_attaches_and_signals_reach_the_container(box: CommandLine) -> None:
    box(
        "run",
        "-d",
        "--name",
        "said",
        "base",
        "sh",
        "-c",
        "while ! test -e /go; do sleep 0.05; done; echo attached; exit 6",
    )
    code = """
read, write = os.pipe()
with ThreadPoolExecutor(1) as pool:
    attached = pool.submit(containers.attach, "said", stdin=None, stdout=write)
    time.sleep(0.3)
    containers.exec("said", ExecOptions(("touch", "/go")))
    print(attached.result())
os.close(write)
print(os.fdopen(read).read(), end="")
print(run("sh", "-c", "trap 'exit 7' TERM; touch /ready; while :; do sleep 0.05; done", name="signalled"))
"""
    running = program(box, code)
    until(lambda: box.run("exec", "signalled", "test", "-e", "/ready").returncode == 0)
    time.sleep(0.1)
    running.terminate()
    shown, problems = running.communicate(timeout=30)
    assert (shown, problems) == ("6\nattached\n(7, '')\n", "")


def test_a_container_with_a_network_starts_from_a_process_with_threads_too(box: CommandLine) -> None:
    code = """
print(run("echo", "attached", networks=("lan",)))
made = engine.create(RunRequest(image="base", command=("sleep", "60"), name="networked", networks=("lan",)))
containers.start(made.id)
print(containers.exec(made.id, ExecOptions(("sh", "-c", "ip -o link | grep -c eth0"))))
containers.remove(made.id, force=True)
"""
    mydocker = f"{sys.executable} -m mydocker"
    script = f'ip link set lo up; {mydocker} network create lan; {sys.executable} -c "$0"; {mydocker} network rm lan'
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", script, PROGRAM + code], env=box.env, cwd=box.directory, text=True,
        stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:-1] == ["(0, 'attached\\n')", "0", "1"], done.stdout
