"""Parsed files are kept by content, and loaded again without lark."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from mydocker.dockerfile import parse_cached
from mydocker.errors import DockerfileErrors

if TYPE_CHECKING:
    from pathlib import Path

TEXT = b"""\
# syntax=docker/dockerfile:1
# check=skip=DL3006
ARG v=1
FROM --platform=$BUILDPLATFORM a:$v AS One
RUN --mount=type=cache,target=/c --device=x <<EOF
a \xff
EOF
COPY --from=b --exclude=c d <<E /e/
x
E
ENV a=b c="d e$v" f=${v:+'x'} g=${a#\\\\b} h=${a/b/c}
RUN <<'F'
F
COPY <<G /g
$v
G
LABEL k v
HEALTHCHECK --interval=1m CMD ["x"]
HEALTHCHECK NONE
ONBUILD RUN y
ADD --checksum=sha256:0 https://x /
EXPOSE 80/TCP
CMD x
"""


def test_second_time_gives_the_same_values(tmp_path: Path) -> None:
    first = parse_cached(TEXT, str(tmp_path), "x")
    [entry] = tmp_path.iterdir()
    second = parse_cached(TEXT, str(tmp_path), "x")
    assert second == first
    assert [type(one) for one in second.dockerfile.stages[0].instructions] == [
        type(one) for one in first.dockerfile.stages[0].instructions
    ]
    assert first.findings
    assert "DL3006" not in {finding.rule for finding in first.findings}
    assert [path.name for path in tmp_path.iterdir()] == [entry.name]


def test_entry_is_found_under_another_name_of_the_file(tmp_path: Path) -> None:
    parse_cached(TEXT, str(tmp_path), "x")
    assert parse_cached(TEXT, str(tmp_path), "y").dockerfile.source.filename == "y"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("damage", [b"", b"x", b"\xff\xfe", b"[]", b"null"])
def test_damaged_entry_is_ignored_and_written_again(tmp_path: Path, damage: bytes) -> None:
    first = parse_cached(TEXT, str(tmp_path))
    [entry] = tmp_path.iterdir()
    good = entry.read_bytes()
    for bad in (damage, good[: len(good) // 2], good.replace(b"cache", b"cashe"), b"x" + good):
        entry.write_bytes(bad)
        assert parse_cached(TEXT, str(tmp_path)) == first
        assert entry.read_bytes() == good


def test_entry_is_json_below_its_checksum(tmp_path: Path) -> None:
    parse_cached(TEXT, str(tmp_path))
    [entry] = tmp_path.iterdir()
    checksum, _, body = entry.read_bytes().partition(b"\n")
    assert len(checksum) == 64
    assert isinstance(json.loads(body), list)


def test_mistakes_are_told_every_time_and_not_kept(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(DockerfileErrors, match="unknown instruction"):
            parse_cached(b"FROM a\nRUM\n", str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_directory_that_cannot_be_made_costs_only_time(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert parse_cached(TEXT, str(tmp_path / "file" / "below")).dockerfile.stages


def test_lark_is_not_imported_when_nothing_changed(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_bytes(TEXT)
    program = """
import sys
from mydocker.dockerfile import expand, parse_cached

text = open(sys.argv[1], "rb").read()
found = parse_cached(text, sys.argv[2])
for one in found.dockerfile.stages[0].instructions:
    expand(one, {"v": "1"})
print("lark" in sys.modules)
"""
    words = [sys.executable, "-c", program, str(tmp_path / "Dockerfile"), str(tmp_path / "cache")]
    told = [subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip() for _ in range(2)]
    assert told == ["True", "False"]


def test_oldest_entries_and_abandoned_temporaries_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mydocker.dockerfile.cache._MOST_ENTRIES", 2)
    abandoned, young = tmp_path / ".x.json.1.1.tmp", tmp_path / ".y.json.1.1.tmp"
    abandoned.touch()
    young.touch()
    os.utime(abandoned, (1, 1))
    for number in range(4):
        parse_cached(b"FROM a:%d\n" % number, str(tmp_path))
        newest = max(tmp_path.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        os.utime(newest, (10 + number, 10 + number))
    assert len(list(tmp_path.glob("*.json"))) == 2
    assert [path.name for path in tmp_path.glob(".*.tmp")] == [young.name]


@pytest.mark.parametrize(("directive", "fail"), [("error=true", True), ("skip=all", False)])
def test_file_can_ask_for_findings_to_be_errors(tmp_path: Path, directive: str, fail: bool) -> None:
    assert parse_cached(f"# check={directive}\nFROM a\n".encode(), str(tmp_path)).findings_fail is fail
