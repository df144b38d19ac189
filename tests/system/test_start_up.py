"""What commands may not load: start-up is a feature."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root

_HEAVY = {
    "lark",
    "doit",
    "cmd2",
    "rich",
    "pyroute2",
    "zstandard",
    "elftools",
    "tarfile",
    "sqlite3",
    "asyncio",
    "inspect",
}
_SLOW_ON_RUN = {"typing", "dataclasses", "pathlib", "subprocess", "urllib", "logging", "threading", "tempfile"}


def loaded(mydocker: CommandLine, *words: str, whole: bool = False) -> set[str]:
    """Return the modules that a command had loaded when it ended: the top-level ones, or all by their whole names."""
    script = (
        "import json, sys\n"
        "from mydocker.cli.main import run_command_line\n"
        f"status = run_command_line({list(words)!r})\n"
        "print(json.dumps([status, sorted(sys.modules)]))\n"
    )
    done = _run(mydocker, script)
    status, names = json.loads(done.stdout.splitlines()[-1])
    assert status == 0, done.stderr
    return set(names) if whole else {name.partition(".")[0] for name in names}


def _run(mydocker: CommandLine, script: str) -> subprocess.CompletedProcess[str]:
    words_of_python = mydocker.words()[:1]
    return subprocess.run(
        [*words_of_python, "-S", "-E", "-c", _with_path(script)],
        env=mydocker.env,
        capture_output=True,
        text=True,
        check=True,
    )


def _with_path(script: str) -> str:
    import sys

    # Without site: an editable install's finder would load modules of its own.
    return f"import sys; sys.path[:0] = {[path for path in sys.path if path]!r}\n{script}"


@pytest.mark.parametrize(
    "words",
    [
        ["run", "-image", "base", "true"],
        ["run", "--rm", "-image", "base", "true"],
        ["run", "--rm", "-p", "127.0.0.1::80", "-image", "base", "true"],
        ["run", "-d", "-image", "base", "true"],
        ["ps"],
        ["logs", "one"],
        ["stop", "one"],
        ["remove", "one"],
    ],
    ids=" ".join,
)
def test_containers_load_nothing_that_they_do_not_use(mydocker: CommandLine, words: list[str]) -> None:
    mydocker("run", "-name", "one", "-image", "base", "true")
    names = loaded(mydocker, *words)
    assert not names & _HEAVY
    assert not names & _SLOW_ON_RUN


def test_who_only_looks_at_containers_loads_nothing_that_starts_them(mydocker: CommandLine) -> None:
    mydocker("run", "-name", "one", "-image", "base", "true")
    names = loaded(mydocker, "ps", whole=True)
    started_by = {"launch", "init", "sandbox", "plan", "keeper", "spec"}
    assert not names & {f"mydocker.runtime.{name}" for name in started_by}


def test_images_and_help_load_nothing_heavy(mydocker: CommandLine) -> None:
    mydocker("buildBase", "-q")
    assert not loaded(mydocker, "images") & _HEAVY
    assert not loaded(mydocker, "--help") & _HEAVY


@pytest.mark.parametrize(
    ("words", "modules", "files", "forks"),
    [
        (["--help"], 48, 35, 0),
        (["ps"], 90, 85, 0),
        (["exec", "one", "true"], 125, 115, 1),
        (["run", "--rm", "base", "true"], 145, 190, 1),
        (["run", "-d", "--rm", "base", "true"], 140, 150, 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_stays_small(mydocker: CommandLine, words: list[str], modules: int, files: int, forks: int) -> None:
    """Time cannot be asserted on; what it is made of can: an eighth more than when this was written is a failure."""
    mydocker("run", "-d", "--name", "one", "base", "sleep", "100")
    script = (
        "import json, sys\n"
        "seen, before = {'open': 0, 'os.fork': 0}, set(sys.modules)\n"
        "def hear(event, arguments):\n"
        "    if event in seen:\n"
        "        seen[event] += 1\n"
        "sys.addaudithook(hear)\n"
        "from mydocker.cli.main import run_command_line\n"
        f"status = run_command_line({words!r})\n"
        "print(json.dumps([status, len(set(sys.modules) - before), seen['open'], seen['os.fork']]))\n"
    )
    try:
        status, *counts = json.loads(_run(mydocker, script).stdout.splitlines()[-1])
    finally:
        mydocker("remove", "-f", "one")
    assert status == 0
    for what, count, most in zip(("modules", "files", "forks"), counts, (modules, files, forks), strict=True):
        assert count <= most, f"{what}: {count}"


def test_a_build_with_nothing_to_do_loads_neither_parser_nor_scheduler(mydocker: CommandLine) -> None:
    (mydocker.directory / "Dockerfile").write_text("FROM base\nRUN true\nCOPY Dockerfile /d\n")
    mydocker("build", "-t", "x:1")
    names = loaded(mydocker, "build", "-t", "x:1", str(mydocker.directory))
    assert not names & (_HEAVY - {"sqlite3"})
    assert not names & {"dataclasses", "subprocess", "typing"}


def test_importing_the_package_does_nothing() -> None:
    import sys

    script = "import sys; before = set(sys.modules); import mydocker; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["mydocker"]
