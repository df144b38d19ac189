"""A runtime-spec document and a root file system become a plan: the operations of `mydocker.runtime.init`, in order.

Everything that can be decided is decided here, in the parent, where errors are cheap; the plan is plain values only, so
it can be shown (`describe`) and sent to another process.
"""

from __future__ import annotations

from mydocker.errors import UsageError
from mydocker.linux import capabilities, mounts, namespaces, seccomp
from mydocker.runtime import entries, hooks, spec, users
from mydocker.runtime.rootfs import Overlay, RootFs
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any

    Operation = tuple[Any, ...]


_LINKS = (
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("/proc/kcore", "/dev/core"),
    ("pts/ptmx", "/dev/ptmx"),
)
_NODES = (
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
)
# sysctl(7), ipc_namespaces(7)
_IPC_PARAMETERS = frozenset(
    f"kernel.{name}" for name in ["msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced"]
)
# asm-generic/resource.h
_RLIMITS = [
    "RLIMIT_CPU",
    "RLIMIT_FSIZE",
    "RLIMIT_DATA",
    "RLIMIT_STACK",
    "RLIMIT_CORE",
    "RLIMIT_RSS",
    "RLIMIT_NPROC",
    "RLIMIT_NOFILE",
    "RLIMIT_MEMLOCK",
    "RLIMIT_AS",
    "RLIMIT_LOCKS",
    "RLIMIT_SIGPENDING",
    "RLIMIT_MSGQUEUE",
    "RLIMIT_NICE",
    "RLIMIT_RTPRIO",
    "RLIMIT_RTTIME",
]
_NO_LIMIT = 2**63  # from here on the document means "no limit"


class Launch(NamedTuple):
    """What `mydocker.runtime.launch.start` needs: plan and PID namespace ("" new, None the host's, or a path)."""

    plan: tuple[Operation, ...]
    pid_namespace: str | None


def make(
    document: dict[str, Any],
    rootfs: RootFs,
    *,
    cgroup_files: tuple[str, ...] = (),
    cgroup_mounts: tuple[tuple[str, str], ...] = (),
    die_with_parent: bool = True,
    wait_for_parent: bool = False,
    size: tuple[int, int] = (0, 0),
) -> Launch:
    """Return the plan for a document.

    `cgroup_files` are what to write "0" to, `cgroup_mounts` the hierarchies to show inside (controller, version word).
    `wait_for_parent` stops once after the mounts, for hooks and the network. `size` is the terminal's rows and columns.
    """
    linux = document["linux"]
    plan: list[Operation] = [("cgroups", cgroup_files)] if cgroup_files else []
    joins, flags, pid_namespace = _namespaces(linux)
    plan += joins
    cut = ("propagation", entries.PROPAGATION[linux.get("rootfsPropagation") or "rslave"] | mounts.MS_REC)
    requests = _requests(document, cgroup_mounts)
    with_users = users.of(document)
    if with_users:
        requests = users.substituted(requests, flags, pid_namespace == "")
        plan += _before_user_namespace(document, with_users, rootfs, requests, cut)
        plan.append(("mapped", "enter", pid_namespace == ""))
        pid_namespace = pid_namespace or None  # the first process of a new one is made in there
    plan += _new_namespaces(document, flags)
    if not with_users:
        plan += [*_process_limits(document["process"]), *_copies(document)]
    plan.append(cut)
    plan += [("mapped", "attach_root")] if with_users else [_root(rootfs, requests)]
    plan += _file_systems(requests, [] if with_users else _nodes(document, requests))
    if document["process"].get("terminal"):
        plan.append(("console", *size, True))
    if wait_for_parent:
        plan.append(("ready",))
    plan += _last_steps(document, die_with_parent)
    return Launch(tuple(plan), pid_namespace)


def _new_namespaces(document: dict[str, Any], flags: int) -> list[Operation]:
    plan: list[Operation] = [("unshare", flags)]
    if flags & namespaces.CLONE_NEWNET:
        plan.append(("loopback",))
    if flags & namespaces.CLONE_NEWUTS and (document.get("hostname") or document.get("domainname")):
        plan.append(("hostname", document.get("hostname", ""), document.get("domainname", "")))
    return plan


