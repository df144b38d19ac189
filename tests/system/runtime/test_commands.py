"""Commands about containers that have no file of their own: restart, wait, update, events, prune and others."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import pytest

from tests.system.runtime.test_lifecycle import state, until

if TYPE_CHECKING:
    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root


def test_restart_begins_again_and_starts_what_had_ended(box: CommandLine) -> None:
    box("run", "-d", "--name", "runs", "base", "sh", "-c", "echo begun; sleep 60")
    box.run("run", "--name", "ended", "base", "sh", "-c", "echo begun; test -e /again && sleep 60; touch /again")
    before = state(box, "runs")["pid"]
    box("restart", "-t", "0", "runs", "ended")
    assert state(box, "runs")["pid"] not in (0, before)
    assert state(box, "ended")["status"] == "running"
    until(lambda: box("logs", "runs") == box("logs", "ended") == "begun\n" * 2)


def test_wait_prints_the_status_of_each_when_it_has_ended(box: CommandLine) -> None:
    box("run", "-d", "--name", "three", "base", "sh", "-c", "sleep 0.3; exit 3")
    box("run", "-d", "--name", "killed", "base", "sleep", "60")
    waiting = box.start("wait", "three", "killed")
    time.sleep(0.5)
    box("kill", "killed")
    assert waiting.communicate(timeout=20)[0] == "3\n137\n"
    assert box.run("wait", "nobody").returncode == 1


def test_kill_takes_names_and_numbers_of_signals(box: CommandLine) -> None:
    script = "trap 'echo usr1' USR1; trap 'echo hup' HUP; touch /ready; while :; do sleep 0.05; done"
    box("run", "-d", "--name", "traps", "base", "sh", "-c", script)
    until(lambda: box.run("exec", "traps", "test", "-e", "/ready").returncode == 0)
    for word in ("USR1", "SIGHUP", "10", "hup"):
        box("kill", "-s", word, "traps")
        time.sleep(0.2)
    assert box("logs", "traps").split() == ["usr1", "hup", "usr1", "hup"]
    assert box.run("kill", "-s", "NONSENSE", "traps").returncode == 125
    box("remove", "-f", "traps")
    assert box.run("kill", "traps").returncode == 1


def test_a_policy_changed_by_update_counts_at_the_next_end(box: CommandLine) -> None:
    script = "echo begun; while ! test -e /end; do sleep 0.05; done; rm /end; exit 1"
    box("run", "-d", "--name", "changed", "base", "sh", "-c", script)
    box("update", "--restart", "on-failure:5", "changed")
    box("exec", "changed", "touch", "/end")
    until(lambda: box("logs", "changed") == "begun\nbegun\n")
    until(lambda: state(box, "changed")["status"] == "running")
    box("update", "--restart", "no", "changed")
    box("exec", "changed", "touch", "/end")
    until(lambda: state(box, "changed")["status"] == "exited")
    assert box("logs", "changed") == "begun\nbegun\n"


def test_limits_of_update_outlive_the_run(box: CommandLine) -> None:
    box("create", "--name", "later", "-m", "64m", "base", "sleep", "60")
    box("update", "-m", "48m", "--pids-limit", "20", "later")
    box("start", "later")
    used = json.loads(box("stats", "--no-stream", "--format", "json", "later"))[0]
    assert used["memory_limit"] == 48 << 20
    assert used["processes"] == 1


def test_events_are_told_while_they_happen(box: CommandLine) -> None:
    following = box.start("events")
    assert following.stdout is not None
    try:
        time.sleep(0.7)
        box("run", "--rm", "--name", "followed", "base", "true")
        told = [json.loads(following.stdout.readline()) for _ in range(4)]
    finally:
        following.kill()
        following.communicate()
    assert [event["action"] for event in told] == ["create", "start", "die", "destroy"]
    assert {event["name"] for event in told} == {"followed"}


def test_logs_of_a_span_of_time(box: CommandLine) -> None:
    box("run", "--name", "spoken", "base", "sh", "-c", "echo early; sleep 1.2; echo late")
    late = box("logs", "-t", "--tail", "1", "spoken").split(" ")[0]
    assert box("logs", "--since", late, "spoken") == "late\n"
    assert box("logs", "--until", "1h", "spoken") == ""
    assert box("logs", "--since", "1h", "spoken") == "early\nlate\n"


def test_prune_removes_what_has_ended_and_nothing_else(box: CommandLine) -> None:
    box("run", "-d", "--name", "kept", "base", "sleep", "60")
    box("run", "--name", "gone", "base", "true")
    box("prune")
    names = {each["name"] for each in json.loads(box("ps", "--format", "json"))}
    assert names == {"kept"}


def test_rm_is_remove_and_takes_anonymous_volumes_along_when_asked(box: CommandLine) -> None:
    box("create", "--name", "first", "-v", "/data", "base")
    box("create", "--name", "second", "-v", "/data", "base")
    assert len(os.listdir(box.root / "volumes")) == 2
    box("rm", "first")
    assert len(os.listdir(box.root / "volumes")) == 2
    box("rm", "-v", "second")
    assert len(os.listdir(box.root / "volumes")) == 1


def test_inspect_shows_the_document_that_is_carried_out(box: CommandLine) -> None:
    box("create", "--name", "shown", "--read-only", "-u", "bob", "base", "true")
    document = json.loads(box("inspect", "--spec", "shown"))[0]
    assert document["root"]["readonly"] is True
    assert document["process"]["args"] == ["true"]
    assert document["process"]["capabilities"]["ambient"] == []
