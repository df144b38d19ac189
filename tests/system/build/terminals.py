"""A terminal for tests: commands run on it, and what they show is read."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
from typing import TYPE_CHECKING

from mydocker.runtime.terminal import set_size

if TYPE_CHECKING:
    from tests.system.conftest import CommandLine


def on_a_terminal(mydocker: CommandLine, *words: str, keys: bytes = b"", interrupt_at: bytes = b"") -> tuple[int, str]:
    """Run a command whose streams are a terminal of 24 x 100; return its status and everything that was shown.

    `keys` are typed at once; the command is interrupted as soon as it has shown `interrupt_at`.
    """
    master, slave = pty.openpty()
    set_size(slave, 24, 100)
    process = subprocess.Popen(
        mydocker.words(*words), cwd=mydocker.directory, env={**mydocker.env, "TERM": "xterm"},
        stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    os.write(master, keys)
    shown = b""
    while True:
        try:
            block = os.read(master, 65536)
        except OSError:  # EIO: nobody has the terminal open any more
            break
        shown += block
        if interrupt_at and interrupt_at in shown:
            process.send_signal(signal.SIGINT)
            interrupt_at = b""
    os.close(master)
    return process.wait(30), shown.decode(errors="replace")


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "")
