"""The story that the command reference tells, typed as it is printed there (`mydocker` for `./mydocker`)."""

from __future__ import annotations

import re
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root

_TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
_QUICKSTART = "FROM base\nRUN touch x.txt\nRUN mkdir /home/jdy\nWORKDIR /home/jdy\nENTRYPOINT sleep 99999\n"


def busybox_tar(directory: Path) -> None:
    """Write a root file system with one static program, as the seed's busybox.tar is one."""
    root = directory / "rootfs"
    (root / "bin").mkdir(parents=True)
    subprocess.run(["cp", "/usr/bin/busybox", root / "bin/busybox"], check=True)
    for applet in ("sh", "true", "cat", "ls", "sleep", "echo"):
        (root / "bin" / applet).symlink_to("busybox")
    subprocess.run(["tar", "-C", root, "-cf", directory / "busybox.tar", "."], check=True)


def test_build_base_from_an_archive_then_images(mydocker: CommandLine) -> None:
    busybox_tar(mydocker.directory)
    mydocker("buildBase", "busybox.tar")
    header, row = mydocker("images").splitlines()
    assert header == "ID          NAME        VERSION     FROM        EXPOSE      CREATED"
    assert re.fullmatch(rf"base        base                                \[\]          {_TIME}", row)
    assert mydocker("run", "-image", "base", "echo", "works") == "works\n"


def test_build_with_the_seeds_dockerfile(mydocker: CommandLine) -> None:
    (mydocker.directory / "dockerfile").write_text(_QUICKSTART)
    done = mydocker.run("build", "-f", "dockerfile", "-t", "xx:0.01")
    assert done.returncode == 0, done.stderr
    assert "there is no image base yet: making it from this host" in done.stderr
    assert "3 steps run" in done.stderr
    rows = mydocker("images").splitlines()
    assert re.fullmatch(rf"[0-9a-f]{{12}} +xx +0\.01 +base +\[\] +{_TIME}", rows[2])


def test_a_second_identical_build_runs_no_step_and_gives_the_same_image(mydocker: CommandLine) -> None:
    (mydocker.directory / "dockerfile").write_text(_QUICKSTART)
    first = mydocker("build", "-f", "dockerfile", "-t", "xx:0.01")
    again = mydocker.run("build", "-f", "dockerfile", "-t", "xx:0.01")
    assert again.stdout == first
    assert "0 steps run, 3 found in the cache" in again.stderr


def test_run_ps_logs_exec_stop_remove(mydocker: CommandLine) -> None:
    identifier = mydocker("run", "-d", "-name", "web", "-image", "base", "sh", "-c", "echo ready; sleep 99").strip()
    assert re.fullmatch("[0-9a-f]{64}", identifier)
    header, row = mydocker("ps").splitlines()
    assert header.split() == ["ID", "NAME", "PID", "STATUS", "COMMAND", "CREATED"]
    assert re.fullmatch(rf"{identifier[:12]} +web +\d+ +running +sh -c echo ready; sleep 99 +{_TIME}", row)
    assert mydocker("exec", "web", "echo", "inside") == "inside\n"
    assert mydocker("exec", identifier[:6], "cat", "/proc/1/comm") in ("sh\n", "sleep\n")
    assert mydocker("logs", "web") == "ready\n"
    assert mydocker("stop", "-t", "0", "web") == "web\n"
    assert "exited" in mydocker("ps").splitlines()[1]
    assert mydocker("remove", "web") == "web\n"
    assert len(mydocker("ps").splitlines()) == 1


def test_a_background_process_of_the_seed(mydocker: CommandLine) -> None:
    name = mydocker("run", "-d", "-image", "base", "top").strip()
    assert "running" in mydocker("ps")
    mydocker("remove", "--force", name)


@pytest.mark.parametrize("dashes", ["-", "--"])
def test_flags_in_both_spellings(mydocker: CommandLine, dashes: str) -> None:
    (mydocker.directory / "data").mkdir()
    (mydocker.directory / "data/file").write_text("from the host\n")
    v1, v2 = "/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max"
    script = f"echo $GREETING; cat /data/file; cat {v1} 2>/dev/null || cat {v2}"
    out = mydocker(
        "run", f"{dashes}name", "all", "-e", "GREETING=hello", "-v", f"{mydocker.directory}/data:/data", "-m", "100m",
        f"{dashes}cpushare", "510", f"{dashes}cpuset", "0", f"{dashes}image", "base", "sh", "-c", script,
    )  # fmt: skip
    assert out == "hello\nfrom the host\n104857600\n"
    assert "all" in mydocker("ps")


def test_run_takes_an_image_by_name_version_or_the_beginning_of_its_id(mydocker: CommandLine) -> None:
    (mydocker.directory / "dockerfile").write_text("FROM base\nRUN touch /here\n")
    identifier = mydocker("build", "-q", "-f", "dockerfile", "-t", "xx:0.01").strip()
    for name in ("xx", "xx:0.01", identifier.removeprefix("sha256:")[:5], identifier):
        assert mydocker("run", "-image", name, "ls", "/here") == "/here\n"
    assert mydocker("run", "xx:0.01", "ls", "/here") == "/here\n"


def test_save_a_container(mydocker: CommandLine) -> None:
    mydocker("run", "-name", "box", "-image", "base", "sh", "-c", "echo kept > /kept; mkdir /new; rm /bin/ls")
    mydocker("save", "-o", "box.tar", "-c", "box")
    with tarfile.open(mydocker.directory / "box.tar") as archive:
        names = {name.removeprefix("./") for name in archive.getnames()}
        kept = archive.extractfile("kept")
        assert kept is not None
        assert kept.read() == b"kept\n"
    assert {"new", "bin/busybox", "etc/passwd"} <= names
    assert not {"bin/ls", "etc/hosts"} & names
    mydocker("buildBase", "box.tar", "--name", "again")
    assert mydocker("run", "again", "cat", "/kept") == "kept\n"


def test_what_docker_save_writes_becomes_a_base_with_its_own_config_and_layers(mydocker: CommandLine) -> None:
    (mydocker.directory / "dockerfile").write_text('FROM base\nRUN echo layered > /l\nENV X=1\nCMD ["cat", "/l"]\n')
    identifier = mydocker("build", "-q", "-f", "dockerfile", "-t", "xx:0.01").strip()
    mydocker("save", "-o", "image.tar", "xx:0.01")
    mydocker("buildBase", "image.tar", "--name", "other")
    assert mydocker("images", "-q", "--no-trunc", "other").strip() == identifier
    assert mydocker("run", "other") == "layered\n"
