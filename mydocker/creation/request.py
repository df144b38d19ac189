"""What `run` and `create` are asked for: docker's flags, as words; `mydocker.creation.words` gives them a meaning."""

from __future__ import annotations

from mydocker.values import NamedTuple


class HealthRequest(NamedTuple):
    """The flags --health-*; empty and 0 leave the image's, `none` switches its check off."""

    command: str = ""
    interval: str = ""
    timeout: str = ""
    start_period: str = ""
    start_interval: str = ""
    retries: int = 0
    none: bool = False


class LimitRequest(NamedTuple):
    """The flags that limit what a container may use, sizes as words like `100m`."""

    memory: str = ""
    memory_swap: str = ""
    memory_reservation: str = ""
    cpu_shares: int = 0
    cpus: float = 0.0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    pids: int = 0
    blkio_weight: int = 0
    oom_kill_disable: bool = False


class RunRequest(NamedTuple):
    """Everything that `run` and `create` take. What is empty is left to the image, or to the defaults.

    `networks` is one of none, host, `container:REFERENCE` and the path of a network namespace, or names of networks;
    `address`, `address6`, `mac` and `aliases` are how the container is known on the first of those.
    `resolv` is a file to be the container's /etc/resolv.conf; `namespaces` are the flags --pid --ipc --uts --cgroupns;
    `hooks` are folders of hooks (see `mydocker.creation.hooks`).
    """

    image: str
    command: tuple[str, ...] = ()
    name: str = ""
    tty: bool = False
    interactive: bool = False
    remove: bool = False
    env: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    workdir: str = ""
    user: str = ""
    entrypoint: str | None = None
    hostname: str = ""
    domainname: str = ""
    labels: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()
    tmpfs: tuple[str, ...] = ()
    limits: LimitRequest = LimitRequest()
    ulimits: tuple[str, ...] = ()
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    security: tuple[str, ...] = ()
    privileged: bool = False
    read_only: bool = False
    devices: tuple[str, ...] = ()
    sysctls: tuple[str, ...] = ()
    init: bool = False
    restart: str = "no"
    stop_signal: str = ""
    stop_timeout: float | None = None
    health: HealthRequest = HealthRequest()
    networks: tuple[str, ...] = ()
    address: str = ""
    address6: str = ""
    mac: str = ""
    aliases: tuple[str, ...] = ()
    publish: tuple[str, ...] = ()
    publish_all: bool = False
    expose: tuple[str, ...] = ()
    resolv: str = ""
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    namespaces: tuple[tuple[str, str], ...] = ()
    cgroup_parent: str = ""
    shm_size: str = ""
    groups: tuple[str, ...] = ()
    oom_score: int | None = None
    log_options: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()
    userns: str = ""
    uid_maps: tuple[str, ...] = ()
    gid_maps: tuple[str, ...] = ()
