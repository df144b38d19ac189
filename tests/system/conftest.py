"""What system tests share: a store of their own, and the command line as a user calls it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from mydocker.engine import Engine
from tests.conftest import empty_control_groups

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class CommandLine:
    """Runs `mydocker` in a process of its own, on one store, in one directory."""

    def __init__(self, root: Path, directory: Path) -> None:
        self.root = root
        self.directory = directory
        self.env = {**os.environ, "MYDOCKER_ROOT": str(root), "TZ": "UTC"}
        self.env.pop("SOURCE_DATE_EPOCH", None)
        self._groups = empty_control_groups()

    def leftovers(self) -> list[str]:
        """Return what is unfinished in the store, mounts in it, and control groups that nobody lives in.

        Groups of other people's containers come and go meanwhile; what stays empty is a leak.
        """
        deadline = time.monotonic() + 3
        while (found := self._leftovers()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return found

    def _leftovers(self) -> list[str]:
        unfinished = os.listdir(self.root / "tmp") if (self.root / "tmp").is_dir() else []
        with open("/proc/self/mountinfo") as file:
            mounts = [line for line in file if str(self.root) in line]
        return unfinished + mounts + sorted(empty_control_groups() - self._groups)

    def words(self, *arguments: object) -> list[str]:
        """Return the words of a command line for this interpreter."""
        return [sys.executable, "-m", "mydocker", *map(str, arguments)]

    def run(self, *arguments: object, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command and return how it ended, whatever that is."""
        given = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
        return subprocess.run(
            self.words(*arguments),
            cwd=self.directory,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=120,
            **given,
        )

    def __call__(self, *arguments: object) -> str:
        """Run a command that has to succeed and return its standard output."""
        done = self.run(*arguments)
        assert done.returncode == 0, f"{arguments} ended with {done.returncode}: {done.stderr}"
        return done.stdout

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """Start a command and return its process."""
        return subprocess.Popen(
            self.words(*arguments), cwd=self.directory, env=self.env, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip


@pytest.fixture
def mydocker(tmp_path: Path) -> Iterator[CommandLine]:
    """The command line on an empty store; containers that a test left running are removed afterwards."""
    directory = tmp_path / "work"
    directory.mkdir()
    command = CommandLine(tmp_path / "store", directory)
    yield command
    if (tmp_path / "store" / "containers").is_dir():
        engine = Engine(str(tmp_path / "store"))
        for container in engine.containers.list():
            engine.containers.remove(container.id, force=True)
