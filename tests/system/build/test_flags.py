"""The flags of `build`, one by one: what they do, and that what cannot be meant is refused before anything runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root

_DOCKERFILE = """\
FROM base AS one
ARG A=none
LABEL a=$A
RUN echo one-$A > /one
FROM base AS Two
RUN echo two > /two
FROM one AS three
COPY --from=two /two /two
"""


@pytest.fixture(autouse=True)
def written(mydocker: CommandLine) -> None:
    (mydocker.directory / "Dockerfile").write_text(_DOCKERFILE)


def refused(mydocker: CommandLine, *words: str, because: str) -> None:
    done = mydocker.run("build", *words)
    assert done.returncode in (1, 125), words
    assert because in done.stderr, words
    assert "defect" not in done.stderr
    assert "[" not in done.stderr.partition("mydocker: ")[0], "nothing was run"


def test_what_cannot_be_meant_is_refused_before_anything_runs(mydocker: CommandLine) -> None:
    mydocker("buildBase")
    for words, because in (
        (("--allow", "everything"), "security.insecure and network.host"),
        (("-j", "-1"), "--jobs -1"),
        (("--platform", "linux//amd64"), "os/architecture"),
        (("--ssh", "default=/nonexistent"), "/nonexistent: No such file"),
        (("--ssh", "default=Dockerfile"), "is no agent's socket"),
        (("--build-arg", "=x"), "expected NAME=VALUE"),
        (("--label", "=x"), "expected NAME=VALUE"),
        (("--secret", "id=x,src=/nonexistent"), "/nonexistent: No such file"),
        (("--secret", "src=Dockerfile"), "expected id=ID"),
        (("--secret", "id=x,env=NOT_SET_HERE"), "is not set"),
        (("--output", "type=png,dest=x"), "type=image|local|tar|oci|docker"),
        (("--graph", "x.png"), ".svg, .html, .dot, .json"),
        (("--network", "bridge"), "--network"),
        (("--progress", "loud"), "--progress"),
        (("--target", "tree"), "did you mean three?"),
        (("--no-cache-filter", "one,tow"), "did you mean two?"),
        (("-t", "BAD NAME"), "invalid image name"),
        (("-f", "nowhere"), "there is no file nowhere"),
    ):
        refused(mydocker, *words, because=because)


def test_several_targets_give_an_image_each(mydocker: CommandLine) -> None:
    done = mydocker.run("build", "--target", "two", "--target", "three", "-t", "app:1", "--iidfile", "id")
    first, last = done.stdout.splitlines()
    assert first.endswith("  without a name (target two)")
    assert last.endswith("  app:1")
    assert (mydocker.directory / "id").read_text() == last.split()[0]
    assert mydocker("run", "app:1", "cat", "/one", "/two") == "one-none\ntwo\n"
    assert mydocker("run", first.split()[0], "cat", "/two") == "two\n"


def test_arguments_and_labels_are_in_the_image(mydocker: CommandLine) -> None:
    mydocker.env["A"] = "from-here"
    mydocker("build", "-t", "app:1", "--build-arg", "A", "--label", "x=y", "--label", "z")
    (facts,) = json.loads(mydocker("inspect", "app:1"))
    assert facts["config"]["config"]["Labels"] == {"a": "from-here", "x": "y", "z": ""}


def test_no_cache_filter_takes_stages_by_name_in_any_case_or_by_number(mydocker: CommandLine) -> None:
    mydocker("build")
    for name in ("Two", "two", "1"):
        done = mydocker.run("build", "--no-cache-filter", name, "--explain")
        assert "[one 1/1] hit" in done.stdout
        assert "[two 1/1] run: RUN echo two > /two  (the cache was not asked (--no-cache))" in done.stdout
        assert "[three 1/1] hit" in done.stdout


def test_a_platforms_short_name_is_its_whole_one(mydocker: CommandLine) -> None:
    (mydocker.directory / "Dockerfile").write_text(
        "FROM scratch AS a\nCOPY Dockerfile /f\nFROM --platform=aarch64 scratch\nCOPY Dockerfile /f\n"
    )
    for words, architecture in ((("--target", "a", "--platform", "arm64"), "arm64"), ((), "arm64")):
        mydocker("build", "-t", "app:1", *words)
        (facts,) = json.loads(mydocker("inspect", "app:1"))
        assert (facts["config"]["os"], facts["config"]["architecture"]) == ("linux", architecture)
    (mydocker.directory / "Dockerfile").write_text("FROM --platform=a/b/c/d scratch\nCOPY Dockerfile /f\n")
    refused(mydocker, because="Dockerfile:1")


def test_the_facts_for_other_programs(mydocker: CommandLine) -> None:
    identifier = mydocker("build", "-q", "-t", "a:1", "-t", "a:2", "--iidfile", "id", "--metadata-file", "meta").strip()
    assert (mydocker.directory / "id").read_text() == identifier
    facts = json.loads((mydocker.directory / "meta").read_text())
    assert facts["containerimage.config.digest"] == identifier
    assert facts["image.name"] == "a:1,a:2"
    descriptor = facts["containerimage.descriptor"]
    assert descriptor["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert descriptor["digest"] == facts["containerimage.digest"]
    assert descriptor["size"] == (mydocker.root / "blobs/sha256" / descriptor["digest"][7:]).stat().st_size
    done = mydocker.run("build", "--iidfile", "/nonexistent/id")
    assert done.returncode == 1
    assert "mydocker: cannot write /nonexistent/id: No such file or directory" in done.stderr


def test_the_network_of_run_can_be_taken_away(mydocker: CommandLine) -> None:
    (mydocker.directory / "Dockerfile").write_text("FROM base\nRUN ls /sys/class/net > /net; wc -l < /net\n")
    mydocker("build", "-t", "app:1", "--network", "none")
    assert mydocker("run", "app:1", "cat", "/net") == "lo\n"
