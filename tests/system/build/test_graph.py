"""`build --graph`: the picture tells what the build did."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root

_DOCKERFILE = """\
FROM base AS unused
RUN true
FROM base AS one
RUN echo 1 > /1
FROM one AS two
RUN echo 2 > /2
FROM base
COPY --from=two /2 /2
COPY a /a
"""


def drawn(mydocker: CommandLine, *words: str, status: int = 0) -> dict[str, Any]:
    """Build with a graph and return it."""
    done = mydocker.run("build", "--graph", "g.json", *words)
    assert done.returncode == status, done.stderr
    whole: dict[str, Any] = json.loads((mydocker.directory / "g.json").read_text())
    return whole


def states(graph: dict[str, Any]) -> dict[str, str]:
    return {node["id"]: node["state"] for node in graph["nodes"] if node["kind"] == "step"}


def test_the_graph_has_what_was_needed_and_what_became_of_it(mydocker: CommandLine) -> None:
    (mydocker.directory / "Dockerfile").write_text(_DOCKERFILE)
    (mydocker.directory / "a").write_text("1")
    first = drawn(mydocker)
    assert set(states(first).values()) == {"run"}
    assert first["skipped"] == 1
    assert {(edge["source"], edge["target"], edge["kind"]) for edge in first["edges"]} == {
        ("from one", "one 1/1", "base"),
        ("one 1/1", "from two", "base"),
        ("from two", "two 1/1", "base"),
        ("from 3", "3 1/2", "base"),
        ("two 1/1", "3 1/2", "files"),
        ("3 1/2", "3 2/2", "base"),
    }
    (mydocker.directory / "a").write_text("2")
    second = drawn(mydocker)
    assert states(second) == {"one 1/1": "hit", "two 1/1": "hit", "3 1/2": "hit", "3 2/2": "run"}
    assert {node["id"]: node["why"] for node in second["nodes"]}["3 2/2"] == "file a changed"


def test_a_dry_run_draws_what_would_run(mydocker: CommandLine) -> None:
    (mydocker.directory / "Dockerfile").write_text("FROM base\nRUN true\n")
    assert states(drawn(mydocker, "--dry-run")) == {"0 1/1": "would run"}


def test_a_failed_build_is_drawn_up_to_its_failure(mydocker: CommandLine) -> None:
    (mydocker.directory / "Dockerfile").write_text("FROM base\nRUN true\nRUN exit 7\nRUN true\n")
    graph = drawn(mydocker, "--graph", "g.svg", "--graph", "g.html", "--graph", "g.dot", status=1)
    assert list(states(graph).values()) == ["run", "failed", "not reached"]
    assert "exit status 7" in graph["nodes"][2]["why"]
    for form in ("svg", "html", "dot"):
        assert "failed" in (mydocker.directory / f"g.{form}").read_text()


def test_an_unknown_form_is_refused_before_anything_is_built(mydocker: CommandLine) -> None:
    (mydocker.directory / "Dockerfile").write_text("FROM base\nRUN true\n")
    done = mydocker.run("build", "--graph", "g.png")
    assert done.returncode == 125
    assert ".svg, .html, .dot, .json" in done.stderr
