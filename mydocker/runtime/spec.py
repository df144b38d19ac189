"""Options become an OCI runtime-spec document (config.md, config-linux.md), as strict as docker's defaults or stricter.

The document is a plain dict that any runtime understands. Two things of ours travel in annotations, because the
standard has no field for them: the user as text (names belong to the container's own files, read when it starts) and
`--init`.
"""

from __future__ import annotations

import os

from mydocker.errors import UsageError
from mydocker.linux import capabilities
from mydocker.runtime import entries, profile, sharing
from mydocker.runtime.options import ContainerOptions, Device, Limits, Mount
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


VERSION = "1.0.2"
_PERIOD = 100_000  # microseconds, the kernel's default for cpu.cfs_period_us
_LAST_GROUP = 2147483647
USER = "io.mydocker.user"
GROUPS = "io.mydocker.groups"
INIT = "io.mydocker.init"

# moby: daemon/pkg/oci/caps/defaults.go
DEFAULT_CAPABILITIES = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SYS_CHROOT",
    "CAP_MKNOD",
    "CAP_AUDIT_WRITE",
    "CAP_SETFCAP",
]

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
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_THERMAL = "/sys/devices/system/cpu/cpu{}/thermal_throttle"

_NODES = {
    "/dev/null": (1, 3),
    "/dev/zero": (1, 5),
    "/dev/full": (1, 7),
    "/dev/random": (1, 8),
    "/dev/urandom": (1, 9),
    "/dev/tty": (5, 0),
}
_KINDS = (
    ("network", "network"),
    ("pid", "pid"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("cgroup", "cgroupns"),
    ("user", "userns"),
)


def document(options: ContainerOptions, identifier: str, *, root: str = "rootfs") -> dict[str, Any]:
    """Return the document for a container; raise UsageError for options that contradict each other.

    `identifier` names its control group. `root` is what a foreign runtime takes as root file system.
    """
    if not options.argv:
        raise UsageError("no command to run", "neither the image nor the command line gives one")
    held = _capabilities(options)
    host_network = options.network == "host"
    return {
        "ociVersion": VERSION,
        "process": _process(options, held),
        "root": {"path": root, "readonly": options.read_only},
        "hostname": options.hostname,
        **({"domainname": options.domainname} if options.domainname else {}),
        "mounts": _mounts(options),
        "annotations": _annotations(options),
        **({"hooks": options.hooks} if options.hooks else {}),
        "linux": {
            "namespaces": _namespaces(options),
            **_mappings(options),
            "resources": _resources(options),
            "cgroupsPath": f"/{options.cgroup_parent.strip('/')}/{identifier}",
            "devices": [_device(device) for device in options.devices],
            "sysctl": _sysctls(options, host_network),
            **_hidden(options),
            **_seccomp(options, frozenset(held)),
        },
    }


def _process(options: ContainerOptions, held: list[str]) -> dict[str, Any]:
    uid, gid = _numeric(options.user)
    effective = held if uid == 0 else []  # a name is looked up later; the kernel drops them then all the same
    process: dict[str, Any] = {
        "terminal": options.tty,
        "user": {"uid": uid, "gid": gid},
        "args": list(options.argv),
        "env": list(options.env),
        "cwd": options.cwd,
        "capabilities": {
            "bounding": held,
            "effective": effective,
            "permitted": effective,
            "inheritable": [],
            "ambient": [],
        },
        "rlimits": [{"type": name, "soft": soft, "hard": hard} for name, soft, hard in options.rlimits],
        "noNewPrivileges": options.no_new_privileges,
    }
    if options.oom_score is not None:
        process["oomScoreAdj"] = options.oom_score
    return process


def _numeric(text: str) -> tuple[int, int]:
    user, _, group = text.partition(":")
    digits = "0123456789"
    uid = int(user) if user and len(user) <= 10 and not user.strip(digits) else 0
    gid = int(group) if group and len(group) <= 10 and not group.strip(digits) else 0
    return uid, gid


def _capabilities(options: ContainerOptions) -> list[str]:
    """Return the bounding set: the default, everything when privileged; never what we do not hold ourselves."""
    everything = set(capabilities.NAMES)
    chosen = set(capabilities.NAMES if options.privileged else DEFAULT_CAPABILITIES)
    for names, change in ((options.cap_add, chosen.update), (options.cap_drop, chosen.difference_update)):
        for name in names:
            change(everything if name.upper() == "ALL" else {_capability(name)})
    # docker: what is added by name survives `--cap-drop ALL`.
    if any(name.upper() == "ALL" for name in options.cap_drop):
        chosen = {_capability(name) for name in options.cap_add if name.upper() != "ALL"}
    if options.privileged or any(name.upper() == "ALL" for name in options.cap_add):
        chosen &= set(capabilities.names_of(capabilities.held()))
    return [name for name in capabilities.NAMES if name in chosen]


def all_capabilities() -> dict[str, list[str]]:
    """Return the sets of a privileged process: everything that this process could have."""
    held = capabilities.names_of(capabilities.held())
    return {"bounding": held, "effective": held, "permitted": held, "inheritable": [], "ambient": []}


def _capability(name: str) -> str:
    full = name.upper() if name.upper().startswith("CAP_") else f"CAP_{name.upper()}"
    if full not in capabilities.NAMES:
        raise UsageError(f"unknown capability {name}", hint="names as in capabilities(7), with or without CAP_, or ALL")
    return full


def _mounts(options: ContainerOptions) -> list[dict[str, Any]]:
    sys_options = ("nosuid", "noexec", "nodev") + (() if options.privileged else ("ro",))
    standard = [
        Mount("/proc", "proc", "proc", ("nosuid", "noexec", "nodev")),
        Mount("/dev", "tmpfs", "tmpfs", ("nosuid", "strictatime", "mode=755", "size=65536k")),
        Mount(
            "/dev/pts",
            "devpts",
            "devpts",
            ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
        ),
        Mount("/sys", "sysfs", "sysfs", sys_options),
        Mount("/sys/fs/cgroup", "cgroup", "cgroup", sys_options),
        Mount("/dev/mqueue", "mqueue", "mqueue", ("nosuid", "noexec", "nodev")),
        _shm(options),
    ]
    replaced = {mount.target.rstrip("/") for mount in options.mounts}
    chosen = [mount for mount in standard if mount.target not in replaced]
    # Shallow ones first, so that a volume never hides one that was mounted inside of it.
    chosen += sorted(options.mounts, key=lambda mount: mount.target.rstrip("/").count("/"))
    return [
        {
            "destination": mount.target,
            "type": mount.kind,
            "source": mount.source or mount.kind,
            "options": _mount_options(mount),
        }
        for mount in chosen
    ]


def _shm(options: ContainerOptions) -> Mount:
    """Return the mount of /dev/shm: it is shared with whom the IPC namespace is shared, as with docker."""
    if options.ipc == "host":
        return Mount(sharing.SHM, sharing.SHM)
    if options.ipc != "private" and (others := sharing.shm_of(options.ipc)):
        return Mount(sharing.SHM, others)
    words = ("nosuid", "noexec", "nodev", "mode=1777", f"size={options.shm_size}")
    return Mount(sharing.SHM, "shm", "tmpfs", words)


def _mount_options(mount: Mount) -> list[str]:
    """Return a mount's words; a bind takes submounts along, and nothing crosses later on unless asked for (docker)."""
    words = [*mount.options]
    if mount.kind == "bind":
        words += [] if {"bind", "rbind"} & {*words} else ["rbind"]
        words += [] if entries.PROPAGATION.keys() & {*words} else ["rprivate"]
    return words


def _namespaces(options: ContainerOptions) -> list[dict[str, str]]:
    found: list[dict[str, str]] = [{"type": "mount"}]
    for kind, field in _KINDS:
        mode: str = getattr(options, field)
        if mode in ("private", "none"):
            found.append({"type": kind})
        elif mode != "host":
            found.append({"type": kind, "path": mode})
    return found


def _mappings(options: ContainerOptions) -> dict[str, Any]:
    if options.userns == "host":
        return {}
    pairs = (("uidMappings", options.uid_mappings), ("gidMappings", options.gid_mappings))
    keys = ("containerID", "hostID", "size")
    return {name: [dict(zip(keys, entry, strict=True)) for entry in entries] for name, entries in pairs}


def _device(device: Device) -> dict[str, Any]:
    return {
        "path": device.path,
        "type": device.kind,
        "major": device.major,
        "minor": device.minor,
        "fileMode": device.mode,
        "uid": device.uid,
        "gid": device.gid,
    }


def _resources(options: ContainerOptions) -> dict[str, Any]:
    return {"devices": _device_rules(options), **limits(options.limits)}


def limits(limits: Limits) -> dict[str, Any]:
    """Return limits as the document's `linux.resources`, without devices; what is not limited is left out."""
    cpu: dict[str, Any] = {"shares": limits.cpu_shares, "cpus": limits.cpuset_cpus, "mems": limits.cpuset_mems}
    if limits.cpus:
        cpu |= {"period": _PERIOD, "quota": int(limits.cpus * _PERIOD)}
    resources: dict[str, Any] = {"memory": _memory(limits)}
    resources["cpu"] = {key: value for key, value in cpu.items() if value}
    resources["pids"] = {"limit": limits.pids} if limits.pids else {}
    resources["blockIO"] = {"weight": limits.blkio_weight} if limits.blkio_weight else {}
    return {key: value for key, value in resources.items() if value}


def _memory(limits: Limits) -> dict[str, Any]:
    if limits.memory_swap > 0 and not limits.memory:
        raise UsageError("--memory-swap without --memory", hint="say how much of the total is memory, with -m")
    if 0 < limits.memory_swap < limits.memory:
        raise UsageError("--memory-swap is smaller than --memory", hint="it counts memory and swap together")
    memory: dict[str, Any] = {}
    if limits.memory:
        # docker: without --memory-swap, as much swap again as memory.
        memory = {"limit": limits.memory, "swap": limits.memory_swap or 2 * limits.memory}
    if limits.memory_reservation:
        memory["reservation"] = limits.memory_reservation
    if limits.oom_kill_disable:
        memory["disableOOMKiller"] = True
    return memory


def _device_rules(options: ContainerOptions) -> list[dict[str, Any]]:
    if options.privileged:
        return [{"allow": True, "access": "rwm"}]
    rules: list[dict[str, Any]] = [{"allow": False, "access": "rwm"}]
    # Making a node is harmless where it cannot be opened, and package managers do it (docker's rule).
    rules += [{"allow": True, "type": kind, "access": "m"} for kind in ("c", "b")]
    numbers = [*_NODES.values(), (5, 1), (5, 2), (136, None)]
    rules += [
        {"allow": True, "type": "c", "major": major, **({} if minor is None else {"minor": minor}), "access": "rwm"}
        for major, minor in numbers
    ]
    rules += [
        {"allow": True, "type": device.kind, "major": device.major, "minor": device.minor, "access": device.access}
        for device in options.devices
    ]
    return rules


def _sysctls(options: ContainerOptions, host_network: bool) -> dict[str, str]:
    defaults = {}
    if not host_network and options.network in ("none", "private"):
        last = max((inside + count - 1 for inside, _, count in options.gid_mappings), default=_LAST_GROUP)
        defaults = {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": f"0 {last}"}
    return {**defaults, **dict(options.sysctls)}


def _hidden(options: ContainerOptions) -> dict[str, list[str]]:
    if options.privileged or not options.masked:
        return {}
    thermal = [_THERMAL.format(number) for number in range(os.cpu_count() or 1)]
    return {
        "maskedPaths": [*MASKED, *(path for path in thermal if os.path.exists(path))],
        "readonlyPaths": list(READ_ONLY),
    }


def _seccomp(options: ContainerOptions, held: frozenset[str]) -> dict[str, Any]:
    if options.seccomp is not None:
        return {"seccomp": options.seccomp} if options.seccomp else {}
    return {} if options.privileged else {"seccomp": profile.document(held)}


def _annotations(options: ContainerOptions) -> dict[str, str]:
    found = dict(options.annotations)
    if options.user:
        found[USER] = options.user
    if options.groups:
        found[GROUPS] = ",".join(options.groups)
    if options.init:
        found[INIT] = "true"
    return found
