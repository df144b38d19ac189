"""`mydocker completion` in the real shells: what TAB makes of an unfinished line."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pexpect
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root

_BASH = """
source <(mydocker completion bash)
COMP_LINE="$1"; COMP_POINT=${#1}; COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:'
complete -p mydocker >/dev/null && _mydocker 2>/dev/null
printf '%s\\n' "${COMPREPLY[@]}"
"""
# Ctrl-T writes the line as it stands, and empties it.
_ZSH = """
fpath=({functions} $fpath)
autoload -U compinit
compinit -u
show() {{ print -r -- "$BUFFER" >> {written}; BUFFER="" }}
zle -N show
bindkey '^T' show
"""


@pytest.fixture
def environment(mydocker: CommandLine, tmp_path: Path) -> dict[str, str]:
    """An environment in which `mydocker` is this one, on a store with the image `base` and the container `website`."""
    mydocker("buildBase", "-q")
    mydocker("run", "-d", "-name", "website", "base", "sleep", "100")
    (mydocker.directory / "letter.txt").write_text("hello\n")
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "mydocker"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m mydocker "$@"\n')
    program.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    return {**mydocker.env, "PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(home), "TERM": "xterm"}


def words(shell: str, line: str, environment: dict[str, str], directory: Path) -> set[str]:
    script = {"bash": _BASH, "fish": "mydocker completion fish | source; complete -C $argv[1]"}[shell]
    command = [shell, "-c", script, *(["bash"] if shell == "bash" else []), line]
    done = subprocess.run(command, env=environment, cwd=directory, capture_output=True, text=True, timeout=60)
    return {text.partition("\t")[0] for text in done.stdout.splitlines() if text}


@pytest.mark.parametrize("shell", [pytest.param(name, marks=pytest.mark.peer(name)) for name in ("bash", "fish")])
def test_bash_and_fish(shell: str, mydocker: CommandLine, environment: dict[str, str]) -> None:
    def completed(line: str) -> set[str]:
        return words(shell, line, environment, mydocker.directory)

    assert completed("mydocker sto") == {"stop"}
    assert completed("mydocker ps --no-tr") == {"--no-trunc"}
    assert completed("mydocker exec web") == {"website"}
    assert completed("mydocker run ba") == {"base"}
    assert completed("mydocker build -f let") == {"letter.txt"}
    assert completed("mydocker ps --format js") == {"json"}
    # Bash replaces what stands behind the last colon, fish the whole word.
    assert completed("mydocker cp website:/etc/host") == (
        {"/etc/hostname", "/etc/hosts"} if shell == "bash" else {"website:/etc/hostname", "website:/etc/hosts"}
    )


@pytest.mark.peer("zsh")
def test_zsh(mydocker: CommandLine, environment: dict[str, str], tmp_path: Path) -> None:
    functions = tmp_path / "functions"
    functions.mkdir()
    (functions / "_mydocker").write_text(mydocker("completion", "zsh"))
    shell = pexpect.spawn(
        "zsh", ["-f", "-i"], env=environment, cwd=str(mydocker.directory), encoding="utf-8", timeout=20,
        dimensions=(30, 120),
    )  # fmt: skip
    written = tmp_path / "lines"
    written.touch()
    start = _ZSH.format(functions=functions, written=written)
    shell.sendline("; ".join(start.strip().splitlines()))
    for number, (typed, expected) in enumerate((
        ("mydocker sto\t", "mydocker stop "),
        ("mydocker exec web\techo in", "mydocker exec website echo in"),
        ("mydocker ps --no-tr\t", "mydocker ps --no-trunc "),
        ("mydocker build -f let\t", "mydocker build -f letter.txt "),
        ("mydocker cp website:/etc/hostn\t", "mydocker cp website:/etc/hostname "),
    ), 1):  # fmt: skip
        shell.send(f"{typed}\x14")
        deadline = time.monotonic() + 20
        while len(written.read_text().splitlines()) < number and time.monotonic() < deadline:
            with contextlib.suppress(pexpect.TIMEOUT):
                shell.read_nonblocking(1000, timeout=0.1)
        assert written.read_text().splitlines()[-1:] == [expected]
    shell.close(force=True)


def test_the_scripts_have_no_mistakes_that_the_shells_find(mydocker: CommandLine) -> None:
    for name in ("bash", "zsh", "fish"):
        if path := shutil.which(name):
            script = mydocker("completion", name)
            done = subprocess.run([path, "-n"], input=script, capture_output=True, text=True)
            assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.peer("mandoc")
def test_the_manual_page_is_well_formed(mydocker: CommandLine) -> None:
    done = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning"], input=mydocker("man"), capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")
