"""The Python API and the pipeline, as the README and docs/pipelines.md show them."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from mydocker.engine import BuildRequest, Engine, RunRequest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.root

_DODO = """
from mydocker import pipeline

def task_image():
    return pipeline.image("app:1.0", "app")

def task_check():
    return pipeline.run("app:1.0", ["grep", "hello", "/greeting"], task_dep=["image"])

def task_release():
    return pipeline.save("app:1.0", "out/app.tar", task_dep=["check"])

def task_report():
    def report(digest):
        print("built", digest)
    return {"actions": [report], "getargs": {"digest": ("image", "digest")}, "verbosity": 2}
"""


def test_build_and_run_from_python(tmp_path: Path, samples: Path) -> None:
    engine = Engine(str(tmp_path / "store"))
    image = engine.build(BuildRequest(context=str(samples / "toolbox"), tags=("toolbox:1",))).image
    assert image.layers[0].diff_id.startswith("sha256:")
    container = engine.create(RunRequest(image="toolbox:1", command=("toolbox",)))
    engine.containers.start(container.id)
    assert engine.containers.wait(container.id) == 0
    assert b"".join(entry.data for entry in engine.containers.logs(container.id)) == b"toolbox 1.0\n"
    engine.containers.remove(container.id)


def test_runs_in_one_process_leave_no_descriptor_open(tmp_path: Path) -> None:
    engine = Engine(str(tmp_path / "store"))
    engine.build_base()

    def run() -> int:
        made = engine.create(RunRequest(image="base", command=("true",), remove=True))
        assert engine.containers.run_attached(made.id) == 0
        return len(os.listdir("/proc/self/fd"))

    run()
    before = run()
    assert [run() for _ in range(3)] == [before] * 3


def doit(place: Path, *words: str) -> str:
    """Run doit on the pipeline and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "doit", *words], cwd=place, capture_output=True, text=True,
        env={**os.environ, "MYDOCKER_ROOT": str(place / "store")},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def states(output: str) -> dict[str, str]:
    """Return doit's mark for each task: `.` ran, `--` up to date."""
    return {line.split()[1]: line.split()[0] for line in output.splitlines() if line[:2] in (". ", "--")}


def test_a_pipeline_does_what_changed_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "dodo.py").write_text(_DODO)
    app = tmp_path / "app"
    app.mkdir()
    (app / "Dockerfile").write_text("FROM base\nCOPY greeting /\n")
    (app / "greeting").write_text("hello\n")
    first = doit(tmp_path)
    assert states(first) == {"image": ".", "check": ".", "release": ".", "report": "."}
    assert "built sha256:" in first
    assert (tmp_path / "out/app.tar").exists()
    assert states(doit(tmp_path)) == {"image": "--", "check": "--", "release": "--", "report": "--"}
    os.utime(app / "greeting", (1, 1))
    assert states(doit(tmp_path, "image", "check", "release")) == {"image": "--", "check": "--", "release": "--"}
    (app / "greeting").write_text("hello again\n")
    assert states(doit(tmp_path, "image", "check", "release")) == {"image": ".", "check": ".", "release": "."}
    (tmp_path / "out/app.tar").unlink()
    assert states(doit(tmp_path, "image", "check", "release")) == {"image": "--", "check": "--", "release": "."}
    doit(tmp_path, "clean", "image")
    assert states(doit(tmp_path, "image"))["image"] == "."


def test_a_check_that_fails_fails_the_pipeline(tmp_path: Path) -> None:
    (tmp_path / "dodo.py").write_text(_DODO)
    app = tmp_path / "app"
    app.mkdir()
    (app / "Dockerfile").write_text("FROM base\nCOPY greeting /\n")
    (app / "greeting").write_text("good bye\n")
    done = subprocess.run(
        [sys.executable, "-m", "doit", "check"], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "MYDOCKER_ROOT": str(tmp_path / "store")},
    )  # fmt: skip
    assert done.returncode != 0
    assert "exit status 1" in done.stdout + done.stderr
