"""The making of a container: an image's config and a request come together here, and nowhere else."""

from __future__ import annotations

import json
import os
import signal

from mydocker.creation import files, words
from mydocker.creation import volumes as volume_words
from mydocker.creation.connection import Network
from mydocker.creation.volumes import Volumes, Wanted
from mydocker.errors import Busy, UsageError
from mydocker.runtime import sharing
from mydocker.runtime.options import ContainerOptions, Device, Limits, Mount
from mydocker.runtime.program import DEFAULT_PATH
from mydocker.runtime.record import Container, Health
from mydocker.runtime.rootfs import overlay_fd
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any

    from mydocker.creation.request import RunRequest
    from mydocker.image.image import Image
    from mydocker.image.store import ImageStore
    from mydocker.runtime.bundle import Bundle
    from mydocker.runtime.containers import Containers

_STOP_TIMEOUT = 10.0
# Words that ask to go without what this runtime does not set anyway.
_NOTHING_TO_DO = (("apparmor", "unconfined"), ("label", "disable"))
_LARGEST_PROFILE = 4 << 20


class Rooms(NamedTuple):
    """What a container is made from: the store's images, containers and volumes."""

    images: ImageStore
    containers: Containers
    volumes: Volumes


def create(rooms: Rooms, image: Image, request: RunRequest, network: Network | None = None) -> Container:
    """Make a container of `image`, not running yet. Raise UsageError, NotFound, NameTaken, Busy.

    `network` is given by who knows networks; without it, `request.networks` is none, host, `container:REFERENCE` or the
    path of a network namespace.
    """
    connected = network or local_network(rooms.containers, request)
    lower = rooms.images.snapshot_dirs(image)
    wanted = _wanted(image, request)
    mounts, used = _prepare_mounts(wanted, rooms.volumes, lower)
    facts = _facts(image, request)._replace(
        lower=lower,
        volumes=used,
        disposable=_disposable(rooms.volumes, used),
        network=connected.name,
        ports=connected.ports,
        attachments=connected.attachments,
        mounts=tuple(f"{mount.source}:{mount.target}" for mount in mounts if mount.kind == "bind"),
    )
    joined = _namespaces(rooms.containers, request)
    options = _options(image, request)._replace(network=connected.mode, **joined)
    if connected.files_of and not options.hostname:
        options = options._replace(hostname=files.read_hostname(connected.files_of))
    options = options._replace(hooks=_hooks(request, options._replace(mounts=mounts)))
    shared = _shared(rooms.containers, (*request.namespaces, ("net", connected.name), ("user", request.userns)))
    options = options._replace(annotations=(*options.annotations, *shared))

    def place(bundle: Bundle) -> ContainerOptions:
        hostname = options.hostname or ("" if options.uts != "private" else bundle.id[:12])
        of_names = files.place(bundle, request, hostname, connected, {mount.target for mount in mounts})
        return options._replace(hostname=hostname, mounts=(*of_names, *mounts))

    if not (request.userns or request.uid_maps or request.gid_maps):
        return rooms.containers.create(facts, place)
    from mydocker.image.locks import locked

    with locked(rooms.images.layout.lock("userns")):  # ids are taken when the container is there that has them
        options = _with_users(rooms.containers, request, options)
        return rooms.containers.create(facts, place)


def _with_users(containers: Containers, request: RunRequest, options: ContainerOptions) -> ContainerOptions:
    from mydocker.creation import userns

    chosen = userns.chosen(containers, request.userns, request.uid_maps, request.gid_maps)
    if chosen.userns != "host" and (options.privileged or options.cgroupns == "host"):
        raise UsageError(f"--userns {request.userns}", "contradicts --privileged and --cgroupns host")
    return options._replace(userns=chosen.userns, uid_mappings=chosen.uid_mappings, gid_mappings=chosen.gid_mappings)


def _hooks(request: RunRequest, options: ContainerOptions) -> dict[str, Any] | None:
    if not request.hooks:
        return None
    from mydocker.creation import hooks

    return hooks.chosen(request.hooks, options)


def _disposable(volumes: Volumes, used: tuple[str, ...]) -> tuple[str, ...]:
    """Return the folders of those volumes that have no name, and so no use without this container."""
    found = [volumes.find(name) for name in used]
    return tuple(os.path.dirname(volume.path) for volume in found if volume.anonymous)


def local_network(containers: Containers, request: RunRequest) -> Network:
    """Return the connection for what needs no network to be made. Raise UsageError for a network's name."""
    if len(request.networks) > 1:
        raise UsageError(f"--network {' '.join(request.networks)}", "only networks can be several")
    if request.address or request.address6 or request.mac or request.aliases:
        raise UsageError("--ip, --ip6, --mac-address and --network-alias", "they belong to a network",
                         "name one: -net NAME")  # fmt: skip
    text = "".join(request.networks)
    if text in ("", "none"):
        return Network()
    if text == "host":
        return Network("host", "host")
    kind, _, reference = text.partition(":")
    if kind == "container" and reference:
        bundle = containers.bundle(reference)
        return Network(_namespace_of(containers, reference, "net"), text, files_of=bundle.path)
    if text.startswith("/"):
        return Network(text, text)
    raise UsageError(f"--network {text}", "no such network", "none, host, container:NAME, or a network's name")


