"""Namespaces that a container shares with the host or with another container."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root


def test_namespaces_can_be_shared(box: CommandLine) -> None:
    box("run", "-d", "--name", "first", "base", "sleep", "60")
    ours = {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in ("net", "pid", "ipc", "uts")}
    script = "for k in net pid ipc uts; do readlink /proc/self/ns/$k; done"
    theirs = box("exec", "first", "sh", "-c", script).split()
    joined = box("run", "--rm", "--net", "container:first", "--pid", "container:first", "--ipc", "container:first",
                 "base", "sh", "-c", script).split()  # fmt: skip
    assert joined[:3] == theirs[:3]
    shared = box(
        "run", "--rm", "--net", "host", "--pid", "host", "--ipc", "host", "--uts", "host", "base", "sh", "-c", script
    )
    assert shared.split() == list(ours.values())
    assert not set(theirs) & set(ours.values())


def test_who_shares_ipc_shares_dev_shm_even_after_a_restart(box: CommandLine) -> None:
    box("run", "-d", "--name", "owner", "base", "sh", "-c", "echo first > /dev/shm/note; sleep 60")
    box("create", "--name", "guest", "--ipc", "container:owner", "base", "cat", "/dev/shm/note")
    assert box("start", "-a", "guest") == "first\n"
    box("restart", "-t", "0", "owner")
    box("exec", "owner", "sh", "-c", "echo second > /dev/shm/note")
    assert box("start", "-a", "guest") == "second\n"
    box("stop", "-t", "0", "owner")
    done = box.run("start", "-a", "guest")
    assert (done.returncode, "is not running" in done.stderr) == (1, True)
