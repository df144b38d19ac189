"""What is mounted into a container, what of it reaches the host, and copying through it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root


def test_volumes_named_anonymous_and_bound(box: CommandLine, tmp_path: Path) -> None:
    assert box("run", "--rm", "-v", "keep:/data", "base", "cat", "/data/seed") == "from the image\n"
    box("run", "--rm", "-v", "keep:/data", "base", "sh", "-c", "echo more > /data/new")
    assert box("run", "--rm", "-v", "keep:/data", "base", "ls", "/data").split() == ["new", "seed"]
    assert box("run", "--rm", "-v", "bare:/data:nocopy", "base", "ls", "/data") == ""
    box("create", "--name", "user", "-v", "keep:/x", "base")
    assert box.run("volume", "rm", "keep").returncode == 1
    box("remove", "user")
    box("volume", "rm", "keep")
    bound = tmp_path / "bound"
    assert box.run("run", "--rm", "-v", f"{bound}:/b:ro", "base", "touch", "/b/x").returncode == 1
    assert bound.is_dir(), "a source that is missing is made, as docker does"
    box("run", "--rm", "--mount", f"type=bind,src={bound},dst=/b", "base", "touch", "/b/x")
    assert [path.name for path in bound.iterdir()] == ["x"]
    assert box("run", "--rm", "--tmpfs", "/t:size=1m", "base", "grep", " /t ", "/proc/mounts").startswith(
        "tmpfs /t tmpfs rw,nosuid"
    )
    box("run", "--rm", "-v", "/anonymous", "base", "true")
    assert all(name == "bare" for name in [line.split()[0] for line in box("volume", "ls").splitlines()[1:]])


def test_mount_points_leave_no_trace_in_the_container(box: CommandLine, tmp_path: Path) -> None:
    box("run", "--name", "clean", "-v", f"{tmp_path}:/deep/er/mount", "base", "true")
    folder = next(path for path in (box.root / "containers").iterdir() if len(path.name) == 64)
    assert list((folder / "upper").iterdir()) == []


@pytest.fixture
def shared_mount(tmp_path: Path) -> Iterator[Path]:
    """A mount of the host that other namespaces may share."""
    place = tmp_path / "shared"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=True)
    subprocess.run(["mount", "--make-shared", place], check=True)
    (place / "inner").mkdir()
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_mounts_cross_only_where_they_are_asked_to(box: CommandLine, shared_mount: Path) -> None:
    look = "grep -c inner /proc/mounts"
    for name, words in (("apart", ""), ("follows", ":rslave"), ("tied", ":rshared")):
        box("run", "-d", "--privileged", "--name", name, "-v", f"{shared_mount}:/s{words}", "base", "sleep", "60")
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", shared_mount / "inner"], check=True)
    seen = {name: box.run("exec", name, "sh", "-c", look).stdout.strip() for name in ("apart", "follows", "tied")}
    assert seen == {"apart": "0", "follows": "1", "tied": "1"}
    for name in ("apart", "follows", "tied"):
        box("exec", name, "sh", "-c", f"mkdir /s/of-{name} && mount -t tmpfs tmpfs /s/of-{name}")
    mounted = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    assert [name for name in ("apart", "follows", "tied") if f"of-{name} " in mounted] == ["tied"]
    box("remove", "-f", "tied")
    assert f"{shared_mount}/inner" in Path("/proc/self/mountinfo").read_text(encoding="utf-8")


def test_propagation_that_the_host_does_not_offer_is_refused(box: CommandLine, tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", private], check=True)
    try:
        subprocess.run(["mount", "--make-private", private], check=True)
        done = box.run("run", "--rm", "-v", f"{private}:/p:rshared", "base", "true")
        assert (done.returncode, "is not shared" in done.stderr) == (125, True)
    finally:
        subprocess.run(["umount", private], check=True)


def test_mount_points_leave_no_trace_after_the_container_changed_the_way_to_them(
    box: CommandLine, tmp_path: Path
) -> None:
    script = "if test -e /new; then ls /new /way/sub; else rm /way; mkdir /new; ln -s /new /way; fi"
    (tmp_path / "Dockerfile").write_text("FROM base\nRUN ln -s /data /way\n")
    box("build", "-t", "ways:1", tmp_path)
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "file").touch()
    box("run", "--name", "again", "-v", f"{volume}:/way/sub", "ways:1", "sh", "-c", script)
    identifier = json.loads(box("inspect", "again"))[0]["id"]
    upper = box.root / "containers" / identifier / "upper"
    for _ in range(2):
        assert box("start", "-a", "again") == "/new:\nsub\n\n/way/sub:\nfile\n"
        assert sorted(path.name for path in upper.rglob("*")) == ["new", "way"]
    box("cp", volume / "file", "again:/way/sub/second")
    assert (volume / "second").exists()
    assert sorted(path.name for path in upper.rglob("*")) == ["new", "way"]


def test_cp_both_ways(box: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "tree" / "sub").mkdir(parents=True)
    (tmp_path / "tree" / "sub" / "file").write_text("content")
    box("create", "--name", "copy", "base", "cat", "/home/bob/tree/sub/file")
    box("cp", tmp_path / "tree", "copy:/home/bob")
    assert box("start", "-a", "copy") == "content"
    box("cp", "copy:/home/bob/tree", tmp_path / "back")
    assert (tmp_path / "back" / "sub" / "file").read_text() == "content"
    assert box.run("cp", "copy:/nothing", tmp_path).returncode == 1


def test_cp_of_a_stopped_container_sees_its_volumes_as_it_would_itself(box: CommandLine, tmp_path: Path) -> None:
    bound = tmp_path / "bound"
    bound.mkdir()
    (bound / "page").write_text("of the host")
    (bound / "way").symlink_to("/etc/passwd")
    (tmp_path / "new").write_text("new")
    box("create", "--name", "stopped", "-v", f"{bound}:/srv/www", "-v", "keep:/data", "-v", f"{bound}:/ro:ro", "base")
    box("cp", "stopped:/srv/www/page", tmp_path / "page")
    assert (tmp_path / "page").read_text() == "of the host"
    box("cp", "stopped:/data/seed", tmp_path / "seed")
    assert (tmp_path / "seed").read_text() == "from the image\n"
    box("cp", tmp_path / "new", "stopped:/srv/www/new")
    assert (bound / "new").read_text() == "new"
    assert box.run("cp", tmp_path / "new", "stopped:/ro/other").returncode != 0
    assert not (bound / "other").exists()
    box("cp", "stopped:/srv", tmp_path / "whole")
    assert (tmp_path / "whole" / "www" / "page").read_text() == "of the host"
    assert os.readlink(tmp_path / "whole" / "www" / "way") == "/etc/passwd"
    identifier = json.loads(box("inspect", "stopped"))[0]["id"]
    assert list((box.root / "containers" / identifier / "upper").iterdir()) == []
