"""The samples: each is built, and does what its first lines promise."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tasks.samples import sample_folders

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root

HELLO_ID = "sha256:4af8d5b0c28d38f80ff63504860e1c1ea90bbc2e0f8dc852574192ea7d531976"
HELLO_DIGEST = "sha256:8c03e90d70a9bacc9361e37a4a5ff5a4920e50a0c18766746cbbb216826d8b3a"


@pytest.mark.parametrize("folder", sample_folders(), ids=lambda folder: folder.name)
def test_each_sample_builds_and_builds_again_to_the_same_image_without_running(
    mydocker: CommandLine, folder: Path
) -> None:
    first = mydocker("build", "-t", "sample:1", folder)
    again = mydocker.run("build", "-t", "sample:1", folder)
    assert again.stdout == first
    assert again.stderr.splitlines()[-1].startswith("0 steps run")


def test_the_sample_from_scratch_has_the_digests_that_are_known_by_heart(mydocker: CommandLine, samples: Path) -> None:
    import json

    mydocker("build", "-t", "hello:1", "--platform", "linux/amd64", samples / "hello")
    (facts,) = json.loads(mydocker("images", "--format", "json"))
    # zstd's bytes are promised for one version of its library only, so a new one may change `digest`; never the others.
    assert facts["id"] == HELLO_ID
    assert facts["digest"] == HELLO_DIGEST


def test_report_gives_its_table(mydocker: CommandLine, samples: Path) -> None:
    import tarfile

    mydocker("build", "-t", "report:1", samples / "report")
    # An image without a shell: its container is made, not run, and saved.
    mydocker.run("run", "-name", "r", "report:1", "/report/table.txt")
    mydocker("save", "-o", "r.tar", "-c", "r")
    with tarfile.open(mydocker.directory / "r.tar") as archive:
        names = {name.strip("./") for name in archive.getnames() if name.strip("./")}
        table = archive.extractfile("report/table.txt")
        header = archive.extractfile("report/header.txt")
        assert table is not None
        assert header is not None
        assert table.read() == b"apple 3\npear 7\nplum 7\n"
        assert header.read() == b"Sales by fruit\n--------------\n"
    assert {name for name in names if name.startswith("report/")} == {"report/header.txt", "report/table.txt"}


def test_toolbox_says_its_version(mydocker: CommandLine, samples: Path) -> None:
    mydocker("build", "-t", "toolbox:2", "--build-arg", "VERSION=2.5", samples / "toolbox")
    assert mydocker("run", "toolbox:2") == "toolbox 2.5\n"
    assert mydocker("run", "toolbox:2", "cat", "loud.txt") == "QUIET WORDS\nBECOME LOUD\n"


def test_counter_keeps_its_count_in_a_volume_and_ends_cleanly(mydocker: CommandLine, samples: Path) -> None:
    mydocker("build", "-t", "counter:1", samples / "counter")
    data = mydocker.directory / "data"
    data.mkdir()
    for run in ("first", "second"):
        mydocker("run", "-d", "-name", run, "-v", f"{data}:/data", "counter:1", "5")
        deadline = time.monotonic() + 10
        while "count is" not in mydocker("logs", run):
            assert time.monotonic() < deadline
        mydocker("stop", run)
        assert "stopped at" in mydocker("logs", run)
        assert "exited (0)" in mydocker("ps").splitlines()[1]
    assert int((data / "count").read_text()) >= 10


def test_site_serves_its_pages_as_nobody(mydocker: CommandLine, samples: Path) -> None:
    mydocker("build", "-t", "site:1", samples / "site")
    mydocker("run", "-d", "-name", "site", "site:1")
    deadline = time.monotonic() + 10
    while (done := mydocker.run("exec", "site", "wget", "-q", "-O", "-", "http://127.0.0.1:8080/about.txt")).returncode:
        assert time.monotonic() < deadline, done.stderr
    assert done.stdout == "Built without a daemon.\n"
    assert mydocker("exec", "site", "id", "-u").strip() == "65534"
