"""The pipeline of docs/pipelines.md, as it is printed there: compiler, image, test, archive, registry."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mydocker.engine import Engine
from mydocker.image.reference import Reference
from mydocker.image.registry import pull

pytestmark = [pytest.mark.root, pytest.mark.peer("docker-registry"), pytest.mark.peer("gcc")]

_PAGE = Path(__file__).parents[3] / "docs/pipelines.md"
_ALL = ("compile", "image", "check", "release", "publish")
_PROGRAM = '#include <stdio.h>\nint main(void) { puts("works"); return 0; }\n'


def _doit(place: Path, *words: str) -> dict[str, str]:
    """Run doit; return its mark for each task: `.` ran, `--` up to date."""
    done = subprocess.run(
        [sys.executable, "-m", "doit", *words], cwd=place, capture_output=True, text=True,
        env={**os.environ, "MYDOCKER_ROOT": str(place / "store")},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return {line.split()[1]: line.split()[0] for line in done.stdout.splitlines() if line[:2] in (". ", "--")}


def test_the_pipeline_of_the_page_runs_as_printed(tmp_path: Path, registry: str) -> None:
    found = re.search(r"```python\n(.*?)```", _PAGE.read_text(), re.S)
    assert found
    (tmp_path / "dodo.py").write_text(found[1].replace("registry.example", registry))
    (tmp_path / "app").mkdir()
    (tmp_path / "app/main.c").write_text(_PROGRAM)
    (tmp_path / "app/Dockerfile").write_text('FROM scratch\nCOPY app /app\nCMD ["/app"]\n')
    assert _doit(tmp_path) == dict.fromkeys((*_ALL, "report"), ".")
    assert _doit(tmp_path, *_ALL) == dict.fromkeys(_ALL, "--")

    engine = Engine(str(tmp_path / "store"))
    name = Reference.parse(f"{registry}/team/app:1.0")
    other = Engine(str(tmp_path / "other"))
    assert pull(other.images, name, {}).digest == engine.image("app:1.0").digest

    (tmp_path / "app/main.c").write_text(_PROGRAM.replace("works", "works better"))
    assert _doit(tmp_path, *_ALL) == dict.fromkeys(_ALL, ".")
    assert pull(other.images, name, {}).digest == engine.image("app:1.0").digest

    # Somebody else pushes to the name: it is set right, and nothing else is done.
    (tmp_path / "other-app").mkdir()
    (tmp_path / "other-app/Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    from mydocker.build.request import BuildRequest
    from mydocker.image.registry import push

    foreign = other.build(BuildRequest(str(tmp_path / "other-app"))).image
    push(other.images, foreign, name, {})
    assert _doit(tmp_path, *_ALL) == {**dict.fromkeys(_ALL, "--"), "publish": "."}
    assert pull(other.images, name, {}).digest == engine.image("app:1.0").digest
