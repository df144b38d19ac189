"""Large builds: what they take grows with their size and no faster. Counted in calls and memory, never in time."""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from mydocker.build.request import BuildRequest
from mydocker.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import FrameType

    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root

_FILES = int(os.environ.get("MYDOCKER_FILES", "8000"))
_STEPS = int(os.environ.get("MYDOCKER_STEPS", "80"))
_MOST_MEMORY = 200 << 20


def _calls(function: Callable[[], object]) -> int:
    """Return how many calls a function makes in this thread, all the way down, those into C included."""
    count = 0

    def seen(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(seen)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count


def _files(context: Path, count: int) -> BuildRequest:
    for number in range(count):
        folder = context / f"many/{number % 100}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.txt").write_text(f"{number}\n")
    (context / "Dockerfile").write_text("FROM scratch\nCOPY many /many\n")
    return BuildRequest(str(context), workers=1)


def _steps(context: Path, count: int) -> BuildRequest:
    context.mkdir()
    lines = [f"COPY Dockerfile /{number}\n" for number in range(count)]
    (context / "Dockerfile").write_text("FROM scratch\n" + "".join(lines))
    return BuildRequest(str(context), workers=1)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """An engine for which every file is old enough to be known by its stamp."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 60 * 10**9)
    return Engine(str(tmp_path / "store"))


def _is_linear(small: int, middle: int, large: int) -> bool:
    """Tell whether calls, measured at sizes that double, grow in proportion; sorting may take a little more."""
    return large - middle < 2.2 * (middle - small)


def test_a_build_of_twice_as_many_files_takes_twice_as_many_calls(engine: Engine, tmp_path: Path) -> None:
    requests = [_files(tmp_path / str(count), count) for count in (500, 1000, 2000)]
    engine.build(_steps(tmp_path / "small", 1))  # everything is loaded then
    first = [_calls(partial(engine.build, request)) for request in requests]
    again = [_calls(partial(engine.build, request)) for request in requests]
    assert _is_linear(*first)
    assert _is_linear(*again)
    assert again[2] < first[2] / 3, "a file that has not changed is looked at, not read"


def test_finding_twice_as_many_steps_in_the_cache_takes_twice_as_many_calls(engine: Engine, tmp_path: Path) -> None:
    requests = [_steps(tmp_path / str(count), count) for count in (_STEPS // 4, _STEPS // 2, _STEPS)]
    for request in requests:
        engine.build(request)
    assert _is_linear(*[_calls(partial(engine.build, request)) for request in requests])


def _memory(mydocker: CommandLine, context: Path) -> int:
    """Build in a process of its own; return the most memory (bytes) that it had."""
    build = mydocker.start("build", "-q", context)
    _, status, usage = os.wait4(build.pid, 0)
    build.returncode = os.waitstatus_to_exitcode(status)
    said = build.communicate()
    assert build.returncode == 0, said
    return usage.ru_maxrss * 1024


def test_memory_stays_small_however_many_files_there_are(mydocker: CommandLine, tmp_path: Path) -> None:
    few, many = tmp_path / "few", tmp_path / "many"
    _files(few, 100)
    _files(many, _FILES)
    little = _memory(mydocker, few)
    for _ in range(2):
        much = _memory(mydocker, many)
        assert much < _MOST_MEMORY
        # A hundred thousand may take what is left; a list of everything would not fit in that.
        assert much - little < (_MOST_MEMORY - little) * min(1.0, _FILES / 100_000 + 0.1)
        (many / "many/7/7.txt").write_text("changed")


def test_memory_stays_small_however_many_steps_there_are(mydocker: CommandLine, tmp_path: Path) -> None:
    _steps(tmp_path / "steps", _STEPS)
    assert _memory(mydocker, tmp_path / "steps") < _MOST_MEMORY
