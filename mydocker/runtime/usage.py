"""What a running container uses, and which processes it has: numbers of its control group, and of /proc."""

from __future__ import annotations

import os
import time

from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mydocker.runtime.cgroups.hierarchy import Cgroup

_TICKS = os.sysconf("SC_CLK_TCK")
_UNLIMITED = 1 << 60  # cgroup v1 says "no limit" with a number close to 2**63


class Usage(NamedTuple):
    """A moment: processor time in seconds so far, memory and its limit in bytes (0: none), bytes read and written."""

    moment: float
    cpu: float
    memory: int
    memory_limit: int
    processes: int
    read: int
    written: int


class Process(NamedTuple):
    """One process of a container, with the numbers that the host knows it by."""

    pid: int
    parent: int
    uid: int
    cpu: float
    started: float
    command: str


def measure(group: Cgroup) -> Usage:
    """Return what the group uses now; what a controller that is missing would tell is 0."""
    where = _places(group)
    if group.hierarchy.version == 2:
        top = where[""]
        cpu = _field(f"{top}/cpu.stat", "usage_usec") / 1e6
        memory = _number(f"{top}/memory.current") - _field(f"{top}/memory.stat", "inactive_file")
        limit = _number(f"{top}/memory.max")
        read, written = _io(f"{top}/io.stat")
        count = _number(f"{top}/pids.current")
    else:
        memory_place = where.get("memory", "")
        cpu = _number(f"{where.get('cpuacct', '')}/cpuacct.usage") / 1e9
        cache = _field(f"{memory_place}/memory.stat", "total_inactive_file")
        memory = _number(f"{memory_place}/memory.usage_in_bytes") - cache
        limit = _number(f"{memory_place}/memory.limit_in_bytes")
        read, written = _blkio(f"{where.get('blkio', '')}/blkio.throttle.io_service_bytes")
        count = _number(f"{where.get('pids', '')}/pids.current")
    return Usage(time.monotonic(), cpu, max(memory, 0), 0 if limit > _UNLIMITED else limit, count, read, written)


def _places(group: Cgroup) -> dict[str, str]:
    return {name: directory for names, directory in group.directories() for name in names.split(",")}


def _text(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except (FileNotFoundError, OSError):
        return ""


def _number(path: str) -> int:
    text = _text(path).strip()
    return int(text) if text.isdecimal() else 0


def _field(path: str, name: str) -> int:
    for line in _text(path).splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0


def _io(path: str) -> tuple[int, int]:
    read = written = 0
    for line in _text(path).splitlines():
        fields = dict(word.split("=") for word in line.split()[1:] if "=" in word)
        read += int(fields.get("rbytes", 0))
        written += int(fields.get("wbytes", 0))
    return read, written


def _blkio(path: str) -> tuple[int, int]:
    sums = {"Read": 0, "Write": 0}
    for line in _text(path).splitlines():
        words = line.split()
        if len(words) == 3 and words[1] in sums:
            sums[words[1]] += int(words[2])
    return sums["Read"], sums["Write"]


def processes(group: Cgroup) -> list[Process]:
    """Return the processes in the group, oldest first; one that ends meanwhile is left out."""
    found = []
    for pid in group.processes():
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                command = file.read().rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace")
            uid = os.stat(f"/proc/{pid}").st_uid
        except (FileNotFoundError, ProcessLookupError):
            continue
        cpu = (int(fields[11]) + int(fields[12])) / _TICKS
        found.append(Process(pid, int(fields[1]), uid, cpu, int(fields[19]) / _TICKS, command))
    return sorted(found, key=lambda process: (process.started, process.pid))
