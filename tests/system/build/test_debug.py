"""Going where a step failed: the same files, mounts, variables, directory and user."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.system.build.terminals import on_a_terminal, plain

if TYPE_CHECKING:
    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root

_DOCKERFILE = """\
FROM base AS tools
RUN mkdir /t && echo tool > /t/tool
FROM base
ENV KIND=mine
ARG WHICH=this
RUN echo worker:x:12:12::/:/bin/sh >> /etc/passwd; mkdir -m 777 /work
WORKDIR /work
USER worker
RUN --mount=type=bind,target=/ctx \\
    --mount=type=bind,from=tools,source=/t,target=/t \\
    --mount=type=tmpfs,target=/scratch \\
    --mount=type=secret,id=key,mode=0444,required=true \\
    echo half > made; test -e /nowhere
"""


@pytest.fixture
def failed(mydocker: CommandLine) -> str:
    """The id of a build that failed."""
    (mydocker.directory / "Dockerfile").write_text(_DOCKERFILE)
    (mydocker.directory / "file").write_text("from the context")
    (mydocker.directory / "key").write_text("topsecretvalue")
    (mydocker.directory / ".dockerignore").write_text("key")
    done = mydocker.run("build", "--secret", "id=key,src=key")
    assert done.returncode == 1
    found = re.search(r"hint: `mydocker debug ([0-9a-f]{12})` opens a shell where it failed", done.stderr)
    assert found, done.stderr
    return found[1]


def test_everything_is_as_the_failing_step_saw_it(mydocker: CommandLine, failed: str) -> None:
    (mydocker.directory / "file").write_text("changed after the failure")
    command = (
        'pwd; id -u; cat made /ctx/file /t/tool; echo " $KIND $WHICH $TZ $SOURCE_DATE_EPOCH $(hostname)"; df /scratch'
    )
    done = mydocker.run("debug", "-c", command, "--secret", "id=key,src=key")
    assert done.stdout.startswith("/work\n12\nhalf\nfrom the contexttool\n mine this UTC 0 mydocker\n")
    assert "tmpfs" in done.stdout
    assert mydocker("debug", failed[:6], "-c", "cat /run/secrets/key", "--secret", "id=key,src=key") == "topsecretvalue"
    assert mydocker.leftovers() == []


def test_a_secret_that_is_not_given_again_is_missing_and_named(mydocker: CommandLine, failed: str) -> None:
    done = mydocker.run("debug", "-c", "test ! -e /run/secrets/key")
    assert done.returncode == 0
    assert "the secret key is not there" in done.stderr


def test_every_visit_finds_the_same_and_gives_its_status(mydocker: CommandLine, failed: str) -> None:
    for _ in range(2):
        done = mydocker.run("debug", "-c", "cat made; echo more > made; rm -r /tmp; touch here; exit 7")
        assert (done.returncode, done.stdout) == (7, "half\n")
    assert mydocker("debug", "-c", "ls") == "made\n"


def test_commands_may_come_from_a_pipe(mydocker: CommandLine, failed: str) -> None:
    done = mydocker.run("debug", stdin="cat made\nexit 5\n")
    assert (done.returncode, done.stdout) == (5, "half\n")


def test_a_terminal_gets_a_shell(mydocker: CommandLine, failed: str) -> None:
    status, shown = on_a_terminal(mydocker, "debug", keys=b"cat made; tty; stty size; exit 6\n")
    assert status == 6
    assert "half\n/dev/pts/0\n24 100\n" in plain(shown)
    assert mydocker.leftovers() == []


def test_build_with_debug_opens_a_shell_at_once_with_the_secrets(mydocker: CommandLine) -> None:
    (mydocker.directory / "Dockerfile").write_text(
        "FROM base\nRUN --mount=type=secret,id=key echo half > /made; exit 3\n"
    )
    (mydocker.directory / "key").write_text("topsecretvalue")
    words = ("build", "--debug", "--secret", "id=key,src=key")
    status, shown = on_a_terminal(mydocker, *words, keys=b"cat /made; wc -c < /run/secrets/key; exit\n")
    assert status == 1, "the build has failed, whatever the shell says"
    read = plain(shown)
    assert "exit status 3" in read
    assert "half\n14\n" in read
    done = mydocker.run(*words)
    assert done.returncode == 1
    assert "hint: `mydocker debug" in done.stderr, "without a terminal there is nobody to ask"


def test_a_step_that_copies_nothing_can_be_looked_at_too(mydocker: CommandLine) -> None:
    (mydocker.directory / "Dockerfile").write_text("FROM base\nRUN echo there > /x\nWORKDIR /w\nCOPY missing /y\n")
    assert mydocker.run("build").returncode == 1
    assert mydocker("debug", "-c", "cat /x; pwd") == "there\n/w\n"


def test_nothing_is_kept_of_a_step_that_wrote_a_secret_down(mydocker: CommandLine) -> None:
    (mydocker.directory / "Dockerfile").write_text(
        "FROM base\nRUN --mount=type=secret,id=key base64 < /run/secrets/key > /leak; exit 1\n"
    )
    (mydocker.directory / "key").write_text("topsecretvalue")
    done = mydocker.run("build", "--secret", "id=key,src=key")
    assert "the secret key would be in the image" in done.stderr
    assert "mydocker debug" not in done.stderr
    assert mydocker.run("debug", "-c", "true").stderr.startswith("mydocker: no failed build is kept")


def test_a_kept_failure_has_no_secret_in_it(mydocker: CommandLine, failed: str) -> None:
    for path in mydocker.root.rglob("*"):
        if path.is_file():
            assert b"topsecretvalue" not in path.read_bytes(), path


def test_the_last_three_failures_are_kept_until_the_cache_is_pruned(mydocker: CommandLine) -> None:
    for number in range(5):
        (mydocker.directory / "Dockerfile").write_text(f"FROM base\nRUN echo {number} > /n; exit 1\n")
        assert mydocker.run("build").returncode == 1
    kept = sorted(path.name for path in (mydocker.root / "failures").iterdir())
    assert len(kept) == 3
    assert sorted(mydocker("debug", name, "-c", "cat /n") for name in kept) == ["2\n", "3\n", "4\n"]
    assert mydocker("debug", "-c", "cat /n") == "4\n"
    mydocker("prune", "--cache")
    assert mydocker.run("debug").returncode == 1
    assert list((mydocker.root / "failures").iterdir()) == []


def test_an_interrupted_build_is_no_failure_to_look_into(mydocker: CommandLine) -> None:
    mydocker("buildBase")
    (mydocker.directory / "Dockerfile").write_text("FROM base\nRUN echo begun; sleep 86.3\n")
    build = mydocker.start("build", "-j", "2")
    assert build.stderr is not None
    while "begun" not in build.stderr.readline():
        pass
    build.terminate()
    build.communicate(timeout=30)
    assert mydocker.run("debug", "-c", "true").stderr.startswith("mydocker: no failed build is kept")


def test_a_failure_that_cannot_be_kept_is_told_all_the_same(mydocker: CommandLine) -> None:
    mydocker("buildBase")
    (mydocker.root / "failures").write_text("no directory")
    (mydocker.directory / "Dockerfile").write_text("FROM base\nRUN exit 3\n")
    done = mydocker.run("build")
    assert done.returncode == 1
    assert "warning: what the step wrote cannot be kept: " in done.stderr
    assert "Dockerfile:2:1: the command ended with exit status 3" in done.stderr
    assert "mydocker debug" not in done.stderr
    assert mydocker.leftovers() == []
