"""Measure commands beside one another, alternating in one run: whatever else the machine does hits all alike."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks._results import as_text, result

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


# An installed program has its modules compiled; told not to keep them, Python would compile all of them at each start.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


class Contender(NamedTuple):
    """One way of doing the thing: `run` is timed, `before` is not. `why_not` says what is missing, if something is."""

    name: str
    run: Callable[[], object]
    before: Callable[[], object] | None = None
    why_not: str = ""


class Timing(NamedTuple):
    """Seconds of each round, in order."""

    name: str
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def command(
    words: Sequence[str], env: dict[str, str] | None = None, cwd: str | Path | None = None
) -> Callable[[], object]:
    """Return a call that runs `words` quietly and insists on success."""

    def run() -> None:
        done = subprocess.run(
            words, env={**ENVIRONMENT, **(env or {})}, cwd=cwd, capture_output=True, stdin=subprocess.DEVNULL
        )
        if done.returncode:
            sys.exit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr.decode(errors='replace')[-2000:]}")

    return run


def measure(contenders: Sequence[Contender], rounds: int, warm_up: int = 2) -> list[Timing]:
    """Time the contenders in turn, `rounds` times over, after some rounds that do not count."""
    present = [each for each in contenders if not each.why_not]
    seconds: dict[str, list[float]] = {each.name: [] for each in present}
    for turn in range(-warm_up, rounds):
        for each in present:
            if each.before:
                each.before()
            began = time.perf_counter()
            each.run()
            if turn >= 0:
                seconds[each.name].append(time.perf_counter() - began)
    return [Timing(name, tuple(times)) for name, times in seconds.items()]


def report(title: str, contenders: Sequence[Contender], timings: Sequence[Timing]) -> None:
    """Print medians and our ratio to each peer; the first contender is ours. Add a line of JSON to $BENCH_JSON."""
    seconds: dict[str, Sequence[float]] = {each.name: each.seconds for each in timings}
    missing = {each.name: each.why_not for each in contenders if each.why_not}
    print("\n" + as_text(result(title, seconds, missing)), flush=True)
    if target := os.environ.get("BENCH_JSON"):
        with Path(target).open("a") as file:
            file.write(json.dumps({"title": title, "seconds": seconds, "missing": missing}) + "\n")
