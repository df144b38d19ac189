"""What benchmarks measured, as values: read from the lines that `report` wrote, told as text and as JSON."""

from __future__ import annotations

import json
import platform
import statistics
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class Row(NamedTuple):
    """One contender: its median in seconds, and how many times its time ours takes, with the quartiles.

    `ratio` is 0 for ourselves; `why_not` tells why there is no figure.
    """

    name: str
    median: float = 0.0
    ratio: float = 0.0
    low: float = 0.0
    high: float = 0.0
    why_not: str = ""


class Result(NamedTuple):
    """One thing that was measured: its title, and the contenders, ourselves first."""

    title: str
    rows: tuple[Row, ...]


class Suite(NamedTuple):
    """One file of benchmarks: its name, its results, and how it failed if it did."""

    name: str
    results: tuple[Result, ...]
    failure: str = ""


def ratios(ours: Sequence[float], other: Sequence[float]) -> tuple[float, float, float]:
    """Return the median of ours/other round by round, with the quartiles as its spread."""
    each = [a / b for a, b in zip(ours, other, strict=True)]
    low, middle, high = statistics.quantiles(each, n=4) if len(each) > 1 else (each[0],) * 3
    return middle, low, high


def result(title: str, seconds: Mapping[str, Sequence[float]], missing: Mapping[str, str]) -> Result:
    """Return the result of measured seconds, round by round; the first contender is ours."""
    ours = next(iter(seconds.values()))
    rows = []
    for name, times in seconds.items():
        middle, low, high = (0.0, 0.0, 0.0) if times is ours else ratios(ours, times)
        rows.append(Row(name, statistics.median(times), middle, low, high))
    return Result(title, (*rows, *(Row(name, why_not=why) for name, why in missing.items())))


def read(path: Path) -> tuple[Result, ...]:
    """Return the results in a file that `report` wrote to; none where it wrote nothing."""
    if not path.exists():
        return ()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return tuple(result(each["title"], each["seconds"], each["missing"]) for each in lines)


def as_text(one: Result) -> str:
    """Return the lines of one result."""
    lines = [one.title]
    for row in one.rows:
        if row.why_not:
            lines.append(f"  {row.name:<28}  not measured: {row.why_not}")
            continue
        line = f"  {row.name:<28}{row.median * 1000:9.1f} ms"
        lines.append(
            f"{line}   ours / this = {row.ratio:.2f}  ({row.low:.2f} .. {row.high:.2f})" if row.ratio else line
        )
    return "\n".join(lines)


def summary(suites: Sequence[Suite]) -> str:
    """Return a table of ratios over all suites, one line per peer, and what could not be measured."""
    rows, missing = [("measured", "beside", "ours / this", "spread"), ("", "", "", "")], []
    for suite in suites:
        for one in suite.results:
            for row in one.rows:
                if row.why_not:
                    missing.append(f"{suite.name}: {one.title}: {row.name}: {row.why_not}")
                elif row.ratio:
                    spread = f"{row.low:.2f} .. {row.high:.2f}"
                    rows.append((f"{suite.name}: {one.title}", row.name, f"{row.ratio:.2f}", spread))
        if suite.failure:
            missing.append(f"{suite.name}: failed: {suite.failure}")
    first, second = (max(len(row[column]) for row in rows) + 2 for column in (0, 1))
    lines = [f"{row[0]:<{first}}{row[1]:<{second}}{row[2]:>12}   {row[3]}".rstrip() for row in rows]
    lines += ["", "not measured:", *(f"  {each}" for each in missing)] if missing else []
    return "\n".join(lines) + "\n"


def as_json(suites: Sequence[Suite]) -> str:
    """Return everything as one JSON document, seconds and ratios as numbers."""
    machine = {"kernel": platform.release(), "machine": platform.machine(), "python": platform.python_version()}
    found = [
        {
            "name": suite.name,
            "failure": suite.failure,
            "results": [{"title": one.title, "rows": [row._asdict() for row in one.rows]} for one in suite.results],
        }
        for suite in suites
    ]
    return json.dumps({"host": machine, "suites": found}, indent=2) + "\n"
