"""The shell without a terminal: lines, scripts and pipes, as in CI; transcripts say what they print."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root

_PROMPT = "mydocker> "
_TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))


@pytest.mark.parametrize("transcript", _TRANSCRIPTS, ids=lambda path: path.stem)
def test_transcript(mydocker: CommandLine, transcript: Path) -> None:
    """A transcript has lines behind the prompt and what they print; /.../ in that is a regular expression."""
    text = transcript.read_text()
    typed = [line.removeprefix(_PROMPT) for line in text.splitlines() if line.startswith(_PROMPT)]
    expected = [line for line in text.splitlines() if not line.startswith(_PROMPT)]
    words = [word for line in typed for word in ("-c", line)]
    done = mydocker.run("shell", *words)
    assert "mydocker:" not in done.stderr
    printed = done.stdout.splitlines()
    for wanted, got in zip(expected, printed, strict=False):
        assert re.fullmatch(_pattern(wanted), got), f"{got!r} instead of {wanted!r} in\n{done.stdout}"
    assert len(printed) == len(expected), done.stdout
    assert done.returncode == 0


def _pattern(line: str) -> str:
    parts = re.split(r"/([^/ ]+)/", line)
    return "".join(part if number % 2 else re.escape(part) for number, part in enumerate(parts))


def test_the_status_is_that_of_the_first_line_that_failed(mydocker: CommandLine) -> None:
    mydocker("buildBase", "-q")
    done = mydocker.run("shell", "-c", "run base sh -c 'exit 3'", "-c", "run base echo never")
    assert (done.returncode, done.stdout) == (3, "")
    done = mydocker.run("shell", "-k", "-c", "run base sh -c 'exit 3'", "-c", "run base echo still")
    assert (done.returncode, done.stdout) == (3, "still\n")


@pytest.mark.parametrize(
    ("line", "status", "message"),
    [
        ("pss", 125, "did you mean 'ps'?"),
        ("ps --fromat json", 125, "did you mean --format?"),
        ("logs nobody", 1, "nobody"),
        ("history", 125, "'recall' lists"),
        ("exit 300", 125, "not an exit status"),
        ("jobs 4", 1, "there is no job 4"),
        ("ps 'unclosed", 125, "No closing quotation"),
        ("ps > /nowhere/file", 125, "redirect"),
        ("run_script nowhere", 125, "nowhere"),
        ("images | grep -q nothing-like-it", 1, ""),
    ],
)
def test_mistakes_have_a_status_and_a_message(mydocker: CommandLine, line: str, status: int, message: str) -> None:
    done = mydocker.run("shell", "-c", line)
    assert done.returncode == status
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_script_and_standard_input(mydocker: CommandLine) -> None:
    script = mydocker.directory / "two.mydocker"
    script.write_text("# a comment, then an empty line\n\nbuildBase -q > id.txt\nimages -q\nexit 4\nimages\n")
    done = mydocker.run("shell", str(script))
    assert (done.returncode, done.stdout) == (4, (mydocker.directory / "id.txt").read_text()[7:19] + "\n")
    done = mydocker.run("shell", stdin="images -q\n")
    assert (done.returncode, len(done.stdout)) == (0, 13)
    missing = mydocker.run("shell", "nowhere.mydocker")
    assert (missing.returncode, missing.stderr) == (
        1,
        "mydocker: cannot read nowhere.mydocker: no such file or directory\n",
    )


def test_containers_write_into_pipes_and_files(mydocker: CommandLine) -> None:
    mydocker("buildBase", "-q")
    assert mydocker("shell", "-c", "run base seq 30 | grep 7 | tail -n 1") == "27\n"
    mydocker("shell", "-c", "run base echo one > out.txt", "-c", "run base echo two >> out.txt")
    assert (mydocker.directory / "out.txt").read_text() == "one\ntwo\n"
    done = mydocker.run("shell", "-c", "run base seq 200000 | head -n 1", "-c", "run base echo on")
    assert (done.stdout, done.stderr) == ("1\non\n", "")


def test_an_archive_goes_through_a_pipe_exactly(mydocker: CommandLine) -> None:
    mydocker("buildBase", "-q")
    mydocker("shell", "-c", "run -name one base true", "-c", "save -c one | tar -tf - > names.txt")
    assert "bin/" in (mydocker.directory / "names.txt").read_text().splitlines()


def test_aliases_macros_and_scripts_within(mydocker: CommandLine) -> None:
    mydocker("buildBase", "-q")
    (mydocker.directory / "inner.txt").write_text("i -q\n")
    lines = ["alias create i images", "macro create say run base echo {1}", "run_script inner.txt", "say hello"]
    printed = mydocker("shell", *(word for line in lines for word in ("-c", line)))
    assert re.fullmatch(r"[0-9a-f]{12}\nhello\n", printed.partition("'say' created\n")[2])


def test_a_script_has_the_status_of_its_first_line_that_failed(mydocker: CommandLine) -> None:
    mydocker("buildBase", "-q")
    (mydocker.directory / "inner.txt").write_text("run base sh -c 'exit 3'\nrun base sh -c 'exit 4'\nimages -q\n")
    done = mydocker.run("shell", "-c", "run_script inner.txt", "-c", "run base echo never")
    assert (done.returncode, len(done.stdout)) == (3, 13)


def test_background_lines_are_waited_for_and_shown(mydocker: CommandLine) -> None:
    (mydocker.directory / "Dockerfile").write_text("FROM base\nRUN echo built > /it\n")
    done = mydocker.run("shell", "-c", "build -q -t bg:1 . &", "-c", "jobs")
    assert "running" in done.stdout
    assert re.search(r"sha256:[0-9a-f]{64}\n$", done.stdout)
    assert "bg" in mydocker("images")


def test_a_background_line_that_fails_is_a_failure(mydocker: CommandLine) -> None:
    done = mydocker.run("shell", "-c", "build -q no-such-folder &")
    assert (done.returncode, "no-such-folder" in done.stdout) == (1, True)


def test_a_quoted_ampersand_is_a_word(mydocker: CommandLine) -> None:
    mydocker("buildBase", "-q")
    assert mydocker("shell", "-c", "run --rm base echo a '&'") == "a &\n"


def test_every_command_of_the_command_line_is_there() -> None:
    from mydocker.cli import VERBS
    from mydocker.shell.app import Shell

    shell = Shell("/nonexistent/store")
    for verb in VERBS:
        if verb.name not in ("shell", "complete"):
            assert verb.name in shell.get_all_commands()
            assert verb.hidden or verb.name in shell.get_visible_commands()


def test_an_interrupt_ends_lines_with_its_status(mydocker: CommandLine) -> None:
    import signal
    import time

    mydocker("buildBase", "-q")
    process = mydocker.start("shell", "-c", "run -name napping base sleep 60", "-c", "images")
    deadline = time.monotonic() + 20
    while "running" not in mydocker("ps") and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.2)
    for _ in range(3):  # a sleep without handlers ignores them as process 1: the third means it
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    out, _ = process.communicate(timeout=20)
    assert process.returncode in (130, 137)
    assert out == ""
