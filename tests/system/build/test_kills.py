"""Killed at random moments, interrupted, crowded, out of space: the cache never holds a wrong result."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from mydocker.build.request import BuildRequest
from mydocker.engine import Engine
from tests.system.conftest import CommandLine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root

KILLS = int(os.environ.get("MYDOCKER_KILLS", "16"))
_KILLS_OF_A_ROUND = 4
_SIGNALS = [signal.SIGKILL, signal.SIGKILL, signal.SIGINT, signal.SIGTERM]
_DOCKERFILE = """FROM base AS one
ARG ROUND
RUN echo $ROUND > /round
COPY src/ /src/
RUN cat /src/* /round | sha256sum > /sum
FROM base AS two
ARG ROUND
RUN for n in 1 2 3 4 5 6 7 8; do echo $ROUND $n > /$n; done
FROM base
COPY --from=one /src /round /sum /one/
COPY --from=two / /two/
RUN cat /one/sum /two/8 > /both && rm /one/1*
WORKDIR /done
"""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    place = tmp_path / "context"
    (place / "src").mkdir(parents=True)
    (place / "Dockerfile").write_text(_DOCKERFILE)
    for number in range(200):
        (place / f"src/{number}").write_text(f"{number}\n" * 100)
    return place


def _build(box: CommandLine, context: Path, turn: int) -> str:
    return box("build", "-q", "--build-arg", f"ROUND={turn}", "-j", str(turn % 2 * 3 + 1), context)


@pytest.mark.timeout(900)
def test_builds_killed_at_random_moments_leave_nothing_wrong(
    mydocker: CommandLine, context: Path, tmp_path: Path
) -> None:
    mydocker("buildBase", "-q")
    clean = CommandLine(tmp_path / "clean", tmp_path)
    clean("buildBase", "-q")
    began = time.monotonic()
    _build(clean, context, 1_000)
    whole = time.monotonic() - began
    dice = random.Random(5)
    for turn in range((KILLS + _KILLS_OF_A_ROUND - 1) // _KILLS_OF_A_ROUND):
        for _ in range(_KILLS_OF_A_ROUND):
            # Two builds of the same at once: the one that is left goes on with what the other one had in hand.
            pair = [
                mydocker.start("build", "-q", "--build-arg", f"ROUND={turn}", context)
                for _ in range(dice.choice([1, 2]))
            ]
            time.sleep(dice.random() * whole)
            pair[0].send_signal(dice.choice(_SIGNALS))
            said = [process.communicate(timeout=60) for process in pair]
            for process, (_, errors) in list(zip(pair, said, strict=True))[1:]:
                assert process.returncode == 0, errors
        assert _build(mydocker, context, turn) == _build(clean, context, turn)
    assert Engine(str(mydocker.root)).images.fsck().problems == ()
    assert mydocker.leftovers() == []


def test_builds_at_once_that_share_work_give_the_same(mydocker: CommandLine, context: Path) -> None:
    mydocker("buildBase", "-q")
    several = [mydocker.start("build", "-q", "--build-arg", "ROUND=0", context) for _ in range(3)]
    results = {process.communicate(timeout=120)[0] for process in several}
    assert [process.returncode for process in several] == [0, 0, 0]
    assert len(results) == 1
    with Engine(str(mydocker.root)).images.holding():
        request = BuildRequest(str(context), build_args={"ROUND": "0"}, no_cache=True)
        assert f"{Engine(str(mydocker.root)).build(request).image.id}\n" in results


@contextlib.contextmanager
def _small_disk(place: Path) -> Iterator[None]:
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)


def _leave(place: Path, room: int) -> None:
    """Fill a disk up to `room` bytes."""
    facts = os.statvfs(place)
    (place / "filler").write_bytes(bytes(max(0, facts.f_bavail * facts.f_frsize - room)))


def test_a_full_disk_at_any_point_fails_the_build_and_breaks_nothing(tmp_path: Path, context: Path) -> None:
    disk = tmp_path / "disk"
    clean = CommandLine(tmp_path / "clean", tmp_path)
    clean("buildBase", "-q")
    expected = _build(clean, context, 0)
    failures = 0
    with _small_disk(disk):
        box = CommandLine(disk / "store", tmp_path)
        box("buildBase", "-q")
        # Each time the build gets a little further; what it finished before is kept.
        for room in range(0, 800_000, 50_000):
            _leave(disk, room)
            done = box.run("build", "-q", "--build-arg", "ROUND=0", context)
            (disk / "filler").unlink()
            if done.returncode:
                failures += 1
                assert done.returncode == 1, done.stderr
                assert "no space left" in done.stderr.lower() or "full" in done.stderr, done.stderr
                assert "defect" not in done.stderr
            else:
                assert done.stdout == expected
            assert os.listdir(disk / "store/tmp") == []
        assert failures > 3
        assert _build(box, context, 0) == expected
        assert Engine(str(disk / "store")).images.fsck().problems == ()
