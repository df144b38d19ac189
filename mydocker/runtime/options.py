"""What a container is asked to be: the typed form of everything that `run`, `create` and a build step can say."""

from __future__ import annotations

from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any


class Mount(NamedTuple):
    """Something mounted into a container.

    `kind` is "bind" (a host path at `source`) or a file system type. `options` are mount(8)'s words: `ro`, `nosuid`,
    `rshared`, or a file system's own like `size=64m`.
    """

    target: str
    source: str = ""
    kind: str = "bind"
    options: tuple[str, ...] = ()


class Device(NamedTuple):
    """A device node given to a container: its path inside, its numbers, what may be done with it (`rwm`)."""

    path: str
    kind: str
    major: int
    minor: int
    access: str = "rwm"
    mode: int = 0o666
    uid: int = 0
    gid: int = 0


class Limits(NamedTuple):
    """What a container may use; 0 and "" stand for no limit. Memory in bytes, `cpus` in processors.

    `memory_swap` counts memory and swap together, -1 is unlimited swap (docker's meaning).
    """

    memory: int = 0
    memory_swap: int = 0
    memory_reservation: int = 0
    cpu_shares: int = 0
    cpus: float = 0.0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    pids: int = 0
    blkio_weight: int = 0
    oom_kill_disable: bool = False


class ContainerOptions(NamedTuple):
    """Everything a container is made of, besides its root file system.

    `user` is docker's `user[:group]` text, resolved in the container's own files. `network`, `pid`, `ipc`, `uts` and
    `cgroupns` are "private", "host", or the path of a namespace to join; `network` "none" is a private one with its
    loopback device up. `userns` is "host", or comes with mappings: first id inside, first id outside, how many.
    `seccomp` is the default profile (None), no filter ({}), or a runtime-spec document. `hooks` is the runtime-spec's
    object of that name.
    """

    argv: tuple[str, ...]
    env: tuple[str, ...] = ()
    cwd: str = "/"
    user: str = ""
    groups: tuple[str, ...] = ()
    tty: bool = False
    hostname: str = ""
    domainname: str = ""
    mounts: tuple[Mount, ...] = ()
    devices: tuple[Device, ...] = ()
    limits: Limits = Limits()
    rlimits: tuple[tuple[str, int, int], ...] = ()
    sysctls: tuple[tuple[str, str], ...] = ()
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    privileged: bool = False
    read_only: bool = False
    no_new_privileges: bool = False
    seccomp: dict[str, Any] | None = None
    masked: bool = True
    init: bool = False
    shm_size: int = 64 << 20
    oom_score: int | None = None
    network: str = "none"
    pid: str = "private"
    ipc: str = "private"
    uts: str = "private"
    cgroupns: str = "private"
    userns: str = "host"
    uid_mappings: tuple[tuple[int, int, int], ...] = ()
    gid_mappings: tuple[tuple[int, int, int], ...] = ()
    cgroup_parent: str = "mydocker"
    annotations: tuple[tuple[str, str], ...] = ()
    hooks: dict[str, Any] | None = None
