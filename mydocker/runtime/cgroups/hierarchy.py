"""What control groups this host has, and the control group of one container, whatever their version.

Hybrid hosts (v1 controllers beside an empty v2 tree) count as v1: the controllers are what matters. All containers lie
below one group, `mydocker`, unless they ask for another parent.
"""

from __future__ import annotations

import errno
import os
import time

from mydocker.errors import RuntimeFailure
from mydocker.runtime.cgroups import v1
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


PARENT = "mydocker"
_EMPTY_ROUNDS = 100
_EMPTY_PAUSE = 0.01


class Hierarchy(NamedTuple):
    """The control group file systems of this host: the version, and controller -> directory of its hierarchy.

    On v2 there is one entry, named "". On v1 a named hierarchy is listed as `name=systemd`.
    """

    version: int
    roots: tuple[tuple[str, str], ...]


class Cgroup(NamedTuple):
    """The control group(s) of one container: `path` below each hierarchy's root, like `mydocker/ID`."""

    hierarchy: Hierarchy
    path: str

    def directories(self) -> list[tuple[str, str]]:
        """Return (controller, directory) for each hierarchy, existing or not."""
        return [(controller, f"{root}/{self.path}") for controller, root in self.hierarchy.roots]

    def _version(self) -> ModuleType:
        if self.hierarchy.version == 1:
            return v1
        from mydocker.runtime.cgroups import v2

        return v2

    def create(self, resources: dict[str, Any]) -> None:
        """Make the group and set the limits of the runtime-spec's `linux.resources`; raise RuntimeFailure."""
        module = self._version()
        try:
            for controller, directory in self.directories():
                module.make(self.hierarchy.roots, controller, directory)
            self.update(resources)
        except OSError as err:
            self.remove()
            raise _failure(err) from err
        except BaseException:
            self.remove()
            raise

    def update(self, resources: dict[str, Any]) -> None:
        """Set limits on a group that exists; what `resources` does not name stays as it is. Raise OSError."""
        module = self._version()
        for controller, directory in self.directories():
            module.apply(controller, directory, resources)

    def join_files(self) -> tuple[str, ...]:
        """Return the files to write "0" to in order to enter.

        On v1 that is `tasks`: a lone thread that moves itself takes no system-wide lock, a whole process does, and
        waits for all processors to agree (kernel: cgroup_procs_write_start).
        """
        name = "tasks" if self.hierarchy.version == 1 else "cgroup.procs"
        return tuple(f"{directory}/{name}" for _, directory in self.directories())

    def processes(self) -> list[int]:
        """Return the ids of the processes inside, as the caller's PID namespace counts them."""
        found: set[int] = set()
        for _, directory in self.directories():
            try:
                with open(f"{directory}/cgroup.procs") as file:
                    found.update(int(line) for line in file)
            except FileNotFoundError:
                continue
        found.discard(0)  # a process of another PID namespace
        return sorted(found)

    def freeze(self, frozen: bool) -> None:
        """Stop or go on with everything in the group; return when it is done."""
        if self.hierarchy.version == 2:
            v1.write(self.directories()[0][1], "cgroup.freeze", int(frozen))
            return
        for controller, directory in self.directories():
            if "freezer" in controller.split(","):
                v1.write(directory, "freezer.state", "FROZEN" if frozen else "THAWED")

    def oom_killed(self) -> bool:
        """Tell whether the kernel killed something in the group because its memory ran out."""
        for controller, directory in self.directories():
            name = {1: "memory.oom_control", 2: "memory.events"}[self.hierarchy.version]
            if self.hierarchy.version == 2 or "memory" in controller.split(","):
                try:
                    with open(f"{directory}/{name}") as file:
                        return any(line.startswith("oom_kill ") and line != "oom_kill 0\n" for line in file)
                except FileNotFoundError:
                    return False
        return False

    def kill(self) -> None:
        """Kill whatever is inside, also what is being forked meanwhile."""
        for _ in range(_EMPTY_ROUNDS):
            inside = self.processes()
            if not inside:
                return
            for pid in inside:
                try:
                    os.kill(pid, 9)
                except ProcessLookupError:
                    continue
            time.sleep(_EMPTY_PAUSE)

    def remove(self) -> None:
        """Remove the group, killing what is left inside; one that does not exist is fine."""
        for _, directory in self.directories():
            _remove(self, directory)


def _remove(group: Cgroup, directory: str) -> None:
    for attempt in range(_EMPTY_ROUNDS):
        try:
            os.rmdir(directory)
            return
        except FileNotFoundError:
            return
        except OSError as err:
            if err.errno != errno.EBUSY:
                raise
        if attempt == 0:
            _remove_below(group, directory)
            group.kill()
        time.sleep(_EMPTY_PAUSE)
    raise RuntimeFailure(f"cannot remove the control group {directory}", "it never became empty")


def _remove_below(group: Cgroup, directory: str) -> None:
    """Remove groups that the container made below its own."""
    with os.scandir(directory) as entries:
        below = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    for path in below:
        for name in ("cgroup.procs",):
            with open(f"{path}/{name}") as file:
                for line in file:
                    try:
                        os.kill(int(line), 9)
                    except ProcessLookupError:
                        continue
        _remove(group, path)


def _failure(err: OSError) -> RuntimeFailure:
    hint = ""
    if err.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        hint = "is /sys/fs/cgroup mounted read-only here? inside another container, run that one with --privileged"
    return RuntimeFailure(f"cannot set limits: {err.filename or 'control group'}", err.strerror or str(err), hint)


def detect(mountinfo: str = "/proc/self/mountinfo") -> Hierarchy:
    """Find the hierarchies among this process's mounts (proc(5), mountinfo; cgroups(7)).

    Raise RuntimeFailure where no control group file system is mounted at all.
    """
    first: list[tuple[str, str]] = []
    unified = ""
    with open(mountinfo) as file:
        for line in file:
            left, _, right = line.partition(" - ")
            fields = right.split(" ")
            where = left.split(" ")[4]
            if fields[0] == "cgroup":
                first += [(name, where) for name in _controllers(fields[2].rstrip("\n"))]
            elif fields[0] == "cgroup2" and not unified:
                unified = where
    if first:
        return Hierarchy(1, tuple(first))
    if unified:
        return Hierarchy(2, (("", unified),))
    raise RuntimeFailure("cannot set limits", "no control group file system is mounted", "mount one at /sys/fs/cgroup")


_SUPER_OPTIONS = frozenset(
    ("rw", "ro", "relatime", "xattr", "noprefix", "clone_children", "cpuset_v2_mode", "favordynmods")
)


def _controllers(super_options: str) -> list[str]:
    """Return the controllers of a v1 hierarchy, joined by commas where they share one."""
    names = [
        option
        for option in super_options.split(",")
        if option not in _SUPER_OPTIONS and not option.startswith("release_agent=")
    ]
    return [",".join(names)] if names else []
