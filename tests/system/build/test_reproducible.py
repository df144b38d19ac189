"""`build --verify-reproducible`: what differs from one build to the next is found and named, with its likely cause."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mydocker.build.request import BuildRequest
from mydocker.engine import Engine
from tasks.samples import sample_folders

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root


_RANDOM = "cat /proc/sys/kernel/random/uuid"


def verify(mydocker: CommandLine, *steps: str) -> str:
    """Verify a build of these lines, which has to fail, and return the message."""
    lines = ["FROM base", "RUN echo the same > /same", *steps]
    (mydocker.directory / "Dockerfile").write_text("\n".join(lines) + "\n")
    done = mydocker.run("build", "-t", "v:1", "--verify-reproducible")
    assert done.returncode == 1, done.stderr
    assert mydocker.leftovers() == []
    assert "v " not in mydocker("images"), "what is not reproducible gets no name"
    return done.stderr[done.stderr.index("mydocker: ") :]


def test_the_clock_is_named(mydocker: CommandLine) -> None:
    said = verify(mydocker, "RUN touch /x; tar -cf /f.tar /x; rm /x")
    assert "Dockerfile:3:1: step 0 2/2 is not reproducible" in said
    assert "/f.tar differs in its content; likely cause: time (it has the time of the build in it, as tar" in said
    assert "    RUN touch /x; tar -cf /f.tar /x; rm /x\n    ^^^" in said
    assert "SOURCE_DATE_EPOCH" in said


def test_randomness_is_named(mydocker: CommandLine) -> None:
    said = verify(mydocker, "RUN mktemp -d /tmp/XXXXXXXX")
    assert "is in one build only; likely cause: random (" in said


def test_the_order_of_directories_is_named(mydocker: CommandLine) -> None:
    made = "RUN mkdir /d; for i in 9 2 7 1 8 3 6 5 4 a f b e c d; do echo > /d/file-$i; done"
    said = verify(mydocker, made, "RUN find /d -type f > /list")
    assert "step 0 3/3 is not reproducible: /list differs in its content; likely cause: order (" in said
    assert "LC_ALL=C" in said


def test_facts_of_the_host_are_named(mydocker: CommandLine) -> None:
    said = verify(mydocker, "RUN grep /etc/hosts /proc/self/mountinfo > /mounts")
    assert "/mounts differs in its content; likely cause: host data (it has a path of the host in it)" in said


def test_the_first_step_that_differs_is_named_not_what_follows_from_it(mydocker: CommandLine) -> None:
    (mydocker.directory / "Dockerfile").write_text(
        f"FROM base AS early\nRUN {_RANDOM} > /n\nFROM base\nCOPY --from=early /n /n\nRUN cat /n > /m\n"
    )
    done = mydocker.run("build", "--verify-reproducible")
    assert "Dockerfile:2:1: step early 1/1 is not reproducible" in done.stderr


def test_what_differs_but_is_not_in_the_image_is_only_mentioned(mydocker: CommandLine) -> None:
    (mydocker.directory / "Dockerfile").write_text(
        f"FROM base AS early\nRUN {_RANDOM} > /n; echo 1 > /1\nFROM base\nCOPY --from=early /1 /1\n"
    )
    done = mydocker.run("build", "-t", "v:1", "--verify-reproducible", "--secret", "id=none,env=HOME")
    assert done.returncode == 0, done.stderr
    assert "step early 1/1 differs from one build to the other, but nothing of it is in the image" in done.stderr
    assert "reproducible: both builds gave sha256:" in done.stderr
    assert "0 steps run, 2 found in the cache" in done.stderr
    assert mydocker.leftovers() == []


def test_a_build_that_fails_elsewhere_says_so(mydocker: CommandLine) -> None:
    (mydocker.directory / "Dockerfile").write_text(
        'FROM base\nRUN --mount=type=cache,target=/c test "$(cut -d. -f1 /proc/uptime)" -lt 1000000\n'
    )
    done = mydocker.run("build", "--verify-reproducible")
    assert done.returncode == 1
    assert "the build fails under other conditions: the command ended with exit status 1" in done.stderr
    assert mydocker.leftovers() == []


def test_a_context_from_standard_input_is_read_once(mydocker: CommandLine) -> None:
    done = mydocker.run("build", "--verify-reproducible", "-", stdin="FROM base\nRUN echo 1 > /1\n")
    assert done.returncode == 0, done.stderr
    assert "reproducible: both builds gave" in done.stderr


def test_every_sample_is_reproducible(tmp_path: Path) -> None:
    engine = Engine(str(tmp_path / "store"))
    for folder in sample_folders():
        assert engine.verify_reproducible(BuildRequest(str(folder))).hidden == (), folder.name