def _namespace_of(containers: Containers, reference: str, kind: str) -> str:
    container = containers.find(reference)
    if not container.is_running:
        raise Busy(f"cannot share the namespaces of {reference}", "it is not running", f"mydocker start {reference}")
    return sharing.path_of(container.state.pid, kind)


def _shared(containers: Containers, words: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Return the annotation that keeps whose namespaces are shared, by id; none where it is nobody's."""
    found = []
    for name, text in words:
        kind, _, reference = text.partition(":")
        if kind == "container" and reference:
            found.append(f"{name}={containers.find(reference).id}")
    return ((sharing.SHARED, " ".join(found)),) if found else ()


def _namespaces(containers: Containers, request: RunRequest) -> dict[str, Any]:
    """Return the values of `pid`, `ipc`, `uts` and `cgroupns` for host, private or container:REFERENCE."""
    found: dict[str, Any] = {}
    for field, text in request.namespaces:
        kind, _, reference = text.partition(":")
        if kind == "container" and reference and field in ("pid", "ipc"):
            found[field] = _namespace_of(containers, reference, field)
        elif text in ("host", "private"):
            found[field] = text
        elif text:
            raise UsageError(f"--{field} {text}", "unknown", "host, private, or container:NAME for --pid and --ipc")
    return found


def _facts(image: Image, request: RunRequest) -> Container:
    config = image.config
    return Container(
        id="",
        name=request.name,
        image=image.title,
        image_id=str(image.id),
        command=_argv(image, request),
        created=0.0,
        labels=tuple(({**config.labels, **dict(words.pairs(request.labels, "--label"))}).items()),
        tty=request.tty,
        interactive=request.interactive,
        auto_remove=request.remove,
        stop_signal=_signal(request.stop_signal or config.stop_signal),
        stop_timeout=_STOP_TIMEOUT if request.stop_timeout is None else request.stop_timeout,
        restart=words.restart(request.restart),
        health=_health(image, request),
        log_limit=words.log_limit(request.log_options),
    )


def _argv(image: Image, request: RunRequest) -> tuple[str, ...]:
    """Return the command: --entrypoint replaces the image's and drops its CMD; words given replace CMD (docker)."""
    config = image.config
    if request.entrypoint is not None:
        return (*((request.entrypoint,) if request.entrypoint else ()), *request.command)
    return (*config.entrypoint, *(request.command or config.cmd))


def _signal(text: str) -> int:
    if not text:
        return signal.SIGTERM
    from mydocker.runtime.ending import parse_signal

    return parse_signal(text)


def _health(image: Image, request: RunRequest) -> Health:
    """Return the health check; durations of an image are nanoseconds."""
    asked, given = request.health, image.config.healthcheck
    command: tuple[str, ...] = ()
    if asked.command:
        command = ("/bin/sh", "-c", asked.command)
    elif given is not None and given.test[:1] == ("CMD",):
        command = given.test[1:]
    elif given is not None and given.test[:1] == ("CMD-SHELL",):
        command = ("/bin/sh", "-c", *given.test[1:])
    if asked.none or not command:
        return Health()

    def chosen(word: str, flag: str, nanoseconds: int, default: float) -> float:
        return words.seconds(word, flag) or nanoseconds / 1e9 or default

    defaults = Health()
    return Health(
        command,
        chosen(asked.interval, "--health-interval", given.interval if given else 0, defaults.interval),
        chosen(asked.timeout, "--health-timeout", given.timeout if given else 0, defaults.timeout),
        chosen(asked.start_period, "--health-start-period", given.start_period if given else 0, 0.0),
        chosen(asked.start_interval, "--health-start-interval", given.start_interval if given else 0,
               defaults.start_interval),
        asked.retries or (given.retries if given else 0) or defaults.retries,
    )  # fmt: skip


def _options(image: Image, request: RunRequest) -> ContainerOptions:
    config = image.config
    base = (
        config.env if any(entry.startswith("PATH=") for entry in config.env) else (f"PATH={DEFAULT_PATH}", *config.env)
    )
    if request.tty:
        base = (*base, "TERM=xterm")
    no_new_privileges, profile, masked = _security(request)
    workdir = request.workdir or config.working_dir or "/"
    if not workdir.startswith("/"):
        raise UsageError(f"-w {workdir}", "the working directory is an absolute path")
    return ContainerOptions(
        argv=_argv(image, request),
        env=words.environment(base, request.env_files, request.env, dict(os.environ)),
        cwd=os.path.normpath(workdir).replace("//", "/"),
        user=request.user or config.user,
        groups=request.groups,
        tty=request.tty,
        hostname=request.hostname,
        domainname=request.domainname,
        devices=_devices(request),
        limits=_limits(request),
        rlimits=words.limits(request.ulimits),
        sysctls=words.pairs(request.sysctls, "--sysctl"),
        cap_add=request.cap_add,
        cap_drop=request.cap_drop,
        privileged=request.privileged,
        read_only=request.read_only,
        no_new_privileges=no_new_privileges,
        seccomp=profile,
        masked=masked,
        init=request.init,
        shm_size=words.size(request.shm_size, "--shm-size") or ContainerOptions(()).shm_size,
        oom_score=request.oom_score,
        cgroup_parent=request.cgroup_parent or ContainerOptions(()).cgroup_parent,
        annotations=words.pairs(request.annotations, "--annotation"),
    )


def _limits(request: RunRequest) -> Limits:
    asked = request.limits
    if asked.cpus < 0 or asked.pids < -1:
        raise UsageError("--cpus and --pids-limit", "less than nothing")
    return Limits(
        memory=words.memory(asked.memory, "-m"),
        memory_swap=words.memory(asked.memory_swap, "--memory-swap"),
        memory_reservation=words.memory(asked.memory_reservation, "--memory-reservation"),
        cpu_shares=asked.cpu_shares,
        cpus=asked.cpus,
        cpuset_cpus=asked.cpuset_cpus,
        cpuset_mems=asked.cpuset_mems,
        pids=max(asked.pids, 0),
        blkio_weight=asked.blkio_weight,
        oom_kill_disable=asked.oom_kill_disable,
    )


def _security(request: RunRequest) -> tuple[bool, dict[str, Any] | None, bool]:
    """Return no_new_privs, the system call profile and whether paths are masked, for the words of --security-opt."""
    no_new_privileges, profile, masked = False, None, True
    for entry in request.security:
        key, _, value = entry.replace("=", ":", 1).partition(":")
        if key == "no-new-privileges" and value in ("", "true", "false"):
            no_new_privileges = value != "false"
        elif key == "seccomp" and value:
            profile = {} if value == "unconfined" else None if value in ("builtin", "default") else _profile(value)
        elif key == "systempaths" and value == "unconfined":
            masked = False
        elif (key, value) not in _NOTHING_TO_DO:
            raise UsageError(f"--security-opt {entry}", "unknown", "no-new-privileges, seccomp=FILE|unconfined ...")
    return no_new_privileges, profile, masked


def _profile(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            content = file.read(_LARGEST_PROFILE)
        found = json.loads(content)
    except (OSError, ValueError) as err:
        raise UsageError(f"--security-opt seccomp={path}", str(err)) from err
    if not isinstance(found, dict) or "defaultAction" not in found:
        raise UsageError(f"--security-opt seccomp={path}", "not a profile: it has no defaultAction")
    if any(rule.get("includes") or rule.get("excludes") for rule in found.get("syscalls") or ()):
        # Taken as if they always held, such rules would allow more than the profile means.
        why = "it has rules under conditions (includes, excludes), which are not understood here"
        raise UsageError(f"--security-opt seccomp={path}", why, "leave the conditional rules out, or resolve them")
    return found


def _devices(request: RunRequest) -> tuple[Device, ...]:
    if not request.privileged:
        return words.devices(request.devices)
    present = [entry.path for entry in os.scandir("/dev") if not entry.is_dir(follow_symlinks=False)]
    ordinary = {
        "/dev/null",
        "/dev/zero",
        "/dev/full",
        "/dev/random",
        "/dev/urandom",
        "/dev/tty",
        "/dev/console",
        "/dev/ptmx",
    }
    nodes = [path for path in sorted(present) if path not in ordinary and _is_device(path)]
    return (*words.devices(tuple(nodes)), *words.devices(request.devices))


def _is_device(path: str) -> bool:
    import stat

    mode = os.lstat(path).st_mode
    return stat.S_ISCHR(mode) or stat.S_ISBLK(mode)


def _wanted(image: Image, request: RunRequest) -> list[Wanted]:
    """Return what is to be mounted: the flags', and an anonymous volume for each VOLUME of the image left over."""
    asked = [
        *(volume_words.parse_volume(text) for text in request.volumes),
        *(volume_words.parse_mount(text) for text in request.mounts),
        *(volume_words.parse_tmpfs(text) for text in request.tmpfs),
    ]
    taken: set[str] = set()
    for wanted in asked:
        if wanted.target in taken:
            raise UsageError(f"two things to mount on {wanted.target}")
        taken.add(wanted.target)
    for declared in image.config.volumes:
        target = os.path.normpath("/" + declared).replace("//", "/")
        if target != "/" and target not in taken:
            asked.append(Wanted(target, "", "volume"))
            taken.add(target)
    return asked


def _prepare_mounts(
    wanted: list[Wanted], volumes: Volumes, lower: tuple[str, ...]
) -> tuple[tuple[Mount, ...], tuple[str, ...]]:
    if not any(entry.is_volume for entry in wanted):
        prepared = [volume_words.prepare(entry, volumes, -1) for entry in wanted]
    else:
        with overlay_fd(lower) as root:
            prepared = [volume_words.prepare(entry, volumes, root) for entry in wanted]
    return tuple(mount for mount, _ in prepared), tuple(name for _, name in prepared if name)