def _last_steps(document: dict[str, Any], die_with_parent: bool) -> list[Operation]:
    """Return what is done once everything is mounted: from the hooks of createContainer to the program."""
    linux = document["linux"]
    plan: list[Operation] = []
    plan += [("run_hooks", found)] if (found := hooks.of(document, "createContainer")) else []
    plan += [_sysctl(key, value, linux) for key, value in linux.get("sysctl", {}).items()]
    plan += _user(document)
    plan.append(("workdir", document["process"]["cwd"]))
    plan += [("readonly", tuple(linux["readonlyPaths"]))] if linux.get("readonlyPaths") else []
    plan += [("mask", tuple(linux["maskedPaths"]))] if linux.get("maskedPaths") else []
    after = entries.PROPAGATION[linux["rootfsPropagation"]] if linux.get("rootfsPropagation") else 0
    plan.append(("pivot", after, bool(document["root"].get("readonly"))))
    plan += [("start_hooks", found)] if (found := hooks.of(document, "startContainer")) else []
    plan += _program(document, die_with_parent)
    return plan


def limits_and_program(document: dict[str, Any], size: tuple[int, int], die_with_parent: bool) -> list[Operation]:
    """Return the second half of a plan, for a process that joins namespaces instead of making them."""
    operations = _process_limits(document["process"])
    operations.append(("enter_root",))
    operations += _user(document)
    if document["process"].get("terminal"):
        operations.append(("console", *size, False))
    return operations + _program(document, die_with_parent)


def describe(plan: tuple[Operation, ...]) -> list[str]:
    """Return one line per operation, for people."""
    return [f"{name} {' '.join(map(_shown, arguments))}".rstrip() for name, *arguments in plan]


def _shown(value: object) -> str:
    return f"<{len(value)} bytes>" if isinstance(value, bytes) else repr(value)


def _namespaces(linux: dict[str, Any]) -> tuple[list[Operation], int, str | None]:
    joins: list[Operation] = []
    flags = 0
    pid_namespace: str | None = None
    for entry in linux.get("namespaces", ()):
        flag = namespaces.KINDS[entry["type"]][0]
        path = entry.get("path", "")
        if entry["type"] == "user":
            continue  # see `mydocker.runtime.users`
        if entry["type"] == "pid":
            pid_namespace = path
        elif path:
            joins.append(("join", path, flag))
        else:
            flags |= flag
    return joins, flags, pid_namespace


def _sysctl(key: str, value: str, linux: dict[str, Any]) -> Operation:
    """Return the write of a parameter, which has to belong to a namespace that is not the host's (sysctl(7)).

    Anything else would change the host: kernel.core_pattern alone is a way to run a program there.
    """
    name = key.replace("/", ".")
    kinds = {entry["type"] for entry in linux.get("namespaces", ())}
    needed = "network" if name.startswith("net.") else "uts" if name == "kernel.domainname" else "ipc"
    if needed == "ipc" and name not in _IPC_PARAMETERS and not name.startswith("fs.mqueue."):
        raise UsageError(f"--sysctl {key}", "it belongs to the host, not to a container")
    if needed not in kinds:
        raise UsageError(f"--sysctl {key}", f"the container shares the host's {needed} namespace")
    return "sysctl", name, value


def _process_limits(process: dict[str, Any]) -> list[Operation]:
    found: list[Operation] = []
    if process.get("oomScoreAdj") is not None:
        found.append(("oom_score", process["oomScoreAdj"]))
    if process.get("rlimits"):
        found.append(("rlimits", tuple(_rlimit(entry) for entry in process["rlimits"])))
    return found


def _rlimit(entry: dict[str, Any]) -> tuple[int, int, int]:
    if entry["type"] not in _RLIMITS:
        raise UsageError(f"unknown resource limit {entry['type']}")
    soft, hard = (-1 if value < 0 or value >= _NO_LIMIT else value for value in (entry["soft"], entry["hard"]))
    return _RLIMITS.index(entry["type"]), soft, hard


