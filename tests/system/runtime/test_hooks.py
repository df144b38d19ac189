"""Hooks: when they run, where, what they are told, and what happens when one fails."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root

MOMENTS = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]
# What a hook notes: its moment, whose namespaces and root it has, its user and its rights, the state it is told.
NOTE = """#!/bin/sh
echo "$MOMENT $(readlink /proc/self/ns/mnt) $(readlink /proc/self/ns/net) $(grep CapEff /proc/self/status | cut -f2)" \
"$(id -u) $(test -e /data/seed && echo inside || echo outside) $(cat)" >> $PLACE/notes
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "hooks"
    made.mkdir()
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "notes").touch()
    (tmp_path / "shared" / "notes").chmod(0o666)
    return made


def describe(folder: Path, name: str, moments: list[str], script: str, **when: object) -> None:
    """Write a hook and its description."""
    place = folder.parent / "shared"
    program = place / f"{name}.sh"
    program.write_text(script)
    program.chmod(0o755)
    for moment in moments:
        env = [f"MOMENT={moment}", f"PLACE={place}", "PATH=/usr/bin:/bin"]
        hook = {"path": str(program), "args": [name], "env": env, "timeout": 5}
        found = {"version": "1.0.0", "hook": hook, "when": when or {"always": True}, "stages": [moment]}
        (folder / f"{name}-{moment}.json").write_text(json.dumps(found))


def notes(folder: Path) -> dict[str, tuple[list[str], dict[str, Any]]]:
    found = {}
    for line in (folder.parent / "shared" / "notes").read_text().splitlines():
        words, _, state = line.partition(" {")
        moment, *rest = words.split()
        found[moment] = (rest, json.loads("{" + state))
    return found


def test_every_hook_runs_at_its_moment_in_its_place_and_is_told_the_state(box: CommandLine, folder: Path) -> None:
    shared = folder.parent / "shared"
    describe(folder, "note", MOMENTS, NOTE)
    script = "readlink /proc/self/ns/mnt; readlink /proc/self/ns/net"
    inside = box("run", "--name", "hooked", "--annotation", "a.b=c", "-u", "bob", "--hooks-dir", folder,
                 "-v", f"{shared}:{shared}", "base", "sh", "-c", script).split()  # fmt: skip
    found = notes(folder)
    assert list(found) == MOMENTS
    ours = [os.readlink("/proc/self/ns/mnt"), os.readlink("/proc/self/ns/net")]
    places = {moment: words[:2] for moment, (words, _) in found.items()}
    assert places == {
        "prestart": ours, "createRuntime": ours, "createContainer": inside, "startContainer": inside,
        "poststart": ours, "poststop": ours,
    }  # fmt: skip
    assert {moment: words[4] for moment, (words, _) in found.items() if words[4] == "inside"} == {
        "startContainer": "inside"
    }
    assert found["startContainer"][0][2:4] == ["0000000000000000", "1000"], (
        "with the program's rights, not the runtime's"
    )
    identifier = json.loads(box("inspect", "hooked"))[0]["id"]
    for moment, (_, state) in found.items():
        status = {"poststart": "running", "poststop": "stopped"}.get(moment, "creating")
        assert (state["id"], state["status"], state["ociVersion"]) == (identifier, status, "1.0.2")
        assert state["bundle"] == str(box.root / "containers" / identifier)
        assert state["annotations"]["a.b"] == "c"
    assert {found[moment][1]["pid"] for moment in MOMENTS[:-1]} != {0}
    assert "pid" not in found["poststop"][1]


@pytest.mark.parametrize("moment", MOMENTS[:4])
def test_a_hook_that_fails_stops_the_start_and_poststop_still_runs(box: CommandLine, folder: Path, moment: str) -> None:
    shared = folder.parent / "shared"
    describe(folder, "bad", [moment], "#!/bin/sh\necho out of cheese >&2\nexit 3\n")
    describe(folder, "note", ["poststop"], NOTE)
    done = box.run("run", "--name", "bad", "--hooks-dir", folder, "-v", f"{shared}:{shared}", "base", "echo", "ran")
    assert (done.returncode, done.stdout) == (125, "")
    assert "bad.sh" in done.stderr
    assert "ended with 3: out of cheese" in done.stderr
    assert list(notes(folder)) == ["poststop"]
    assert json.loads(box("inspect", "bad"))[0]["state"]["status"] == "exited"


@pytest.mark.parametrize("moment", ["poststart", "poststop"])
def test_a_hook_that_fails_afterwards_is_only_noted(box: CommandLine, folder: Path, moment: str) -> None:
    describe(folder, "bad", [moment], "#!/bin/sh\nexit 3\n")
    assert box("run", "--name", f"late-{moment}", "--hooks-dir", folder, "base", "echo", "ran") == "ran\n"
    told = [json.loads(line) for line in box("events", "--since", "1m", "--no-follow").splitlines()]
    failed = [event for event in told if event["name"] == f"late-{moment}" and event["action"] == "hook_failed"]
    assert [event["error"].split(" ")[0] for event in failed] == [moment]


def test_a_hook_that_takes_too_long_is_killed(box: CommandLine, folder: Path) -> None:
    describe(folder, "slow", ["createRuntime"], "#!/bin/sh\nsleep 60\n")
    path = folder / "slow-createRuntime.json"
    path.write_text(path.read_text().replace('"timeout": 5', '"timeout": 1'))
    done = box.run("run", "--rm", "--hooks-dir", folder, "base", "true")
    assert (done.returncode, "took more than 1 s" in done.stderr) == (125, True)
    assert box("ps", "-q") == ""


def test_conditions_decide_and_descriptions_are_checked(box: CommandLine, folder: Path) -> None:
    never = "#!/bin/sh\nexit 9\n"
    describe(folder, "a", ["createRuntime"], never, always=False)
    describe(folder, "b", ["createRuntime"], never, annotations={"^gpu$": "yes"})
    describe(folder, "c", ["createRuntime"], never, commands=["^/bin/special$"])
    run = ["run", "--rm", "--hooks-dir", folder]
    assert box(*run, "base", "echo", "fine") == "fine\n"
    assert box.run(*run, "--annotation", "gpu=yes", "base", "true").returncode == 125
    assert box.run(*run, "base", "/bin/special").returncode == 125
    for broken in ("{", "{}", '{"version": "1.0.0", "hook": {"path": "x"}, "when": {"always": true}, "stages": []}'):
        (folder / "broken.json").write_text(broken)
        assert box.run(*run, "base", "true").returncode == 125
