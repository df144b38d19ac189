"""What lint says is a warning of the build, and an error where the file asks for that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root


def build(mydocker: CommandLine, text: str, *words: str) -> tuple[int, str]:
    (mydocker.directory / "Dockerfile").write_text(text)
    done = mydocker.run("build", *words)
    return done.returncode, done.stderr


def test_findings_are_warnings(mydocker: CommandLine) -> None:
    status, said = build(mydocker, "from base\nRUN true\n")
    assert status == 0
    assert "ConsistentInstructionCasing" in said


def test_findings_are_errors_where_the_file_says_so(mydocker: CommandLine) -> None:
    status, said = build(mydocker, "# check=error=true\nfrom base\nRUN true\n")
    assert status == 1
    assert "it asks for them to be errors (check=error=true)" in said
    assert "steps run" not in said


def test_an_unset_variable_is_told_once_and_one_of_the_base_not_at_all(mydocker: CommandLine) -> None:
    status, said = build(mydocker, "FROM base\nENV A=$NOWHERE B=$PATH\n")
    assert status == 0
    assert said.count("NOWHERE") == 1
    assert "PATH" not in said


def test_a_base_for_another_platform_is_told(mydocker: CommandLine) -> None:
    mydocker("buildBase", "-q")
    status, said = build(mydocker, "FROM base\nENV A=1\n", "--platform", "linux/s390x")
    assert status == 0
    assert "InvalidBaseImagePlatform" in said