def _before_user_namespace(
    document: dict[str, Any], wanted: users.Users, rootfs: RootFs, requests: list[entries.Request], cut: Operation
) -> list[Operation]:
    """Return what takes the host's root: limits, and everything that the container will find but may not open."""
    return [
        ("mapped", "user_namespace", *wanted),
        *_process_limits(document["process"]),
        ("unshare", namespaces.CLONE_NEWNS),
        *_copies(document),
        cut,
        *users.preparation(wanted, rootfs, entries.stubs(requests), requests, _nodes(document, requests)),
    ]


def _copies(document: dict[str, Any]) -> list[Operation]:
    """Return the binds that are copied early: tied to the host's while that is possible, or with other ids."""
    return [*(("tie", *place) for place in entries.shared_with_host(document)), *users.idmapped(document)]


def _requests(document: dict[str, Any], cgroup_mounts: tuple[tuple[str, str], ...]) -> list[entries.Request]:
    requests: list[entries.Request] = []
    for entry in document.get("mounts", ()):
        if entry.get("type") == "cgroup":
            requests += entries.cgroup_requests(entry, cgroup_mounts)
        else:
            requests.append(entries.request(entry))
    return requests


def _root(rootfs: RootFs, requests: list[entries.Request]) -> Operation:
    stubs = entries.stubs(requests)
    if isinstance(rootfs, Overlay):
        return "overlay", rootfs.lower, rootfs.upper, rootfs.work, rootfs.init, stubs
    return "directory", rootfs.path, stubs


def _file_systems(requests: list[entries.Request], nodes: list[Operation]) -> list[Operation]:
    plan: list[Operation] = [("mount", *request) for request in requests]
    plan += [("restrict", "/sys/fs/cgroup", mounts.ATTR_RDONLY)] if entries.is_readonly_tree(requests) else []
    return [*plan, *nodes]


def _nodes(document: dict[str, Any], requests: list[entries.Request]) -> list[Operation]:
    """Return what fills /dev, where it is a file system of the container's own."""
    if not any(request[0] == "/dev" and request[1] != "bind" for request in requests):
        return []
    ordinary = {path for path, _, _ in _NODES}
    plan: list[Operation] = [("device", path, "c", major, minor, 0o666, 0, 0) for path, major, minor in _NODES]
    plan += [_device(entry) for entry in document["linux"].get("devices", ()) if entry["path"] not in ordinary]
    return [*plan, *(("link", target, path) for target, path in _LINKS)]


def _device(entry: dict[str, Any]) -> Operation:
    numbers = (entry.get("major", 0), entry.get("minor", 0))
    return (
        "device", entry["path"], entry["type"], *numbers,
        entry.get("fileMode", 0o666), entry.get("uid", 0), entry.get("gid", 0),
    )  # fmt: skip


def _user(document: dict[str, Any]) -> list[Operation]:
    annotations = document.get("annotations") or {}
    groups = tuple(filter(None, annotations.get(spec.GROUPS, "").split(",")))
    user = document["process"]["user"]
    if spec.USER in annotations or groups or (user["uid"], user["gid"], user.get("additionalGids")) == (0, 0, None):
        return [("user", annotations.get(spec.USER, ""), groups)]
    return [("numeric_user", user["uid"], user["gid"], tuple(user.get("additionalGids") or ()))]


def _program(document: dict[str, Any], die_with_parent: bool) -> list[Operation]:
    process = document["process"]
    options = {
        "umask": process["user"].get("umask", 0o022),
        "no_new_privileges": int(bool(process.get("noNewPrivileges"))),
        "die_with_parent": int(die_with_parent),
        "init": int((document.get("annotations") or {}).get(spec.INIT) == "true"),
    }
    held = process.get("capabilities") or {}
    kinds = ("bounding", "effective", "permitted", "inheritable", "ambient")
    sets = {kind: capabilities.mask(held.get(kind) or ()) for kind in kinds}
    plan: list[Operation] = []
    if document["linux"].get("seccomp"):
        plan.append(("seccomp", _compile(document["linux"]["seccomp"])))
    plan.append(("execute", tuple(process["args"]), tuple(process.get("env") or ()), process["cwd"], sets, options))
    return plan


def _compile(profile: dict[str, Any]) -> bytes:
    try:
        return seccomp.compile_profile(profile)
    except (KeyError, TypeError, ValueError) as err:
        raise UsageError(
            "the seccomp profile cannot be used", str(err), "--security-opt seccomp=unconfined goes without"
        ) from err
