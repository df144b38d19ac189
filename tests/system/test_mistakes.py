"""Bad input: one or two lines that say what, why and what to do, a fitting exit status, nothing half-made left."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["run", "-image", "nosuch", "true"], 125, "no image 'nosuch'"),
        (["run", "-image", "base", "/no/such/program"], 127, "/no/such/program"),
        (["run", "-image", "base", "nosuchprogram"], 127, "nosuchprogram"),
        (["run", "-image", "base", "/etc/passwd"], 126, "/etc/passwd"),
        (["run", "-image", "base", "/tmp"], 126, "/tmp"),
        (["run", "--colour", "-image", "base", "true"], 125, "--colour"),
        (["run", "-name", "no/slash", "-image", "base", "true"], 125, "no/slash"),
        (["run", "-m", "lots", "-image", "base", "true"], 125, "lots"),
        (["run", "-v", "nonsense", "-image", "base", "true"], 125, "nonsense"),
        (["run", "-w", "relative", "-image", "base", "true"], 125, "relative"),
        (["run", "-u", "nosuch", "-image", "base", "true"], 125, "nosuch"),
        (["run", "-net", "nosuchnet", "-image", "base", "true"], 125, "nosuchnet"),
        (["run"], 125, "image"),
        (["run", "-d", "-image", "base", "nosuchprogram"], 127, "nosuchprogram"),
        (["exec", "nosuch", "true"], 1, "no such container: nosuch"),
        (["logs", "nosuch"], 1, "no such container: nosuch"),
        (["stop", "nosuch"], 1, "no such container: nosuch"),
        (["remove", "nosuch"], 1, "no such container: nosuch"),
        (["save", "-o", "x.tar", "-c", "nosuch"], 1, "no such container: nosuch"),
        (["save", "-o", "x.tar", "nosuch"], 1, "nosuch"),
        (["save", "-o", "x.tar"], 125, "IMAGE"),
        (["buildBase", "nosuch.tar"], 1, "nosuch.tar"),
        (["build", "-f", "nosuchfile"], 1, "nosuchfile"),
        (["build", "-t", "Bad:Name:1"], 125, "Bad:Name:1"),
        (["nosuchcommand"], 125, "nosuchcommand"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_mistakes(mydocker: CommandLine, words: list[str], status: int, said: str) -> None:
    mydocker("buildBase", "-q")
    done = mydocker.run(*words)
    assert done.returncode == status, done.stderr
    assert said in done.stderr
    assert done.stdout == ""
    assert 1 <= len(done.stderr.splitlines()) <= 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "defect" not in done.stderr
    assert mydocker.leftovers() == []
    assert not (mydocker.directory / "x.tar").exists()


def test_a_traceback_only_with_debug(mydocker: CommandLine) -> None:
    done = mydocker.run("--debug", "logs", "nosuch")
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-2].startswith("mydocker: no such container: nosuch")


def test_a_name_that_is_taken(mydocker: CommandLine) -> None:
    mydocker("run", "-name", "one", "-image", "base", "true")
    done = mydocker.run("run", "-name", "one", "-image", "base", "true")
    assert done.returncode == 125
    assert done.stderr.startswith("mydocker: the name one is taken")
    assert len(mydocker("ps").splitlines()) == 2


def test_a_running_container_is_not_removed_without_force(mydocker: CommandLine) -> None:
    mydocker("run", "-d", "-name", "one", "-image", "base", "sleep", "99")
    done = mydocker.run("remove", "one")
    assert done.returncode == 1
    assert "it is running" in done.stderr
    assert "running" in mydocker("ps")
    mydocker("remove", "--force", "one")
    assert len(mydocker("ps").splitlines()) == 1


def test_what_a_container_ends_with_is_passed_on(mydocker: CommandLine) -> None:
    assert mydocker.run("run", "-image", "base", "sh", "-c", "exit 42").returncode == 42
    assert mydocker.run("run", "-image", "base", "sh", "-c", "kill -9 $$").returncode in (0, 137)
    mydocker("run", "-d", "-name", "one", "-image", "base", "sleep", "99")
    assert mydocker.run("exec", "one", "sh", "-c", "exit 7").returncode == 7
    assert mydocker.run("exec", "one", "nosuchprogram").returncode == 127


@pytest.mark.parametrize("kind", ["plain", "gz"])
def test_an_archive_that_is_cut_short_leaves_nothing(mydocker: CommandLine, kind: str) -> None:
    source = mydocker.directory / "rootfs"
    source.mkdir()
    (source / "big").write_bytes(os.urandom(1 << 20))
    flag = {"plain": "-cf", "gz": "-czf"}[kind]
    subprocess.run(["tar", "-C", source, flag, mydocker.directory / "whole.tar", "."], check=True)
    whole = (mydocker.directory / "whole.tar").read_bytes()
    (mydocker.directory / "cut.tar").write_bytes(whole[: len(whole) // 2])
    done = mydocker.run("buildBase", "cut.tar")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) <= 2
    assert len(mydocker("images").splitlines()) == 1
    assert mydocker.leftovers() == []
    assert list((mydocker.root / "snapshots").iterdir()) == []
    assert list((mydocker.root / "blobs/sha256").iterdir()) == []


def test_without_root_it_says_what_is_missing(mydocker: CommandLine) -> None:
    mydocker("buildBase", "-q")
    mydocker.directory.parent.chmod(0o755)
    words = mydocker.words("run", "base", "true")
    done = subprocess.run(
        # It may read everything, so that the interpreter and this checkout may lie anywhere.
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=+dac_read_search",
         "--ambient-caps=+dac_read_search", *words],
        env={**mydocker.env, "MYDOCKER_ROOT": "/nonexistent/store", "HOME": "/nonexistent"},
        capture_output=True, text=True, cwd="/",
    )  # fmt: skip
    assert done.returncode == 125
    assert "/nonexistent" in done.stderr
    assert len(done.stderr.splitlines()) <= 2
    assert "Traceback" not in done.stderr
