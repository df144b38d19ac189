"""Published escapes, each tried. The numbers are those of the list of regressions (docs/runtime.md, "Escapes")."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.system.runtime.conftest import image_with

if TYPE_CHECKING:
    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root

_HERE = Path(__file__).resolve().parents[3]  # this checkout, on the host


def _digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


# 1: CVE-2019-5736, the runtime's own program


def test_01_proc_self_exe_is_a_sealed_program_not_the_interpreter(box: CommandLine) -> None:
    before = _digest(sys.executable), os.stat(sys.executable).st_mtime_ns
    folder = box.directory / "evil"
    folder.mkdir(exist_ok=True)
    script = folder / "entry"
    script.write_text("#!/proc/self/exe\n")
    script.chmod(0o755)
    # As command, as the interpreter of a script, and by way of a link in the container.
    for command in (["/proc/self/exe"], ["/evil/entry"], ["sh", "-c", "exec /proc/1/exe -c 'open(1)'"]):
        done = box.run("run", "--rm", "-v", f"{folder}:/evil", "base", *command)
        assert "python" not in (done.stdout + done.stderr).lower()
    writer = "for n in 1 self; do (: >> /proc/$n/exe) 2>&1; done; exec 3<>/proc/1/exe"
    done = box.run("run", "--rm", "base", "sh", "-c", writer)
    assert done.returncode != 0
    assert (_digest(sys.executable), os.stat(sys.executable).st_mtime_ns) == before


def test_01_a_process_that_joins_cannot_be_opened_from_inside(box: CommandLine) -> None:
    spy = (
        'while :; do for p in /proc/[0-9]*; do r=$(readlink $p/exe); case "$r" in *python*) echo $r;; esac; done; done'
    )
    box("run", "-d", "--name", "spy", "base", "sh", "-c", spy)
    for _ in range(20):
        box("exec", "spy", "true")
    assert box("logs", "spy") == ""


# 2: CVE-2024-21626, leaked descriptors and the working directory


@pytest.mark.parametrize("place", ["/proc/self/fd/{}", "/proc/self/fd/{}/../../..", "/proc/1/fd/{}"])
def test_02_no_working_directory_leads_out(box: CommandLine, place: str) -> None:
    box("run", "-d", "--name", "target", "base", "sleep", "60")
    for number in (3, 4, 5, 6, 7, 8, 9, 10, 64, 65):
        path = place.format(number)
        done = box.run("run", "--rm", "-w", path, "base", "sh", "-c", f"pwd; ls -d /proc/self/cwd{_HERE}/mydocker")
        assert f"{_HERE}/mydocker" not in done.stdout
        done = box.run("exec", "-w", path, "target", "sh", "-c", "pwd; ls /proc/self/cwd/")
        assert done.returncode != 0 or "vmlinuz" not in done.stdout
    box("remove", "-f", "target")


# 3: symlinks at /proc, /sys


@pytest.mark.parametrize("name", ["proc", "sys"])
def test_03_a_link_in_place_of_proc_or_sys_is_refused(box: CommandLine, name: str, tmp_path: Path) -> None:
    made = image_with(box, tmp_path, f"rm -rf /{name}; ln -s /tmp /{name}")
    done = box.run("run", "--rm", made, "true")
    assert done.returncode == 125
    assert name in done.stderr


def test_03_a_volume_cannot_be_mounted_inside_proc(box: CommandLine, tmp_path: Path) -> None:
    done = box.run("run", "--rm", "-v", f"{tmp_path}:/proc/self/attr", "base", "true")
    assert done.returncode == 125
    assert "procfs" in done.stderr


# 4, 5: CVE-2021-30465 and CVE-2024-45310, a volume whose components are swapped while another container starts


def test_04_05_swapped_mount_targets_neither_reach_nor_touch_the_host(box: CommandLine, tmp_path: Path) -> None:
    shared, prey = tmp_path / "shared", tmp_path / "prey"
    shared.mkdir()
    prey.mkdir()
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            place = shared / "place"
            with contextlib.suppress(OSError):  # the container makes directories in it meanwhile
                place.mkdir(exist_ok=True)
                place.rename(shared / f"aside{time.monotonic_ns()}")
                place.symlink_to(f"/../../../../../..{prey}")
                place.unlink()

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        for number in range(25):
            volume = tmp_path / f"inner{number}"
            volume.mkdir()
            (volume / "mark").touch()
            done = box.run("run", "--rm", "-v", f"{shared}:/s", "-v", f"{volume}:/s/place/sub/deep", "base", "true")
            assert done.returncode in (0, 125), done.stderr
    finally:
        stop.set()
        swapper.join()
    assert list(prey.iterdir()) == []
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        assert str(prey) not in file.read()


# 6: CVE-2025-31133, /dev/null replaced before masking. Ours is the host's, opened and checked.


def test_06_masked_files_are_the_null_device(box: CommandLine) -> None:
    target = next(path for path in ("/proc/keys", "/proc/interrupts", "/proc/timer_list") if os.path.exists(path))
    shown = box("run", "--rm", "base", "stat", "-c", "%t:%T", target)
    assert shown == "1:3\n"


def test_06_an_image_with_its_own_dev_null_changes_nothing(box: CommandLine, tmp_path: Path) -> None:
    made = image_with(box, tmp_path, "mkdir -p /dev; ln -s /proc/sys/kernel/core_pattern /dev/null")
    assert box("run", "--rm", made, "sh", "-c", "stat -c %t:%T /dev/null; echo x > /proc/keys; echo ok") == "1:3\nok\n"
    assert Path("/proc/sys/kernel/core_pattern").read_text(encoding="ascii") != "x\n"


# 7: CVE-2025-52565, /dev/console


def test_07_the_console_is_the_terminal_made_for_this_container(box: CommandLine, tmp_path: Path) -> None:
    made = image_with(box, tmp_path, "mkdir -p /dev/pts; ln -s /proc/sysrq-trigger /dev/console")
    box("run", "-d", "-t", "--name", "tty", made, "sh", "-c", "stat -c '%t:%T' /dev/console; tty; sleep 60")
    deadline = time.monotonic() + 5
    while "pts" not in box("logs", "tty") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert box("logs", "tty").split() == ["88:0", "/dev/pts/0"]
    box("remove", "-f", "tty")


# 8: CVE-2025-52881, writes meant for procfs


def test_08_sysctls_are_written_to_a_real_procfs_of_new_namespaces_only(box: CommandLine, tmp_path: Path) -> None:
    assert (
        box("run", "--rm", "--sysctl", "net.ipv4.ip_forward=1", "base", "cat", "/proc/sys/net/ipv4/ip_forward") == "1\n"
    )
    before = Path("/proc/sys/kernel/core_pattern").read_text(encoding="ascii")
    done = box.run("run", "--rm", "--sysctl", "kernel.core_pattern=|/evil", "base", "true")
    assert done.returncode == 125
    assert Path("/proc/sys/kernel/core_pattern").read_text(encoding="ascii") == before
    for odd in ("../../../tmp/x=1", "net.../../kernel/core_pattern=x", "net.ipv4=1", "kernel.hostname=x"):
        assert box.run("run", "--rm", "--sysctl", odd, "base", "true").returncode == 125
    assert box.run("run", "--rm", "--net", "host", "--sysctl", "net.ipv4.ip_forward=1", "base").returncode == 125


# 9: CVE-2026-41579, /dev is a link


def test_09_a_link_in_place_of_dev_stays_inside(box: CommandLine, tmp_path: Path) -> None:
    prey = tmp_path / "prey"
    prey.mkdir()
    made = image_with(box, tmp_path, f"ln -s {prey} /dev")
    done = box.run("run", "--rm", made, "sh", "-c", "echo x > /dev/null")
    assert done.returncode in (0, 125)
    assert list(prey.iterdir()) == []


# 10, 11: odd users


@pytest.mark.parametrize(
    "user",
    [
        "1000:",
        ":0",
        "+0",
        " 0",
        "0x0",
        "٠",
        "-1",
        "4294967296",
        "4294967295",
        "2147483648",
        "1000:+0",
        "root ",
        "../root",
        "",
    ],
)
def test_10_odd_users_are_refused_or_ordinary(box: CommandLine, user: str) -> None:
    if not user:
        assert box("run", "--rm", "-u", user, "base", "id", "-u") == "0\n", "nothing said is the image's user"
        return
    done = box.run("run", "--rm", f"--user={user}", "base", "id", "-u")
    assert done.returncode == 125, done.stdout
    box("run", "-d", "--name", "odd", "base", "sleep", "60")
    done = box.run("exec", f"--user={user}", "odd", "id", "-u")
    box("remove", "-f", "odd")
    assert done.returncode == 125, done.stdout


def test_11_a_name_of_digits_in_passwd_is_not_taken_for_a_number(box: CommandLine) -> None:
    # passwd says 1001:x:0:0 - a user called 1001 with uid 0
    assert box("run", "--rm", "-u", "1001", "base", "id", "-u") == "1001\n"


# 12: CVE-2022-29162 and others, inheritable and ambient sets


def test_12_inheritable_and_ambient_sets_are_empty_in_run_and_exec(box: CommandLine) -> None:
    box("run", "-d", "--name", "caps", "base", "sleep", "60")
    for words in (
        ["run", "--rm", "base"],
        ["exec", "caps"],
        ["exec", "-u", "bob", "caps"],
        ["exec", "--privileged", "caps"],
    ):
        shown = box(*words, "grep", "-E", "^Cap(Inh|Amb)", "/proc/self/status")
        assert {line.split()[1] for line in shown.splitlines()} == {"0000000000000000"}


# 13: CVE-2022-0492, release_agent


def test_13_control_groups_cannot_be_written(box: CommandLine) -> None:
    script = (
        "for f in $(find /sys/fs/cgroup -name release_agent -o -name notify_on_release -o -name cgroup.procs); do"
        " (echo 1 > $f) 2>/dev/null && echo wrote $f; done;"
        " mkdir /tmp/c && mount -t cgroup -o memory cgroup /tmp/c 2>/dev/null && echo mounted; true"
    )
    assert box("run", "--rm", "base", "sh", "-c", script) == ""


# 14: CVE-2020-15257, abstract sockets


def test_14_no_socket_of_ours_is_in_the_abstract_namespace(box: CommandLine) -> None:
    box("run", "-d", "--net", "host", "--name", "net", "base", "sleep", "60")
    with open("/proc/net/unix", encoding="utf-8") as file:
        names = [line.split()[-1] for line in file]
    assert [name for name in names if name.startswith("@") and "mydocker" in name] == []


# 15: CVE-2021-41103, what other users of the host see


def test_15_other_users_cannot_reach_what_containers_hold(box: CommandLine) -> None:
    box("run", "-d", "--name", "held", "base", "sh", "-c", "cp /bin/busybox /tmp/su; chmod 4755 /tmp/su; sleep 60")
    containers = box.root / "containers"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in containers.iterdir() if path.is_dir()}
    assert all(mode & 0o077 == 0 for mode in modes.values()), modes
    for path in (box.root / "snapshots", box.root / "blobs"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o022 == 0


# 16: the terminal


def test_16_the_terminal_is_fresh_and_the_starters_is_out_of_reach(box: CommandLine) -> None:
    shown = box("run", "--rm", "-t", "base", "sh", "-c", "tty; cat /proc/self/stat | cut -d' ' -f6-7")
    lines = shown.replace("\r", "").split("\n")
    assert lines[0] == "/dev/pts/0"
    assert lines[1].startswith("1 "), "process 1 leads the session, and has a terminal"
    # Without -t, streams are pipes: there is no terminal to push input into.
    assert box("run", "--rm", "base", "sh", "-c", "tty; readlink /proc/self/fd/1 | cut -c1-5").split("\n")[:2] == [
        "not a tty", "pipe:",
    ]  # fmt: skip


# 17 is in test_defaults.py: the refused system calls, from inside.


# 18: a container that takes all it can


def test_18_limits_hold_against_bombs(box: CommandLine) -> None:
    done = box.run(
        "run", "--rm", "--pids-limit", "30", "base", "sh", "-c", "b() { b | b & }; b; sleep 1; echo survived"
    )
    assert "fork" in done.stderr
    done = box.run(
        "run", "--rm", "-m", "16m", "--memory-swap", "16m", "base", "sh", "-c", "tail -c 200m /dev/zero; echo $?"
    )
    assert "137" in done.stdout or done.returncode == 137
    done = box.run(
        "run", "--rm", "base", "sh", "-c", "dd if=/dev/zero of=/dev/shm/x bs=1M count=100; stat -c %s /dev/shm/x"
    )
    assert int(done.stdout.split()[-1]) <= 64 << 20


def test_18_a_flood_of_output_is_rotated(box: CommandLine) -> None:
    box("run", "--name", "flood", "--log-opt", "max-size=100k", "--log-opt", "max-file=2", "base",
        "sh", "-c", "yes | head -c 2000000")  # fmt: skip
    folder = next(path for path in (box.root / "containers").iterdir() if len(path.name) == 64)
    sizes = {path.name: path.stat().st_size for path in folder.glob("log*")}
    assert set(sizes) == {"log", "log.1"}
    # A rotation happens between two writes, each of at most 64 KiB of output and its stamps.
    assert max(sizes.values()) < 3_000_000


# 19: podman #25104, a process id that was given to another process


def test_19_stop_never_signals_a_process_that_took_over_the_number(box: CommandLine) -> None:
    box("run", "-d", "--name", "reuse", "base", "sleep", "60")
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        identifier = json.loads(box("inspect", "reuse"))[0]["id"]
        path = box.root / "containers" / identifier / "state.json"
        state = json.loads(path.read_text())
        os.kill(state["pid"], signal.SIGKILL)
        time.sleep(0.3)
        state["pid"], state["status"] = bystander.pid, "running"
        path.write_text(json.dumps(state))
        box.run("stop", "-t", "1", "reuse")
        box.run("kill", "reuse")
        box.run("remove", "-f", "reuse")
        assert bystander.poll() is None, "somebody else's process was signalled"
    finally:
        bystander.kill()
        bystander.wait()


# 20: names that are paths or drive a terminal


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "-flag", "a b", "x\x1b[31m", "é", "a" * 200, "names/../x"])
def test_20_names_are_plain_words(box: CommandLine, name: str) -> None:
    assert box.run("create", f"--name={name}", "base").returncode == 125
    assert box.run("remove", "-f", "--", name).returncode != 0


def test_20_control_characters_do_not_reach_the_terminal(box: CommandLine) -> None:
    box("create", "--label", "x=\x1b[2J", "--name", "ansi", "base", "echo", "\x1b]0;owned\x07")
    for words in (["ps", "--no-trunc"], ["inspect", "ansi"]):
        assert "\x1b" not in box(*words)
