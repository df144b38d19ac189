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


def test_what_goes_wrong_in_a_pipeline_is_said_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM base\nRUN exit 3\n")
    text = "from mydocker import pipeline\ndef task_image():\n    return pipeline.image('wrong:1')\n"
    (tmp_path / "dodo.py").write_text(text)
    env = {**os.environ, "MYDOCKER_ROOT": str(tmp_path / "store")}
    done = subprocess.run([sys.executable, "-m", "doit"], cwd=tmp_path, capture_output=True, text=True, env=env)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert "RUN exit 3" in done.stdout + done.stderr


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


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A pipeline that has run."""
    (tmp_path / "dodo.py").write_text(_DODO)
    (tmp_path / "app").mkdir()
    (tmp_path / "app/Dockerfile").write_text("FROM base\nCOPY greeting /\nCMD true\n")
    (tmp_path / "app/greeting").write_text("hello\n")
    doit(tmp_path)
    return tmp_path


_NAMES = ("image", "check", "release")
_NOTHING = dict.fromkeys(_NAMES, "--")


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_what_only_describes_the_image_makes_a_new_one(project: Path) -> None:
    before = Engine(str(project / "store")).image("app:1.0").id
    _edit(project / "app/Dockerfile", "CMD true", "CMD false")
    assert states(doit(project, *_NAMES)) == dict.fromkeys(_NAMES, ".")
    assert Engine(str(project / "store")).image("app:1.0").id != before
    assert states(doit(project, *_NAMES)) == _NOTHING


def test_a_name_that_was_moved_or_taken_away_is_set_right(project: Path) -> None:
    images = Engine(str(project / "store")).images
    made = images.resolve("app:1.0")
    images.tag(images.resolve("base"), made.references[0])
    assert states(doit(project, *_NAMES)) == {"image": ".", "check": "--", "release": "--"}
    assert images.resolve("app:1.0").id == made.id
    images.untag(made.references[0])
    assert states(doit(project, "image")) == {"image": "."}
    assert images.resolve("app:1.0").id == made.id


def test_another_base_builds_again(project: Path) -> None:
    engine = Engine(str(project / "store"))
    (project / "other").mkdir()
    (project / "other/Dockerfile").write_text("FROM base\nCOPY Dockerfile /etc/\n")
    other = engine.build(BuildRequest(str(project / "other"))).image
    engine.images.tag(other, engine.image("base").references[0])
    assert states(doit(project, *_NAMES)) == dict.fromkeys(_NAMES, ".")


def test_an_archive_that_somebody_changed_is_written_again(project: Path) -> None:
    with (project / "out/app.tar").open("ab") as file:
        file.write(b"more")
    assert states(doit(project, *_NAMES)) == {**_NOTHING, "release": "."}
    assert states(doit(project, *_NAMES)) == _NOTHING


def test_another_command_or_form_runs_again(project: Path) -> None:
    _edit(project / "dodo.py", '"grep", "hello"', '"grep", "hell"')
    assert states(doit(project, *_NAMES)) == {**_NOTHING, "check": "."}
    _edit(project / "dodo.py", '"out/app.tar"', '"out/app.tar", form="oci-archive"')
    assert states(doit(project, *_NAMES)) == {**_NOTHING, "release": "."}


def test_doits_own_commands_do_what_a_doit_user_expects(project: Path) -> None:
    listed = doit(project, "list")
    assert "build the image app:1.0" in listed
    assert "save the image app:1.0 as out/app.tar" in listed
    info = subprocess.run(
        [sys.executable, "-m", "doit", "info", "release"], cwd=project, capture_output=True, text=True,
        env={**os.environ, "MYDOCKER_ROOT": str(project / "store")},
    ).stdout  # fmt: skip
    assert "up-to-date" in info
    assert "out/app.tar" in info
    doit(project, "forget", "image")
    assert states(doit(project, *_NAMES)) == {**_NOTHING, "image": "."}
    doit(project, "clean", "image", "release")
    assert not (project / "out/app.tar").exists()
    assert Engine(str(project / "store")).images.name_of("app:1.0") is None
    assert states(doit(project, "-n", "4", *_NAMES)) == {"image": ".", "check": "--", "release": "."}


def test_several_images_at_once(tmp_path: Path) -> None:
    (tmp_path / "dodo.py").write_text(
        "from mydocker import pipeline\n"
        "def task_images():\n"
        "    for number in range(4):\n"
        "        yield pipeline.image(f'app:{number}', build_args={'N': str(number)}, name=str(number))\n"
    )
    (tmp_path / "Dockerfile").write_text("FROM base\nRUN echo same > /same\nARG N\nRUN echo $N > /n\n")
    Engine(str(tmp_path / "store")).build_base()
    assert set(states(doit(tmp_path, "-n", "4")).values()) == {"."}
    assert set(states(doit(tmp_path, "-n", "4")).values()) == {"--"}
    engine = Engine(str(tmp_path / "store"))
    assert len({engine.image(f"app:{number}").layers[1].diff_id for number in range(4)}) == 1
    assert len({engine.image(f"app:{number}").id for number in range(4)}) == 4


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
