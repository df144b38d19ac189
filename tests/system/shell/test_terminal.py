"""The shell at a real terminal: completion, the prompt, terminals that are handed over, Ctrl-C, what ends meanwhile."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pexpect
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root

_IDLE, _BUSY = r"mydocker>", r"mydocker \(1 running\)>"
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Typist:
    """Types into a shell and waits for what it shows; escape sequences are left out of what is compared."""

    def __init__(self, command: CommandLine, home: Path, *words: str) -> None:
        env = {**command.env, "HOME": str(home), "TERM": "xterm", "NO_COLOR": "1", "PROMPT_TOOLKIT_NO_CPR": "1"}
        for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
            env.pop(name, None)
        self.child = pexpect.spawn(
            sys.executable, ["-m", "mydocker", "shell", *words],
            cwd=str(command.directory), env=env, encoding="utf-8", timeout=40, dimensions=(30, 100),
        )  # fmt: skip

    def sees(self, pattern: str) -> str:
        """Wait for a pattern and return all that came before it, without escapes."""
        self.child.expect(pattern)
        return _ESCAPES.sub("", self.child.before)

    def types(self, text: str) -> None:
        self.child.send(text)

    def enters(self, line: str) -> None:
        self.child.sendline(line)

    def leaves(self, line: str = "exit") -> int:
        self.enters(line)
        self.child.expect(pexpect.EOF)
        self.child.close()
        assert self.child.exitstatus is not None
        return int(self.child.exitstatus)


Opener = Callable[..., Typist]


@pytest.fixture
def typist(mydocker: CommandLine, tmp_path: Path) -> Iterator[Opener]:
    mydocker("buildBase", "-q")
    open_ones: list[Typist] = []

    def start(*words: str) -> Typist:
        open_ones.append(Typist(mydocker, tmp_path / "home", *words))
        return open_ones[-1]

    yield start
    for each in open_ones:
        each.child.close(force=True)


def test_the_prompt_counts_what_runs_and_tells_what_has_ended(mydocker: CommandLine, typist: Opener) -> None:
    shell = typist()
    shell.sees(_IDLE)
    shell.enters("run -d -name short base sleep 3")
    shell.sees(_BUSY)
    shell.sees(r"container short has ended \(0\)")
    shell.sees(_IDLE)
    assert shell.leaves("exit 7") == 7


def test_a_store_that_the_shell_made_is_watched_too(
    mydocker: CommandLine, typist: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(mydocker.env, "MYDOCKER_ROOT", str(mydocker.root.parent / "another"))
    shell = typist()
    shell.sees(_IDLE)
    shell.enters("buildBase")
    shell.sees(_IDLE)
    shell.enters("run -d --rm -name short base sleep 2")
    shell.sees(_BUSY)
    shell.sees(r"container short has ended \(0\)")
    assert shell.leaves() == 0


def test_a_terminal_is_handed_over_and_taken_back(mydocker: CommandLine, typist: Opener) -> None:
    shell = typist()
    shell.sees(_IDLE)
    shell.enters("run -ti -name box base sh")
    shell.sees("/ # ")
    shell.enters("tty; stty size; exit 5")
    shell.sees("30 100")
    shell.sees(_IDLE)
    shell.enters("run -d -name web base sleep 100")
    shell.sees(_BUSY)
    for _ in range(2):
        shell.enters("exec -ti web sh")
        shell.sees("/ # ")
        shell.enters("echo in$((1 + 1))side; exit")
        shell.sees("in2side")
        shell.sees(_BUSY)
    shell.enters("remove -f web box")
    shell.sees(_IDLE)
    shell.enters("!stty -a")
    settings = shell.sees(" echo ").replace("\r\n", " ")
    for word in (" icanon", " isig", " opost", " icrnl"):
        assert word in settings
    shell.sees(_IDLE)
    assert shell.leaves() == 0


def test_ctrl_c_ends_the_command_and_not_the_shell(mydocker: CommandLine, typist: Opener) -> None:
    mydocker("run", "-d", "-name", "web", "base", "sh", "-c", "echo ready; sleep 100")
    shell = typist()
    shell.sees(_BUSY)
    shell.enters("logs -f web")
    shell.sees("ready")
    shell.types("\x03")
    shell.sees(_BUSY)
    shell.enters("stats")
    shell.sees("PIDS")
    shell.types("\x03")
    shell.sees(_BUSY)
    shell.types("half a line\x03")
    shell.sees(_BUSY)
    shell.enters("run base sh -c 'trap \"echo caught; exit\" INT; echo set; while :; do sleep 0.1; done'")
    shell.sees("set\r\n")
    shell.types("\x03")
    shell.sees("caught")
    shell.sees(_BUSY)
    shell.enters("remove -f web")
    shell.sees(_IDLE)
    assert shell.leaves("\x04") == 0


def test_tab_completes(mydocker: CommandLine, typist: Opener) -> None:
    mydocker("run", "-d", "-name", "website", "base", "sleep", "100")
    (mydocker.directory / "letter.txt").write_text("hello\n")
    shell = typist()
    shell.sees(_BUSY)
    for typed, printed in (
        ("buildB\t--nam\tone -q\n", "sha256:"),
        ("exec web\techo found\n", "found\r\n"),
        ("cp let\tweb\t/tm\t\n", _BUSY),
        ("exec web\tcat /tmp/le\t\n", "hello\r\n"),
        ("cp web\t/tmp/le\tcopy.txt\n", _BUSY),
    ):
        for part in re.split(r"(?<=\t)", typed.rstrip("\n")):
            shell.types(part)
            if part.endswith("\t"):
                time.sleep(0.4)
        shell.types("\r")
        shell.sees(printed)
    shell.enters("remove -f website")
    shell.sees(_IDLE)
    assert shell.leaves() == 0
    assert (mydocker.directory / "copy.txt").read_text() == "hello\n"


def test_lines_are_remembered_for_their_owner_alone(mydocker: CommandLine, typist: Opener, tmp_path: Path) -> None:
    shell = typist()
    shell.sees(_IDLE)
    shell.enters("images --tree")
    shell.sees("OWN")
    shell.sees(_IDLE)
    assert shell.leaves() == 0
    history = tmp_path / "home/.local/state/mydocker/shell-history"
    assert history.stat().st_mode & 0o777 == 0o600
    again = typist()
    again.sees(_IDLE)
    again.types("\x12--tr")
    again.sees("reverse-i-search.*ee")
    again.types("\r\r")
    again.sees("OWN")
    again.sees(_IDLE)
    again.enters("history base")
    again.sees("buildBase")
    again.enters("recall base")
    again.sees("history base")
    again.enters("recall --all tree")
    again.sees("images --tree")
    again.sees(_IDLE)
    assert again.leaves() == 0


def test_two_shells_keep_each_others_lines(typist: Opener, tmp_path: Path) -> None:
    one, other = typist(), typist()
    for shell, line in ((one, "images --digests"), (other, "df --format json")):
        shell.sees(_IDLE)
        shell.enters(line)
        shell.sees(_IDLE)
    assert one.leaves() == 0
    assert other.leaves() == 0
    last = typist()
    last.sees(_IDLE)
    last.enters("recall --all")
    last.sees("images --digests")
    last.sees("df --format json")
    last.enters("recall --clear")
    last.sees(_IDLE)
    assert last.leaves() == 0
    assert (tmp_path / "home/.local/state/mydocker/shell-history").stat().st_mode & 0o777 == 0o600


def test_the_startup_script_is_read_first(mydocker: CommandLine, typist: Opener, tmp_path: Path) -> None:
    script = tmp_path / "home/.config/mydocker/shellrc"
    script.parent.mkdir(parents=True)
    script.write_text("alias create i images -q\n")
    shell = typist()
    shell.sees(_IDLE)
    shell.enters("i")
    shell.sees(r"[0-9a-f]{12}\r")
    assert shell.leaves() == 0
    without = typist("--no-startup")
    without.sees(_IDLE)
    without.enters("i")
    without.sees("there is no command 'i'")
    assert without.leaves() == 0


def test_a_background_line_reports_its_end(mydocker: CommandLine, typist: Opener) -> None:
    (mydocker.directory / "Dockerfile").write_text("FROM base\nRUN sleep 1\n")
    shell = typist()
    shell.sees(_IDLE)
    shell.enters("build -t slow:1 . &")
    shell.sees(r"\[1\] \d+")
    shell.sees(r"\[1\] ended \(0\): build -t slow:1 \.")
    shell.enters("jobs 1")
    shell.sees("RUN sleep 1")
    assert shell.leaves() == 0


def test_a_hangup_ends_the_shell_and_what_ran_in_it(mydocker: CommandLine, typist: Opener) -> None:
    shell = typist()
    shell.sees(_IDLE)
    shell.enters("run -name box base sleep 100")
    shell.child.expect(pexpect.TIMEOUT, timeout=1.5)
    with contextlib.suppress(pexpect.ExceptionPexpect):  # it is slower to end than pexpect is patient
        shell.child.close(force=False)
    deadline = time.monotonic() + 10
    while "running" in mydocker("ps") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert "exited" in mydocker("ps")
    with contextlib.suppress(ChildProcessError):
        os.waitpid(shell.child.pid, 0)
