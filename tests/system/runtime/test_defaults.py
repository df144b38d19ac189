"""What a container finds without any flag, read back from inside and compared with docker's documented defaults."""

from __future__ import annotations

import json
import os
import stat
import sys
from typing import TYPE_CHECKING

import pytest

from tests.system.runtime.conftest import PYTHON, python_flags

if TYPE_CHECKING:
    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root

# moby: daemon/pkg/oci/caps/defaults.go; 14 capabilities
DOCKER_CAPABILITIES = 0xA80425FB
STATUS = "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status"


def _status(text: str) -> dict[str, str]:
    return dict(line.split(":\t") for line in text.splitlines())


def test_capabilities_and_seccomp_are_those_of_docker(box: CommandLine) -> None:
    found = _status(box("run", "--rm", "base", "sh", "-c", STATUS))
    assert [int(found[key], 16) for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")] == [
        0, DOCKER_CAPABILITIES, DOCKER_CAPABILITIES, DOCKER_CAPABILITIES, 0,
    ]  # fmt: skip
    assert (found["Seccomp"], found["NoNewPrivs"]) == ("2", "0")


def test_an_ordinary_user_has_no_capabilities_but_the_bounding_set(box: CommandLine) -> None:
    found = _status(box("run", "--rm", "-u", "bob", "base", "sh", "-c", STATUS))
    assert [int(found[key], 16) for key in ("CapInh", "CapPrm", "CapEff", "CapAmb")] == [0, 0, 0, 0]
    assert int(found["CapBnd"], 16) == DOCKER_CAPABILITIES


def test_mounts_and_their_flags(box: CommandLine) -> None:
    lines = [line.split() for line in box("run", "--rm", "base", "cat", "/proc/mounts").splitlines()]
    found = {fields[1]: (fields[2], set(fields[3].split(","))) for fields in lines}
    expected = {
        "/proc": ("proc", {"rw", "nosuid", "nodev", "noexec"}),
        "/dev": ("tmpfs", {"rw", "nosuid", "size=65536k", "mode=755"}),
        "/dev/pts": ("devpts", {"rw", "nosuid", "noexec", "gid=5", "mode=620", "ptmxmode=666"}),
        "/dev/shm": ("tmpfs", {"rw", "nosuid", "nodev", "noexec", "size=65536k"}),
        "/dev/mqueue": ("mqueue", {"rw", "nosuid", "nodev", "noexec"}),
        "/sys": ("sysfs", {"ro", "nosuid", "nodev", "noexec"}),
    }
    for target, (kind, flags) in expected.items():
        assert found[target][0] == kind
        assert flags <= found[target][1], target
    groups = [target for target in found if target.startswith("/sys/fs/cgroup")]
    assert groups
    assert all("ro" in found[target][1] for target in groups), "control groups are read-only"
    for target in ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"):
        if os.path.exists(target):
            assert "ro" in found[target][1], f"{target} is read-only"


# moby: daemon/pkg/oci/defaults.go
MASKED = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
]


def test_masked_paths_are_empty(box: CommandLine) -> None:
    present = [path for path in MASKED if os.path.exists(path)]
    assert present, "this kernel has none of them"
    script = "for p in $*; do if [ -d $p ]; then ls -A $p; else cat $p; fi || echo unreadable $p; done"
    assert box("run", "--rm", "base", "sh", "-c", script, "sh", *present) == ""


def test_device_nodes(box: CommandLine) -> None:
    shown = box(
        "run",
        "--rm",
        "base",
        "sh",
        "-c",
        "cd /dev; stat -c '%n %F %t:%T %a' *; for l in fd ptmx core stdin; do readlink $l; done",
    )
    nodes = {line.split(" ")[0]: line.rsplit(" ", 2)[1:] for line in shown.splitlines() if "special" in line}
    assert nodes == {
        "null": ["1:3", "666"], "zero": ["1:5", "666"], "full": ["1:7", "666"], "random": ["1:8", "666"],
        "urandom": ["1:9", "666"], "tty": ["5:0", "666"],
    }  # fmt: skip
    assert shown.splitlines()[-4:] == ["/proc/self/fd", "pts/ptmx", "/proc/kcore", "/proc/self/fd/0"]


