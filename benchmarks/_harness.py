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


def ratios(ours: Timing, other: Timing) -> tuple[float, float, float]:
    """Return the median of ours/other round by round, with the quartiles as its spread."""
    each = [a / b for a, b in zip(ours.seconds, other.seconds, strict=True)]
    low, middle, high = statistics.quantiles(each, n=4) if len(each) > 1 else (each[0],) * 3
    return middle, low, high


def report(title: str, contenders: Sequence[Contender], timings: Sequence[Timing]) -> None:
    """Print a table of medians and of our ratio to each peer; the first contender is ours. Add JSON to $BENCH_JSON."""
    print(f"\n{title}")
    ours = timings[0]
    for timing in timings:
        line = f"  {timing.name:<28}{timing.median * 1000:9.1f} ms"
        if timing is not ours:
            middle, low, high = ratios(ours, timing)
            line += f"   ours / this = {middle:.2f}  ({low:.2f} .. {high:.2f})"
        print(line)
    for each in contenders:
        if each.why_not:
            print(f"  {each.name:<28}  not measured: {each.why_not}")
    if target := os.environ.get("BENCH_JSON"):
        with Path(target).open("a") as file:
            file.write(json.dumps({"title": title, "seconds": {each.name: each.seconds for each in timings}}) + "\n")
