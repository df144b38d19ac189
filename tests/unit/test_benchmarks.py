"""The figures of benchmarks: ratios round by round, what is missing is told, and three forms of the same table."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from benchmarks._picture import picture
from benchmarks._results import Suite, as_json, as_text, ratios, read, result, summary
from tasks import bench

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

_SECONDS = {"ours": [1.0, 2.0, 3.0], "peer <a>": [2.0, 4.0, 6.0]}
_MISSING = {"runc": "runc is not installed"}


def test_a_ratio_is_taken_in_each_round_and_has_its_quartiles() -> None:
    assert ratios([1, 2, 3], [2, 4, 6]) == (0.5, 0.5, 0.5)
    assert ratios([1, 2, 4], [1, 1, 1]) == (2, 1, 4)
    assert ratios([3], [2]) == (1.5, 1.5, 1.5)


def test_text_tells_medians_ratios_and_what_is_missing() -> None:
    lines = as_text(result("start", _SECONDS, _MISSING)).splitlines()
    assert lines[0] == "start"
    assert lines[1].split() == ["ours", "2000.0", "ms"]
    assert lines[2].endswith("4000.0 ms   ours / this = 0.50  (0.50 .. 0.50)")
    assert lines[3].split(maxsplit=1) == ["runc", "not measured: runc is not installed"]


def test_what_is_written_is_read_again_and_told_in_three_forms(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = {"title": "start", "seconds": _SECONDS, "missing": _MISSING}
    (tmp_path / "run.jsonl").write_text(json.dumps(line) + "\n")
    (tmp_path / "build.failed").write_text("no docker (exit status 1)\n")
    failed = bench.summarise(tmp_path)
    assert failed is not None
    assert "build" in str(failed)
    printed = capsys.readouterr().out
    text = (tmp_path / "bench.txt").read_text()
    assert text in printed
    assert "run: start: runc: runc is not installed" in text
    assert "build: failed: no docker (exit status 1)" in text
    facts = json.loads((tmp_path / "bench.json").read_text())
    assert facts["suites"][1]["results"][0]["rows"][1]["ratio"] == 0.5
    root = ElementTree.parse(tmp_path / "bench.svg").getroot()
    assert len(root.findall("{http://www.w3.org/2000/svg}circle")) == 1


def test_nothing_measured_is_a_table_too(tmp_path: Path) -> None:
    assert read(tmp_path / "none.jsonl") == ()
    suites = (Suite("run", ()),)
    assert summary(suites).startswith("measured")
    assert json.loads(as_json(suites))["suites"][0]["results"] == []
    assert ElementTree.fromstring(picture(suites)).tag.endswith("svg")


def test_ratios_beyond_the_scale_stay_in_the_picture() -> None:
    far = result("far", {"ours": [1000.0], "slow": [1.0], "fast": [100000.0]}, {})
    root = ElementTree.fromstring(picture((Suite("x", (far,)),)))
    for circle in root.iter("{http://www.w3.org/2000/svg}circle"):
        assert 500 < float(circle.attrib["cx"]) < 1060


def test_every_file_of_benchmarks_is_a_task() -> None:
    names = [task["name"] for task in bench.task_bench()]
    assert {"build", "images", "parse", "run", "shell"} <= set(names)
    assert names[-1] == "summary"
