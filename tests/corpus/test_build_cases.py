"""The shared build cases: what official builders made of them comes out here, file by file, and the failures fail."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from mydocker.build.request import BuildRequest
from mydocker.engine import Engine
from mydocker.errors import MydockerError
from tests.conftest import shared_directory
from tests.corpus.contexts import prepare
from tests.corpus.flattening import flatten

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.root, pytest.mark.shared]

# The expected answer is a quirk of one builder, and ours is what the reference says; the corpus calls these not firm.
QUIRKS = {
    "from-device-nodes": "BuildKit copies a block device as a character device; the reference copies what is there",
    "conf-ci-pipeline-modified": "prints all its environment; ours has SOURCE_DATE_EPOCH, TZ, LANG, PYTHONHASHSEED",
    "fs-scratch-runs-copied-binary": "BuildKit leaves the mount points dev, proc and sys; here a RUN leaves no trace",
}


def _cases() -> list[str]:
    shared = shared_directory()
    return sorted(path.parent.name for path in shared.glob("corpus/build/*/expected.json")) if shared else []


@pytest.fixture(scope="module")
def based(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> tuple[Engine, dict[str, Any]]:
    """An engine whose store has the corpus's base image, and that image's files."""
    place = tmp_path_factory.mktemp("corpus")
    subprocess.run(["sh", shared / "corpus/build/make-base.sh", place / "base.tar"], check=True)
    engine = Engine(str(place / "store"))
    image = engine.build_base(str(place / "base.tar"))
    return engine, flatten(place / "store", image.digest)[1]


@pytest.mark.parametrize("case", _cases())
def test_build_case(case: str, based: tuple[Engine, dict[str, Any]], shared: Path, tmp_path: Path) -> None:
    engine, base_files = based
    source = shared / "corpus/build" / case
    expected = json.loads((source / "expected.json").read_text())
    context = tmp_path / "context"
    description = prepare(source, context)
    request = _request(engine, context, description)
    if not expected["ok"]:
        with pytest.raises(MydockerError):
            engine.build(request)
        return
    image = engine.build(request).image
    config, files = flatten(_root(engine), image.digest)
    problems = _compare_config(expected["config"], config.get("config", {}))
    problems += _compare_files(expected, base_files, files)
    shutil.rmtree(context)
    if case in QUIRKS and problems:
        pytest.xfail(QUIRKS[case])
    assert problems == []


def _request(engine: Engine, context: Path, description: dict[str, Any]) -> BuildRequest:
    """Build what a case stands on, and return the case itself."""
    for parent in description.get("parents", []):
        dockerfile = str(context / parent["file"])
        engine.build(BuildRequest(str(context), dockerfile, tags=(parent["tag"],), workers=1))
    return BuildRequest(
        str(context),
        str(context / description["file"]) if "file" in description else None,
        targets=(description["target"],) if "target" in description else (),
        build_args=description.get("build_args", {}),
        workers=1,
    )


# All cases pass; these few have the most of what could make two builds differ. In a process of its own: that of the
# tests may have threads.
@pytest.mark.parametrize("case", ["conf-ci-pipeline-modified", "fs-tmp-and-mounts", "stage-diamond", "add-archives"])
def test_a_case_is_reproducible(case: str, based: tuple[Engine, dict[str, Any]], shared: Path, tmp_path: Path) -> None:
    description = prepare(shared / "corpus/build" / case, tmp_path / "context")
    request = _request(based[0], tmp_path / "context", description)
    command = [sys.executable, "-m", "mydocker", "--root", str(_root(based[0])), "build", "--verify-reproducible"]
    command += ["-f", request.dockerfile] if request.dockerfile else []
    command += [f"--target={target}" for target in request.targets]
    command += [f"--build-arg={name}={value}" for name, value in request.build_args.items()]
    done = subprocess.run([*command, request.context], capture_output=True, text=True)
    assert (done.returncode, "differ" in done.stderr) == (0, False), done.stderr


def _root(engine: Engine) -> Path:
    from pathlib import Path

    return Path(engine.layout.root)


def _compare_config(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    found = {key: value for key, value in found.items() if value and key != "ArgsEscaped"}
    if found.get("WorkingDir") == "/":
        del found["WorkingDir"]
    keys = sorted(expected.keys() | found.keys())
    return [
        f"config {key}: expected {expected.get(key)}, found {found.get(key)}"
        for key in keys
        if expected.get(key) != found.get(key)
    ]


def _compare_files(expected: dict[str, Any], base: dict[str, Any], found: dict[str, Any]) -> list[str]:
    changed, deleted = found, []
    if expected["root"] == "base":
        changed = {path: file for path, file in found.items() if base.get(path) != file}
        deleted = sorted(set(base) - set(found))
    wanted = expected["files"]
    problems = [
        f"{path}: expected {wanted.get(path)}, found {changed.get(path)}"
        for path in sorted(wanted.keys() | changed.keys())
        if wanted.get(path) != changed.get(path)
    ]
    if sorted(expected["deleted"]) != deleted:
        problems.append(f"deleted: expected {expected['deleted']}, found {deleted}")
    return problems
