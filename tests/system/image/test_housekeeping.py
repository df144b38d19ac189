"""The commands about images as a user types them: what they list, what they would free, and what they then free."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.system.image.trees import write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root


@pytest.fixture
def rootfs(mydocker: CommandLine) -> Path:
    tree = mydocker.directory / "tree"
    for name in ("etc/passwd", "bin/tool", "data/big"):
        write(f"{tree}/{name}", os.urandom(20_000), 0o755)
    archive = mydocker.directory / "rootfs.tar"
    subprocess.run(["tar", "-cf", archive, "-C", tree, "."], check=True)
    return archive


def build(mydocker: CommandLine, tag: str, *lines: str) -> str:
    (mydocker.directory / "Dockerfile").write_text("\n".join(lines))
    mydocker("build", "-q", "-t", tag, ".")
    return str(json.loads(mydocker("images", "--format", "json", tag))[0]["id"])


def test_images_in_every_form(mydocker: CommandLine, rootfs: Path) -> None:
    mydocker("import", "--change", "LABEL tier=web", "--change", "EXPOSE 80 53/udp", "rootfs.tar", "site:1.0")
    mydocker("import", "-m", "another", "rootfs.tar", "registry.example/team/tool")
    mydocker("tag", "site:1.0", "site")
    table = mydocker("images").splitlines()
    assert re.split(r" {2,}", table[0].strip()) == ["ID", "NAME", "VERSION", "FROM", "EXPOSE", "CREATED"]
    assert [line.split()[1:3] for line in table[1:]] == [
        ["site", "1.0"], ["site", "[53/udp"], ["registry.example/team/tool", "[]"],
    ]  # fmt: skip
    facts = {each["names"][0]: each for each in json.loads(mydocker("images", "--format", "json"))}
    site = facts["site:1.0"]
    assert (site["names"], site["exposed"]) == (["site:1.0", "site:latest"], ["53/udp", "80/tcp"])
    assert site["size"] > 0
    assert site["digest"] in mydocker("images", "--digests", "site:1.0")
    assert mydocker("images", "-q", "--no-trunc", "site").split() == [site["id"]]

    def listed(*filters: str) -> list[str]:
        words = [word for each in filters for word in ("--filter", each)]
        return [each["names"][0] for each in json.loads(mydocker("images", "--format", "json", *words))]

    assert listed("label=tier") == listed("label=tier=web") == listed("reference=site*") == ["site:1.0"]
    assert listed("label=tier=db") == listed("reference=site:2*") == listed("dangling=true") == []
    assert listed("reference=registry.example/*/tool") == ["registry.example/team/tool:latest"]
    assert listed("dangling=false", "label=tier") == ["site:1.0"]
    assert mydocker.run("images", "--filter", "colour=red").returncode == 125


def test_filters_by_age(mydocker: CommandLine, rootfs: Path) -> None:
    for seconds, name in enumerate(("old", "middle", "new")):
        mydocker("import", "-m", name, "rootfs.tar", name)
        index = mydocker.root / "index.json"
        document = json.loads(index.read_text())
        document["manifests"][-1]["annotations"]["io.mydocker.built"] = str(1_000_000_000 + seconds)
        index.write_text(json.dumps(document))
    assert mydocker("images", "--filter", "since=old").split("\n")[1].split()[1] == "middle"
    assert len(mydocker("images", "-q", "--filter", "before=new").split()) == 2
    assert mydocker("images", "-q", "--filter", "before=new", "--filter", "since=old").count("\n") == 1


def test_history_tells_each_step_newest_first(mydocker: CommandLine, rootfs: Path) -> None:
    mydocker("import", "-m", "by hand", "rootfs.tar", "ground")
    build(mydocker, "app:1", "FROM ground", "COPY Dockerfile /", "ENV A=1", "CMD true")
    table = mydocker("history", "app:1").splitlines()
    assert re.split(r" {2,}", table[0].strip()) == ["LAYER", "CREATED", "CREATED BY", "SIZE", "COMMENT"]
    steps = json.loads(mydocker("history", "--format", "json", "app:1"))
    assert [step["created_by"].split()[0] for step in steps] == ["CMD", "ENV", "COPY", "mydocker"]
    assert [bool(step["layer"]) for step in steps] == [False, False, True, True]
    assert steps[-1]["comment"] == "by hand"
    assert mydocker("history", "-q", "--no-trunc", "app:1").split() == [step["layer"] for step in steps[2:]]


def test_diff_of_images_and_of_a_container(mydocker: CommandLine, rootfs: Path) -> None:
    mydocker("import", "rootfs.tar", "one")
    tree = mydocker.directory / "tree"
    (tree / "etc/passwd").unlink()
    (tree / "data/big").write_bytes(b"x")
    write(f"{tree}/data/more/deep", b"x", 0o600)
    os.utime(tree / "bin/tool", (1, 1))
    subprocess.run(["tar", "-cf", "rootfs.tar", "-C", tree, "."], check=True, cwd=mydocker.directory)
    mydocker("import", "rootfs.tar", "two")
    expected = ["C /data/big", "A /data/more", "A /data/more/deep", "D /etc/passwd"]
    assert mydocker("diff", "one", "two").splitlines() == expected
    assert json.loads(mydocker("diff", "--format", "json", "two", "two")) == []
    mydocker("buildBase")
    mydocker("run", "-name", "box", "-image", "base", "sh", "-c", "echo > /added; rm /etc/group; chmod 700 /tmp")
    assert mydocker("diff", "box").splitlines() == ["A /added", "D /etc/group", "C /tmp"]
    assert [each["path"] for each in json.loads(mydocker("diff", "--format", "json", "box", "base"))] == [
        "/added", "/etc/group", "/tmp",
    ]  # fmt: skip


def sizes(mydocker: CommandLine) -> dict[str, tuple[int, int, int]]:
    rows = json.loads(mydocker("df", "--format", "json"))
    return {row["kind"]: (row["number"], row["size"], row["free"]) for row in rows}


def test_df_tells_what_there_is_and_what_prune_would_free(mydocker: CommandLine, rootfs: Path) -> None:
    mydocker("import", "rootfs.tar", "name")
    before = sizes(mydocker)
    assert before["blobs"][0] == 3
    assert before["blobs"][2] == before["snapshots"][2] == 0
    assert before["snapshots"][1] >= 60_000
    mydocker("import", "-m", "moves the name", "rootfs.tar", "name")
    mydocker("rmi", "name")
    assert sizes(mydocker)["blobs"][:2] == before["blobs"][:2]
    header = mydocker("df").splitlines()[0].split()
    assert header == ["TYPE", "NUMBER", "SIZE", "RECLAIMABLE"]
    mydocker("prune")
    assert sizes(mydocker)["blobs"] == (0, 0, 0)


@pytest.mark.parametrize("choice", [[], ["--containers"], ["--cache", "--images"], ["-a"]])
def test_a_dry_run_of_prune_foretells_it_exactly(mydocker: CommandLine, choice: list[str]) -> None:
    mydocker("buildBase")
    build(mydocker, "app:1", "FROM base", "RUN echo one > /one", "RUN head -c 100000 /dev/urandom > /two")
    mydocker("run", "-name", "ended", "-image", "app:1", "true")
    mydocker("run", "-d", "-name", "running", "-image", "base", "sleep", "100")
    build(mydocker, "app:1", "FROM base", "RUN echo other > /one")
    mydocker("rmi", "-f", "base")
    untouched = sizes(mydocker)
    foretold = mydocker("prune", "--dry-run", *choice)
    assert sizes(mydocker) == untouched
    assert foretold.replace("would remove", "removed") == mydocker("prune", *choice)
    assert mydocker("prune", "--dry-run", *choice).splitlines()[-1] == "would remove 0 blobs and 0 snapshots, 0 B"
    assert mydocker("fsck").splitlines()[-1].endswith("0 problems")
    mydocker("exec", "running", "ls", "/bin/sh")
