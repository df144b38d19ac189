"""Flags that ask for what is not there are refused, never taken and forgotten."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--security-opt", "apparmor=strict"], "apparmor=strict"),
        (["--security-opt", "label=type:x"], "label=type:x"),
        (["--security-opt", "seccomp=profile.json"], "includes"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_cannot_be_done_is_refused(mydocker: CommandLine, words: list[str], said: str) -> None:
    rules = [{"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}}]
    profile = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules}
    (mydocker.directory / "profile.json").write_text(json.dumps(profile))
    done = mydocker.run("run", *words, "-image", "base", "true")
    assert done.returncode == 125
    assert said in done.stderr
    assert len(mydocker("ps").splitlines()) == 1


def test_words_that_ask_to_go_without_are_taken(mydocker: CommandLine) -> None:
    words = ["--security-opt", "apparmor=unconfined", "--security-opt", "label=disable"]
    assert mydocker("run", *words, "-image", "base", "echo", "fine") == "fine\n"