def test_no_descriptor_beside_the_streams_is_inherited(box: CommandLine) -> None:
    read, write = os.pipe()
    os.set_inheritable(read, True)
    os.set_inheritable(write, True)
    try:
        code = "import os; print([n for n in range(3, 1024) if os.path.exists(f'/proc/self/fd/{n}')])"
        assert box("run", "--rm", *python_flags(), "base", PYTHON, "-I", "-S", "-c", code) == "[]\n"
    finally:
        os.close(read)
        os.close(write)


def test_environment_is_the_images_and_nothing_of_the_hosts(box: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(box.env, "SECRET_OF_THE_HOST", "1")
    shown = dict(line.split("=", 1) for line in box("run", "--rm", "base", "env").splitlines())
    assert set(shown) <= {"PATH", "HOME", "HOSTNAME", "PWD", "SHLVL"}
    assert shown["HOME"] == "/root"
    assert shown["PATH"] == "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def test_only_own_processes_are_visible_and_the_program_is_the_first(box: CommandLine) -> None:
    assert box("run", "--rm", "base", "sh", "-c", "echo $$ /proc/[0-9]*") == "1 /proc/1\n"


def test_session_without_controlling_terminal(box: CommandLine) -> None:
    fields = box("run", "--rm", "base", "cat", "/proc/self/stat").rpartition(") ")[2].split()
    process_group, session, terminal = fields[2], fields[3], fields[4]
    assert (process_group, session, terminal) == ("1", "1", "0")


def test_the_cgroup_is_its_own_root(box: CommandLine) -> None:
    lines = box("run", "--rm", "base", "cat", "/proc/self/cgroup").splitlines()
    assert lines
    assert {line.rsplit(":", 1)[1] for line in lines} == {"/"}


def test_devices_of_the_host_cannot_be_opened(box: CommandLine) -> None:
    disk = next(
        (entry.path for entry in os.scandir("/dev") if stat.S_ISBLK(entry.stat(follow_symlinks=False).st_mode)), None
    )
    number = os.stat(disk).st_rdev if disk else os.makedev(7, 0)
    script = f"mknod /tmp/d b {os.major(number)} {os.minor(number)} && head -c 1 /tmp/d"
    done = box.run("run", "--rm", "base", "sh", "-c", script)
    assert "Operation not permitted" in done.stderr
    assert done.stdout == ""


def test_network_is_a_loopback_device_that_is_up(box: CommandLine) -> None:
    links = box("run", "--rm", "base", "ip", "-o", "link").splitlines()
    assert [line.split(":")[1].strip() for line in links if "UP" in line] == ["lo"]
    assert box("run", "--rm", "base", "cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start") == "0\n"


PROBE = """
import ctypes, errno, json, mmap, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    ctypes.set_errno(0)
    result = libc.syscall(number, *args)
    return "ok" if result != -1 else errno.errorcode[ctypes.get_errno()]
def call32(number, *args):
    code = bytes([0x53, 0xb8]) + number.to_bytes(4, "little")
    code += bytes([0xbb]) + (args[0] if args else 0).to_bytes(4, "little")
    code += bytes([0xb9]) + (args[1] if len(args) > 1 else 0).to_bytes(4, "little") + bytes([0xcd, 0x80, 0x5b, 0xc3])
    page = mmap.mmap(-1, 4096, prot=7)
    page.write(code)
    run = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    result = run()
    return "ok" if result >= 0 else errno.errorcode[-result]
print(json.dumps(eval(sys.argv[1])))
"""


def probe(box: CommandLine, expression: str, *flags: str) -> dict[str, str]:
    """Make system calls in a container; `expression` is a dict of `call(...)`s."""
    done = box("run", "--rm", *flags, *python_flags(), "base", PYTHON, "-I", "-S", "-c", PROBE, expression)
    found: dict[str, str] = json.loads(done)
    return found


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of x86-64")
def test_refused_system_calls(box: CommandLine) -> None:
    found = probe(
        box,
        "{'unshare user': call(272, 0x10000000), 'clone user': call(56, 0x10000000 | 17, 0, 0, 0, 0),"
        " 'mount': call(165, 0, 0, 0, 0, 0), 'keyctl': call(250, 0, 0), 'add_key': call(248, 0, 0, 0, 0, 0),"
        " 'bpf': call(321, 0, 0, 0), 'perf_event_open': call(298, 0, 0, 0, 0, 0),"
        " 'open_by_handle_at': call(304, 0, 0, 0), 'io_uring_setup': call(425, 1, 0), 'userfaultfd': call(323, 0),"
        " 'kexec_load': call(246, 0, 0, 0, 0), 'init_module': call(175, 0, 0, 0), 'reboot': call(169, 0, 0, 0, 0),"
        " 'setns': call(308, 0, 0), 'pivot_root': call(155, 0, 0), 'AF_ALG': call(41, 38, 5, 0),"
        " 'AF_VSOCK': call(41, 40, 1, 0), 'personality': call(135, 0x0040000)}",
    )
    assert found == dict.fromkeys(found, "EPERM")


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of x86-64")
def test_calls_of_other_machines_cannot_go_around_the_filter(box: CommandLine) -> None:
    found = probe(
        box,
        "{'clone3': call(435, 0, 0), 'x32 getpid': call(0x40000000 | 39), 'unheard of': call(999),"
        " 'i386 getpid': call32(20), 'i386 socketcall': call32(102, 1, 0), 'i386 AF_ALG': call32(359, 38, 5)}",
    )
    assert found == {
        "clone3": "ENOSYS", "x32 getpid": "ENOSYS", "unheard of": "ENOSYS",
        "i386 getpid": "ok", "i386 socketcall": "EPERM", "i386 AF_ALG": "EPERM",
    }  # fmt: skip


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of x86-64")
def test_what_ordinary_programs_need_is_allowed(box: CommandLine) -> None:
    found = probe(
        box,
        "{'socket inet': call(41, 2, 1, 0), 'socket unix': call(41, 1, 1, 0),"
        " 'personality': call(135, ctypes.c_ulong(0xffffffff)),"
        " 'memfd_create': call(319, b'x', 0), 'getrandom': call(318, 0, 0, 0),"
        " 'openat2 of nothing': call(437, 0, 0, 0, 0),"
        " 'ptrace of nobody': call(101, 16, 99999, 0, 0), 'chroot': call(161, b'/')}",
    )
    assert found == {
        "socket inet": "ok", "socket unix": "ok", "personality": "ok", "memfd_create": "ok", "getrandom": "ok",
        "openat2 of nothing": "EINVAL", "ptrace of nobody": "ESRCH", "chroot": "ok",
    }  # fmt: skip


def test_privileged_means_everything(box: CommandLine) -> None:
    found = _status(box("run", "--rm", "--privileged", "base", "sh", "-c", STATUS))
    with open("/proc/self/status", encoding="ascii") as file:
        ours = _status("".join(line for line in file if line.startswith("CapBnd")).rstrip("\n"))
    assert found["CapBnd"] == ours["CapBnd"]
    assert found["Seccomp"] == "0"
    assert "rw" in box("run", "--rm", "--privileged", "base", "sh", "-c", "grep ' /sys ' /proc/mounts").split()[
        3
    ].split(",")


def test_this_interpreter_is_the_one_that_probes() -> None:
    assert os.path.exists(PYTHON), f"the probes need {PYTHON} of {sys.base_prefix}"
