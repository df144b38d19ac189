"""Builds that fail, are interrupted or are killed: what is said, and what is left."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root


def write(mydocker: CommandLine, dockerfile: str) -> None:
    (mydocker.directory / "Dockerfile").write_text(dockerfile)


def processes(marker: str) -> list[int]:
    """Return the processes whose command line has `marker`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if marker.encode() in words:
                found.append(int(entry.name))
    return found


def wait_for(what: object, seconds: float = 10) -> bool:
    assert callable(what)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if what():
            return True
        time.sleep(0.02)
    return False


def test_a_failing_step_shows_its_output_its_line_and_its_status(mydocker: CommandLine) -> None:
    write(mydocker, "FROM base\nRUN true\nRUN echo it broke >&2; exit 3\n")
    done = mydocker.run("build", "-t", "never:1")
    assert done.returncode == 1
    assert "it broke" in done.stderr
    assert "Dockerfile:3" in done.stderr
    assert "RUN echo it broke >&2; exit 3" in done.stderr
    assert "exit status 3" in done.stderr
    assert "never" not in mydocker("images")
    assert mydocker.leftovers() == []


def test_what_was_finished_before_a_failure_is_found_the_next_time(mydocker: CommandLine) -> None:
    write(mydocker, "FROM base\nRUN touch /one\nRUN false\n")
    assert mydocker.run("build").returncode == 1
    write(mydocker, "FROM base\nRUN touch /one\nRUN true\n")
    assert "1 steps run, 1 found in the cache" in mydocker.run("build").stderr


@pytest.mark.parametrize(
    ("dockerfile", "words"),
    [
        ("FROM base\nCOPY missing /\n", ["Dockerfile:2", "'missing' is not in the build context"]),
        ("FROM nosuchimage:1\n", ["Dockerfile:1", "nosuchimage:1"]),
        ("FROM base\nRUM true\n", ["Dockerfile:2:1", "RUM", "did you mean RUN?"]),
        ("FROM base\nCOPY --from=two /a /a\n", ["Dockerfile:2", "two"]),
        ("FROM base AS a\nCOPY --from=b /x /x\nFROM base AS b\nCOPY --from=a /x /x\n", ["circle"]),
        ("FROM base\nRUN --security=insecure true\n", ["--allow security.insecure"]),
        ("FROM base\nUSER nosuch\nRUN true\n", ["nosuch"]),
        ("FROM base\nRUN [\"/no/such/program\"]\n", ["/no/such/program"]),
        ("FROM base\nADD --checksum=sha256:12 http://127.0.0.1:9/x /x\n", ["--checksum"]),
        ("FROM base\nADD http://127.0.0.1:9/x /x\n", ["cannot fetch http://127.0.0.1:9/x"]),
        ("", ["no instructions", "begin with FROM"]),
    ],
)  # fmt: skip
def test_mistakes_are_explained_in_a_few_lines(mydocker: CommandLine, dockerfile: str, words: list[str]) -> None:
    write(mydocker, dockerfile)
    done = mydocker.run("build", "-t", "never:1")
    assert done.returncode in (1, 125)
    for word in words:
        assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert "defect" not in done.stderr
    assert "never" not in mydocker("images")


def test_no_dockerfile(mydocker: CommandLine) -> None:
    done = mydocker.run("build")
    assert done.returncode == 1
    assert done.stderr.startswith("mydocker: there is no Dockerfile in the current directory\nhint: ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("jobs", ["1", "4"])
def test_an_interrupted_build_leaves_nothing(mydocker: CommandLine, number: signal.Signals, jobs: str) -> None:
    mydocker("buildBase")
    write(mydocker, "FROM base AS a\nRUN sleep 86.1\nFROM base AS b\nRUN sleep 86.1\nFROM a\nCOPY --from=b / /\n")
    build = mydocker.start("build", "-j", jobs)
    assert wait_for(lambda: any(Path(f"/proc/{pid}/comm").read_text() == "sleep\n" for pid in processes("86.1")))
    build.send_signal(number)
    assert build.wait(30) == 128 + number
    assert wait_for(lambda: not processes("86.1"))
    assert mydocker.leftovers() == []
    build.communicate()


def test_what_a_killed_build_leaves_is_cleared_by_the_next_command(mydocker: CommandLine) -> None:
    mydocker("buildBase")
    write(mydocker, "FROM base\nRUN touch /done\nRUN sleep 86.2\n")
    build = mydocker.start("build")
    assert wait_for(lambda: any(Path(f"/proc/{pid}/comm").read_text() == "sleep\n" for pid in processes("86.2")))
    build.kill()
    build.communicate()
    assert wait_for(lambda: not processes("86.2")), "the container has to die with its builder"
    mydocker("ps")
    assert mydocker.leftovers() == []
    write(mydocker, "FROM base\nRUN touch /done\nRUN true\n")
    assert "1 steps run, 1 found in the cache" in mydocker.run("build").stderr
