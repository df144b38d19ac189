"""Chores about speed: each file in benchmarks/ is a task of its own name, and all together give one table."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doit.exceptions import TaskFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

_REPOSITORY = Path(__file__).resolve().parent.parent
_BENCHMARKS = _REPOSITORY / "benchmarks"
RESULTS = _REPOSITORY / "bench-results"


def task_bench() -> Iterator[dict[str, Any]]:
    """Measure beside the peers that are installed: a table of ratios, JSON and a picture (doit bench:NAME for one)."""
    names = [file.stem for file in sorted(_BENCHMARKS.glob("*.py")) if not file.name.startswith("_")]
    for name in names:
        text = (_BENCHMARKS / f"{name}.py").read_text()
        first = text.partition('"""')[2].partition("\n")[0].strip().rstrip('"')
        yield {"name": name, "doc": first, "actions": [partial(run, name)], "uptodate": [False]}
    yield {
        "name": "summary",
        "doc": "Print the table of what was measured last, and write bench.txt, bench.json and bench.svg.",
        "actions": [summarise],
        "uptodate": [False],
    }


def run(name: str, results: Path = RESULTS) -> None:
    """Run one file of benchmarks; what it measures goes to the terminal and to a file, a failure into the table."""
    results.mkdir(exist_ok=True)
    for old in (results / f"{name}.jsonl", results / f"{name}.failed"):
        old.unlink(missing_ok=True)
    env = {**os.environ, "BENCH_JSON": str(results / f"{name}.jsonl")}
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}"], cwd=_REPOSITORY, env=env, stderr=subprocess.PIPE, text=True
    )
    sys.stderr.write(done.stderr)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        (results / f"{name}.failed").write_text(f"{last} (exit status {done.returncode})\n")


def summarise(results: Path = RESULTS) -> TaskFailed | None:
    """Print the table and write it as text, JSON and a picture; fails when a benchmark did."""
    from benchmarks._picture import picture
    from benchmarks._results import Suite, as_json, read, summary

    names = sorted({path.stem for path in (*results.glob("*.jsonl"), *results.glob("*.failed"))})
    suites = []
    for name in names:
        failed = results / f"{name}.failed"
        failure = failed.read_text().strip() if failed.exists() else ""
        suites.append(Suite(name, read(results / f"{name}.jsonl"), failure))
    text = summary(suites)
    print("\n" + text)
    for name, content in (("bench.txt", text), ("bench.json", as_json(suites)), ("bench.svg", picture(suites))):
        (results / name).write_text(content)
    print(f"written: {results}/bench.txt, bench.json, bench.svg")
    broken = [suite.name for suite in suites if suite.failure]
    return TaskFailed(f"failed: {', '.join(broken)}") if broken else None
