"""The documents keep their word: every command in them is run, in order, on a store of its own."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from mydocker.cli import VERBS, find_verb
from mydocker.cli.main import parser_for
from mydocker.errors import NotFound
from tests.conftest import REPOSITORY
from tests.docs.blocks import blocks, commands, fits

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENTS = sorted([*REPOSITORY.glob("README*.md"), *(REPOSITORY / "docs").glob("*.md")])
_RUNNABLE = [each for each in DOCUMENTS if any(block.language in ("sh", "console", "python") for block in blocks(each))]
_MARK = "@@ end of command"
_NAMED = re.compile(r"(?:^ {4,}|`)mydocker ([^`\n]+)", re.MULTILINE)
_LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


@pytest.mark.root
@pytest.mark.parametrize("document", _RUNNABLE, ids=lambda path: path.name)
def test_the_commands_of_a_document(document: Path, tmp_path: Path) -> None:
    found = [each for block in blocks(document) if block.language in ("sh", "console") for each in commands(block)]
    try:
        outputs = _run([each.text for each in found], tmp_path)
        for each, (output, status) in zip(found, outputs, strict=False):
            place = f"{document.name}:{each.line}: {each.text}\n" + "\n".join(output)
            if each.prints is None:
                assert status == 0, place
            else:
                assert fits(each.prints, output), place
        assert len(outputs) == len(found)
        program = "\n".join(block.text for block in blocks(document) if block.language == "python")
        if program:
            (tmp_path / "samples").symlink_to(REPOSITORY / "samples")
            done = subprocess.run(
                ["unshare", "-n", sys.executable, "-c", program],
                cwd=tmp_path,
                env=_environment(tmp_path),
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stderr
    finally:
        _clear(tmp_path)


def _run(texts: list[str], place: Path) -> list[tuple[list[str], int]]:
    """Run commands in one bash, in a network namespace of its own; return what each printed, and its status."""
    script = "".join(f"{text}\necho; echo {shlex.quote(_MARK)} $?\n" for text in ["ip link set lo up", *texts])
    done = subprocess.run(
        ["unshare", "-n", "bash"], input=script, cwd=place, env=_environment(place), text=True, timeout=280,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    found: list[tuple[list[str], int]] = []
    lines: list[str] = []
    for line in done.stdout.splitlines():
        if line.startswith(_MARK):
            if lines and not lines[-1]:
                lines.pop()
            found.append((lines, int(line.removeprefix(_MARK))))
            lines = []
        else:
            lines.append(line)
    return found[1:]


def _environment(place: Path) -> dict[str, str]:
    folder = os.path.dirname(sys.executable)
    env = {name: value for name, value in os.environ.items() if name not in ("SOURCE_DATE_EPOCH", "NO_COLOR")}
    return {**env, "MYDOCKER_ROOT": str(place / "store"), "PATH": f"{folder}:{env['PATH']}", "TZ": "UTC",
            "HOME": str(place / "home"), "CHECKOUT": str(REPOSITORY)}  # fmt: skip


def _clear(place: Path) -> None:
    from mydocker.engine import Engine

    if (place / "store/containers").is_dir():
        engine = Engine(str(place / "store"))
        for container in engine.containers.list():
            engine.containers.remove(container.id, force=True)
        with contextlib.suppress(NotFound):
            engine.ports.stop()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_that_are_only_mentioned_exist(document: Path) -> None:
    for text in _NAMED.findall(document.read_text()):
        name = text.split()[0]
        if not re.fullmatch(r"[a-zA-Z]+", name) or name.isupper():
            continue
        verb = find_verb(name)
        assert verb is not None, f"there is no `mydocker {name}`"
        flags = parser_for(verb)._option_string_actions
        subcommands = [each for each in parser_for(verb)._actions if isinstance(each.choices, dict)]
        for word in shlex.split(text.replace("'", ""))[1:]:
            if word.startswith("--") and len(word) > 2 and not subcommands:
                assert word.partition("=")[0].rstrip(",.") in flags, f"`mydocker {name}` has no {word}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in _LINK.findall(document.read_text()):
        assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_index_names_every_document() -> None:
    index = (REPOSITORY / "docs/README.md").read_text()
    for document in (REPOSITORY / "docs").glob("*.md"):
        assert document.name == "README.md" or f"({document.name})" in index


def test_the_readme_names_every_command() -> None:
    text = (REPOSITORY / "README.md").read_text()
    for verb in VERBS:
        assert verb.hidden or f"`{verb.name}`" in text, verb.name
