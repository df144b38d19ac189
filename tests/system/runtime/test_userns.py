"""Containers with users of their own: root inside is nobody outside, and nothing else about the container changes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mydocker.engine import Engine
from tests.system.runtime.conftest import PYTHON, python_flags
from tests.system.runtime.test_lifecycle import state, until

if TYPE_CHECKING:
    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root

BASE = 1_000_000
MAPPED = ("--uidmap", f"0:{BASE}:65536")


def test_root_inside_is_somebody_without_rights_outside(box: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of the host's root")
    (tmp_path / "secret").chmod(0o600)
    box("run", "-d", "--name", "mapped", *MAPPED, "-v", f"{tmp_path}:/host", "base", "sleep", "60")
    pid = state(box, "mapped")["pid"]
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    assert f"Uid:\t{BASE}\t{BASE}" in status
    assert os.readlink(f"/proc/{pid}/ns/user") != os.readlink("/proc/self/ns/user")
    assert box("exec", "mapped", "sh", "-c", "id -u; cat /proc/self/uid_map").split() == ["0", "0", str(BASE), "65536"]
    assert box.run("exec", "mapped", "cat", "/host/secret").returncode != 0
    # Even with all capabilities they count inside only.
    script = "hostname changed && hostname; mknod /tmp/d b 7 0; echo 1 > /proc/sys/vm/swappiness"
    done = box.run("run", "--rm", *MAPPED, "--cap-add", "ALL", "--security-opt", "seccomp=unconfined",
                   "--security-opt", "systempaths=unconfined", "base", "sh", "-c", script)  # fmt: skip
    assert done.stdout == "changed\n"
    assert done.returncode != 0


def test_files_have_the_ids_that_the_container_sees_on_the_disk_as_well(box: CommandLine, tmp_path: Path) -> None:
    script = "touch /tmp/new /vol/new; chown 5:6 /tmp/new; rm /etc/group; stat -c '%u %g' /etc/passwd /vol /etc/hosts"
    shown = box("run", "--name", "owner", *MAPPED, "-v", "kept:/vol", "base", "sh", "-c", script)
    assert shown == "0 0\n" * 3
    identifier = json.loads(box("inspect", "owner"))[0]["id"]
    upper = box.root / "containers" / identifier / "upper"
    facts = (upper / "tmp/new").stat()
    assert (facts.st_uid, facts.st_gid) == (5, 6)
    assert [path for path in upper.rglob("*") if path.lstat().st_uid >= BASE] == []
    assert (box.root / "volumes/kept/_data/new").stat().st_uid == 0
    box("cp", "owner:/tmp/new", tmp_path / "new")
    assert (tmp_path / "new").stat().st_uid == 5
    assert box("run", "--rm", "-v", "kept:/vol", "base", "stat", "-c", "%u", "/vol/new") == "0\n"


def test_everything_else_is_as_without(box: CommandLine, tmp_path: Path) -> None:
    flags = [*MAPPED, "-m", "64m", "--tmpfs", "/t", "--init", "--hostname", "mine"]
    box("run", "-d", "--name", "usual", *flags, "base", "sleep", "60")
    script = "touch /t/x /dev/shm/x && echo > /dev/null && echo out > /dev/stdout; hostname; id -un"
    assert box("exec", "usual", "sh", "-c", script).split() == ["out", "mine", "root"]
    assert box("exec", "-u", "bob", "usual", "id", "-u") == "1000\n"
    assert "sleep 60" in box("top", "usual")
    (tmp_path / "file").write_text("x")
    done = box.run("cp", tmp_path / "file", "usual:/root/file")
    assert (done.returncode, "users of its own" in done.stderr) == (1, True)
    box("exec", "usual", "touch", "/root/made")
    box("cp", "usual:/root/made", tmp_path / "made")
    box("stop", "-t", "1", "usual")
    box("cp", tmp_path / "file", "usual:/root/file")
    box("start", "usual")
    assert box("exec", "usual", "stat", "-c", "%u", "/root/file", "/root/made") == "0\n0\n"
    assert box("run", "--rm", "-t", *MAPPED, "base", "tty") == "/dev/pts/0\n"
    assert box.run("run", "--rm", *MAPPED, "base", "sh", "-c", "exit 7").returncode == 7
    assert box.run("run", "--rm", *MAPPED, "base", "nope").returncode == 127


@pytest.mark.parametrize("shared", [("--net", "host"), ("--ipc", "host"), ("--pid", "host"), ("--uts", "host")])
def test_other_namespaces_of_the_host_can_be_shared(box: CommandLine, shared: tuple[str, str]) -> None:
    kind = shared[0].strip("-")
    script = f"readlink /proc/self/ns/{kind}; ls /sys/class > /dev/null && ls -d /proc/self /dev/shm"
    shown = box("run", "--rm", *MAPPED, *shared, "base", "sh", "-c", script).split()
    assert shown == [os.readlink(f"/proc/self/ns/{kind}"), "/dev/shm", "/proc/self"]


def test_a_user_namespace_can_be_shared_and_a_bind_shown_with_its_ids(box: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    tmp_path.chmod(0o755)
    box("run", "-d", "--name", "first", *MAPPED, "base", "sleep", "60")
    theirs = box("exec", "first", "readlink", "/proc/self/ns/user")
    words = ["--userns", "container:first", "--net", "container:first"]
    script = "readlink /proc/self/ns/user; stat -c %u /a/file /b/file; ip link > /dev/null"
    shown = box("run", "--rm", *words, "-v", f"{tmp_path}:/a", "-v", f"{tmp_path}:/b:idmap", "base", "sh", "-c", script)
    assert shown == f"{theirs}65534\n0\n"


def test_the_network_is_the_containers_own(box: CommandLine) -> None:
    code = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 1); s.bind(('127.0.0.1', 0)); print('raw')"
    )
    assert box("run", "--rm", *MAPPED, *python_flags(), "base", PYTHON, "-I", "-S", "-c", code) == "raw\n"


def test_a_mount_with_mappings_of_its_own_needs_no_user_namespace(box: CommandLine, tmp_path: Path) -> None:
    """The runtime-spec's uidMappings of a mount: other ids than on the disk, for this mount alone."""
    (tmp_path / "file").touch()
    identifier = box(
        "create", "--name", "spec", "-v", f"{tmp_path}:/m", "base", "stat", "-c", "%u %g", "/m/file"
    ).strip()
    path = box.root / "containers" / identifier / "config.json"
    document = json.loads(path.read_text())
    entry = next(each for each in document["mounts"] if each["destination"] == "/m")
    entry["uidMappings"] = [{"containerID": 0, "hostID": 40, "size": 1}]
    entry["gidMappings"] = [{"containerID": 0, "hostID": 50, "size": 1}]
    entry["options"].append("idmap")
    path.write_text(json.dumps(document))
    assert box("start", "-a", "spec") == "40 50\n"


def test_a_killed_keeper_of_such_a_container_leaves_nothing(box: CommandLine) -> None:
    box("run", "-d", "--name", "killed", *MAPPED, "base", "sleep", "60")
    pid = state(box, "killed")["pid"]
    shim = int(Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[1])
    os.kill(shim, 9)
    until(lambda: not os.path.exists(f"/proc/{pid}"))
    assert state(box, "killed")["status"] == "exited"
    assert Engine(str(box.root)).containers.find("killed").state.exit_status == 137


def test_refused_combinations(box: CommandLine) -> None:
    for words in (["--privileged", *MAPPED], ["--cgroupns", "host", *MAPPED], ["--userns", "keep-id"],
                  ["--userns", "nonsense"], ["--uidmap", "1:1000:1"], ["--uidmap", "x"]):  # fmt: skip
        assert box.run("run", "--rm", *words, "base", "true").returncode == 125, words
