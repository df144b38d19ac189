"""Containers on a terminal: `run -ti`, detaching, attaching, window sizes, a terminal that closes."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import termios
import time
from typing import TYPE_CHECKING

import pytest

from tests.system.runtime.test_lifecycle import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root


class Terminal:
    """A command on a terminal of its own, driven like by a person."""

    def __init__(self, box: CommandLine, *words: str, rows: int = 30, columns: int = 100) -> None:
        words_and_interpreter = box.words(*words)
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.chdir(box.directory)
            os.execve(words_and_interpreter[0], words_and_interpreter, box.env)
        self.resize(rows, columns)
        self.shown = b""
        self.status: int | None = None

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def read_until(self, text: bytes, seconds: float = 10.0) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.shown:
            ready, _, _ = select.select([self.master], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{text!r} was not shown, but {self.shown!r}"
            try:
                data = os.read(self.master, 65536)
            except OSError:
                data = b""
            assert data, f"{text!r} was not shown, but {self.shown!r}"
            self.shown += data

    def wait(self) -> int:
        """Read what is left and return the exit status."""
        while True:
            try:
                data = os.read(self.master, 65536)
            except OSError:
                break
            if not data:
                break
            self.shown += data
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status

    def close(self) -> None:
        if self.master >= 0:
            os.close(self.master)
            self.master = -1
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


@pytest.fixture
def shell(box: CommandLine) -> Iterator[Terminal]:
    """`run -ti` of a shell called `shell`, at its prompt."""
    terminal = Terminal(box, "run", "-ti", "--name", "shell", "base", "sh")
    try:
        terminal.read_until(b"# ")
        yield terminal
    finally:
        terminal.close()


def _state(box: CommandLine) -> dict[str, object]:
    found: dict[str, object] = json.loads(box("inspect", "shell"))[0]["state"]
    return found


def test_keys_screen_size_and_exit_status(shell: Terminal) -> None:
    shell.type(b"tty; stty size; echo $TERM\n")
    shell.read_until(b"/dev/pts/0\r\n30 100\r\nxterm\r\n")
    shell.resize(50, 132)
    time.sleep(0.2)
    shell.type(b"stty size\n")
    shell.read_until(b"50 132")
    shell.type(b"exit 3\n")
    assert shell.wait() == 3


def test_job_control_belongs_to_the_container(shell: Terminal) -> None:
    shell.type(b"sleep 100\n")
    time.sleep(0.2)
    shell.type(b"\x03")
    shell.type(b"echo status $?\n")
    shell.read_until(b"status 130")
    shell.type(b"exit\n")
    shell.wait()


def test_detach_and_attach(box: CommandLine, shell: Terminal) -> None:
    shell.type(b"X=kept\n")
    shell.read_until(b"# ")
    shell.type(b"\x10\x11")
    assert shell.wait() == 0
    assert _state(box)["status"] == "running"
    again = Terminal(box, "attach", "shell")
    try:
        again.type(b"echo is $X\n")
        again.read_until(b"is kept")
        again.type(b"exit 4\n")
        assert again.wait() == 4
    finally:
        again.close()


def test_other_keys_detach_where_they_are_asked_to(box: CommandLine) -> None:
    terminal = Terminal(box, "run", "-ti", "--name", "shell", "--detach-keys", "ctrl-x,x", "base", "sh")
    try:
        terminal.read_until(b"# ")
        terminal.type(b"\x10\x11")  # the usual ones are keys like any other
        terminal.type(b"\x03\x18y\n")
        terminal.type(b"echo still $((40+2))\n")
        terminal.read_until(b"still 42")
        terminal.type(b"\x18x")
        assert terminal.wait() == 0
        assert _state(box)["status"] == "running"
    finally:
        terminal.close()


def test_a_job_is_stopped_and_taken_up_again(shell: Terminal) -> None:
    shell.type(b"sleep 1; echo over\n")
    time.sleep(0.3)
    shell.type(b"\x1a")
    shell.read_until(b"Stopped")
    shell.type(b"fg; echo taken up\n")
    shell.read_until(b"taken up\r\n")
    shell.type(b"exit\n")
    assert shell.wait() == 0


def test_nothing_is_lost_however_fast_the_program_ends(box: CommandLine) -> None:
    for _ in range(5):
        terminal = Terminal(box, "run", "--rm", "-ti", "base", "seq", "5000")
        terminal.wait()
        assert terminal.shown.split() == [b"%d" % number for number in range(1, 5001)]


def test_start_attaches_to_the_terminal_that_create_asked_for(box: CommandLine) -> None:
    box("create", "-ti", "--name", "shell", "base", "sh")
    terminal = Terminal(box, "start", "-ai", "shell")
    try:
        terminal.read_until(b"# ")
        terminal.type(b"stty size; exit 8\n")
        assert terminal.wait() == 8
        assert b"30 100" in terminal.shown
    finally:
        terminal.close()


def test_the_terminal_is_as_before_afterwards(box: CommandLine) -> None:
    line = " ".join(box.words("run", "--rm", "-ti", "base", "true"))
    terminal = Terminal(box, "--version")
    terminal.wait()
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(box.directory)
        os.execve("/bin/sh", ["sh", "-c", f"stty -a > before; {line}; stty -a > after"], box.env)
    while True:
        try:
            if not os.read(master, 4096):
                break
        except OSError:
            break
    os.waitpid(pid, 0)
    os.close(master)
    assert (box.directory / "before").read_text() == (box.directory / "after").read_text()


def test_a_terminal_that_closes_ends_the_container(box: CommandLine, shell: Terminal) -> None:
    os.close(shell.master)
    shell.master = -1
    until(lambda: _state(box)["status"] == "exited")


def test_a_starter_that_is_killed_takes_the_container_along(box: CommandLine, shell: Terminal) -> None:
    os.kill(shell.pid, signal.SIGKILL)
    until(lambda: _state(box)["status"] == "exited")


def test_exec_on_a_terminal(box: CommandLine) -> None:
    box("run", "-d", "--name", "shell", "base", "sleep", "60")
    terminal = Terminal(box, "exec", "-ti", "shell", "sh")
    try:
        terminal.read_until(b"# ")
        terminal.type(b"tty; exit 5\n")
        assert terminal.wait() == 5
        assert b"/dev/pts/" in terminal.shown
    finally:
        terminal.close()


def test_a_container_in_the_background_with_a_terminal_can_be_attached(box: CommandLine) -> None:
    box("run", "-d", "-ti", "--name", "shell", "base", "sh")
    terminal = Terminal(box, "attach", "shell")
    try:
        terminal.type(b"echo $((6*7))\n")
        terminal.read_until(b"42")
        terminal.type(b"exit\n")
        assert terminal.wait() == 0
    finally:
        terminal.close()
