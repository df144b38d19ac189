"""What people look at: layers, blame, the tree of images, live pictures, and JSON for programs."""

from __future__ import annotations

import json
import os
import re
import sys
from typing import TYPE_CHECKING

import pexpect
import pytest

if TYPE_CHECKING:
    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root

_DOCKERFILE = """FROM base
RUN mkdir /data && echo first > /data/kept && echo 12345678 > /data/replaced && echo x > /data/gone
ENV NAME=value
RUN echo 2 > /data/replaced && rm /data/gone && echo new > /data/added
"""


@pytest.fixture
def image(mydocker: CommandLine) -> str:
    (mydocker.directory / "Dockerfile").write_text(_DOCKERFILE)
    mydocker("build", "-q", "-t", "app:1", ".")
    return "app:1"


def test_layers_tell_which_instruction_brought_how_much(mydocker: CommandLine, image: str) -> None:
    base, first, second = json.loads(mydocker("layers", "--format", "json", "--files", image))
    assert base["created_by"] == "mydocker buildBase"
    assert (first["layer"], first["added"], first["deleted"], first["size"], first["hidden"]) == (2, 4, 0, 17, 0)
    assert (second["added"], second["deleted"], second["size"], second["hidden"]) == (1, 1, 6, 11)
    kinds = {each["path"]: each["kind"] for each in second["files"]}
    assert kinds == {"/data": "C", "/data/added": "A", "/data/gone": "D", "/data/replaced": "C"}
    table = mydocker("layers", image).splitlines()
    assert table[0].split() == ["LAYER", "SIZE", "ADDED", "CHANGED", "DELETED", "HIDDEN", "CREATED", "BY"]
    assert table[2].startswith("2           17 B        4")


def test_the_anatomy_agrees_with_what_a_container_sees(mydocker: CommandLine, image: str) -> None:
    strata = json.loads(mydocker("layers", "--format", "json", "--files", image))
    shown: set[str] = set()
    for each in strata:
        for change in each["files"]:
            (shown.discard if change["kind"] == "D" else shown.add)(change["path"])
    seen = mydocker("run", "--rm", image, "find", "/data", "/bin", "/usr").split()
    assert set(seen) == {path for path in shown if path.startswith(("/data", "/bin", "/usr"))}


def test_blame_tells_the_story_of_a_file_and_who_wrote_a_directory(mydocker: CommandLine, image: str) -> None:
    story = json.loads(mydocker("blame", "--format", "json", "--no-trunc", image, "/data/replaced"))
    assert [(each["layer"], each["kind"], each["size"]) for each in story] == [(3, "changed", 2), (2, "added", 9)]
    assert "rm /data/gone" in story[0]["created_by"]
    inside = json.loads(mydocker("blame", "--format", "json", image, "/data"))
    assert {each["path"]: each["layer"] for each in inside} == {"/data/added": 3, "/data/kept": 2, "/data/replaced": 3}
    gone = json.loads(mydocker("blame", "--format", "json", image, "data/gone"))
    assert [each["kind"] for each in gone] == ["deleted", "added"]
    missing = mydocker.run("blame", image, "/nowhere")
    assert (missing.returncode, "no /nowhere in app:1" in missing.stderr) == (1, True)


def test_the_tree_of_images_has_shared_and_own_sizes(mydocker: CommandLine, image: str) -> None:
    (mydocker.directory / "more").mkdir()
    (mydocker.directory / "more/Dockerfile").write_text("FROM app:1\nRUN echo more > /more\n")
    mydocker("build", "-q", "-t", "more:1", "more")
    (base,) = json.loads(mydocker("images", "--tree", "--format", "json"))
    (app,) = base["children"]
    (more,) = app["children"]
    assert (base["names"], app["names"], more["names"]) == (["base:latest"], ["app:1"], ["more:1"])
    assert (base["own"], app["own"], app["shared"]) == (0, 0, app["size"])
    assert more["own"] == more["size"] - app["size"]
    lines = mydocker("images", "--tree").splitlines()
    names = [re.split(r"(?<=\S) {2,}", line)[0] for line in lines[1:]]
    assert names == ["base:latest", "└─ app:1", "   └─ more:1"]


def test_who_looks_once_gets_json(mydocker: CommandLine, image: str) -> None:
    mydocker("run", "-d", "-name", "web", image, "sleep", "100")
    (process,) = json.loads(mydocker("top", "--format", "json", "web"))
    assert (process["command"], process["uid"]) == ("sleep 100", 0)
    (use,) = json.loads(mydocker("stats", "--no-stream", "--interval", "0.1", "--format", "json", "web"))
    assert (use["name"], use["processes"]) == ("web", 1)
    assert json.loads(mydocker("port", "--format", "json", "web")) == []
    assert json.loads(mydocker("fsck", "--format", "json"))["problems"] == []
    assert mydocker.run("top", "--interval", "0", "web").returncode == 125


def test_live_pictures_are_drawn_over_the_last_one(mydocker: CommandLine, image: str) -> None:
    mydocker("run", "-d", "-name", "web", image, "sleep", "100")
    for verb in ("top", "stats"):
        terminal = pexpect.spawn(
            sys.executable, ["-m", "mydocker", verb, "--interval", "0.1", "web"], cwd=str(mydocker.directory),
            env={**mydocker.env, "TERM": "xterm", "NO_COLOR": "1"}, encoding="utf-8", timeout=20, dimensions=(10, 60),
        )  # fmt: skip
        for _ in range(3):
            terminal.expect(re.escape("\x1b[2A\r\x1b[J"))
        lines = terminal.before.replace("\r", "").strip("\n").split("\n")
        assert len(lines) == 2
        assert all(len(line) <= 60 for line in lines)
        terminal.sendintr()
        terminal.expect(pexpect.EOF)
        terminal.close()
        assert terminal.exitstatus == 130


def test_a_narrow_terminal_cuts_and_a_pipe_does_not(mydocker: CommandLine, image: str) -> None:
    mydocker("run", "-name", "a-name-of-some-length", image, "echo", "many", "words", "are", "said", "here")
    terminal = pexpect.spawn(
        sys.executable, ["-m", "mydocker", "ps"], cwd=str(mydocker.directory), encoding="utf-8", timeout=20,
        env={**mydocker.env, "TERM": "xterm"} | dict.fromkeys(["NO_COLOR"] * ("NO_COLOR" in os.environ), ""),
        dimensions=(10, 60),
    )  # fmt: skip
    terminal.expect(pexpect.EOF)
    shown = terminal.before
    assert "\x1b[1mID\x1b[0m" in shown
    assert all(len(re.sub(r"\x1b\[\d*m", "", line)) <= 60 for line in shown.splitlines())
    assert "…" in shown
    piped = mydocker("ps")
    assert "\x1b" not in piped
    assert "…" not in piped
