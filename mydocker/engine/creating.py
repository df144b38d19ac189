"""From an image and what a user asked for to a container: image config and flags become the runtime's options.

On the path of `mydocker run`: NamedTuples, plain strings, few imports.
"""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, NamedTuple

from mydocker.errors import UsageError
from mydocker.runtime.ending import parse_signal
from mydocker.runtime.options import ContainerOptions, Limits, Mount
from mydocker.runtime.record import Container

if TYPE_CHECKING:
    from mydocker.image.config import ImageConfig
    from mydocker.image.image import Image
    from mydocker.image.store import ImageStore
    from mydocker.runtime.bundle import Bundle
    from mydocker.runtime.containers import Containers

_UNITS = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_TERM = "TERM=xterm"


class RunRequest(NamedTuple):
    """What `run` and `create` can say. Empty texts and None leave it to the image, or to the default.

    `env` are `NAME=VALUE`; `volumes` are `HOST:CONTAINER[:ro]`; `memory` is in bytes.
    """

    image: str
    command: tuple[str, ...] = ()
    name: str = ""
    entrypoint: tuple[str, ...] | None = None
    env: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    workdir: str = ""
    user: str = ""
    hostname: str = ""
    tty: bool = False
    interactive: bool = False
    auto_remove: bool = False
    read_only: bool = False
    network: str = "none"
    resolv: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    memory: int = 0
    cpu_shares: int = 0
    cpuset: str = ""


def create(request: RunRequest, image: Image, images: ImageStore, containers: Containers) -> Container:
    """Make a container from an image; nothing is left of it when that fails."""
    config = image.config
    argv = command_of(request, config)
    mounts = tuple(volume(text) for text in request.volumes)
    facts = Container(
        id="",
        name=request.name,
        image=image.title if request.image != image.id else image.id.short,
        image_id=str(image.id),
        command=argv,
        created=0.0,
        lower=images.snapshot_dirs(image),
        labels=(*config.labels.items(), *request.labels),
        mounts=tuple(request.volumes),
        network=request.network,
        tty=request.tty,
        interactive=request.interactive,
        auto_remove=request.auto_remove,
        stop_signal=parse_signal(config.stop_signal or "TERM"),
    )

    def options(bundle: Bundle) -> ContainerOptions:
        return ContainerOptions(
            argv=argv,
            env=_environment(request, config),
            cwd=request.workdir or config.working_dir or "/",
            user=request.user or config.user,
            tty=request.tty,
            hostname=request.hostname,
            mounts=(*_name_files(bundle, request, mounts), *mounts),
            limits=Limits(memory=request.memory, cpu_shares=request.cpu_shares, cpuset_cpus=request.cpuset),
            read_only=request.read_only,
            network=request.network,
        )

    return containers.create(facts, options)


def command_of(request: RunRequest, config: ImageConfig) -> tuple[str, ...]:
    """Return what is run: entry point and arguments, by docker's rules. A new entry point drops the image's CMD."""
    entrypoint = config.entrypoint if request.entrypoint is None else request.entrypoint
    arguments = request.command or (config.cmd if request.entrypoint is None else ())
    argv = (*entrypoint, *arguments)
    if not argv:
        raise UsageError(
            "no command to run", "neither the image nor the command line gives one", "name one after the image"
        )
    return argv


def _environment(request: RunRequest, config: ImageConfig) -> tuple[str, ...]:
    """Return the image's variables, over them the request's; a later one of a name replaces the earlier."""
    values = dict(entry.partition("=")[::2] for entry in config.env)
    if request.tty:
        values.setdefault("TERM", _TERM.partition("=")[2])
    for entry in request.env:
        name, _, value = entry.partition("=")
        values[name] = value
    return tuple(f"{name}={value}" for name, value in values.items())


def volume(text: str) -> Mount:
    """Return the mount that `-v HOST:CONTAINER[:OPTIONS]` means; a host directory that is missing is made, as docker does."""
    parts = text.split(":")
    if not 2 <= len(parts) <= 3 or not parts[0] or not parts[1].startswith("/"):
        raise UsageError(f"-v {text}", "expected HOST:CONTAINER[:ro] with an absolute path in the container")
    source = os.path.abspath(parts[0])
    words = tuple(parts[2].split(",")) if len(parts) == 3 else ()
    unknown = [word for word in words if word not in ("ro", "rw", *_PROPAGATION)]
    if unknown:
        raise UsageError(
            f"-v {text}", f"unknown option {unknown[0]}", "known are ro, rw and " + ", ".join(_PROPAGATION)
        )
    try:
        os.makedirs(source, exist_ok=True)
    except FileExistsError:
        pass  # a file: it is mounted as one
    except OSError as error:
        raise UsageError(f"-v {text}", f"{source}: {error.strerror}") from error
    return Mount(parts[1], source, "bind", tuple(word for word in words if word != "rw"))


_PROPAGATION = ("private", "rprivate", "slave", "rslave", "shared", "rshared")


def _name_files(bundle: Bundle, request: RunRequest, mounts: tuple[Mount, ...]) -> list[Mount]:
    """Write /etc/hosts, /etc/hostname and /etc/resolv.conf of the container, unless a volume is there already."""
    hostname = request.hostname or bundle.id[:12]
    contents = {"hosts": f"127.0.0.1\tlocalhost {hostname}\n::1\tlocalhost\n", "hostname": f"{hostname}\n"}
    try:
        with open(request.resolv or "/etc/resolv.conf", encoding="utf-8", errors="surrogateescape") as file:
            contents["resolv.conf"] = file.read()
    except OSError as error:
        if request.resolv:
            raise UsageError(f"-resolv {request.resolv}", error.strerror or str(error)) from error
    taken = {mount.target for mount in mounts}
    found = []
    for name, text in contents.items():
        if f"/etc/{name}" in taken:
            continue
        fd = os.open(bundle.file(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        with open(fd, "w", encoding="utf-8", errors="surrogateescape") as file:
            os.fchmod(fd, 0o644)
            file.write(text)
        found.append(Mount(f"/etc/{name}", bundle.file(name)))
    return found


def size(text: str) -> int:
    """Return the bytes that `100m`, `1.5g`, `512k` or a plain number mean (units of 1024, as docker's -m)."""
    number, unit = text.lower().rstrip("b"), 1
    if number and number[-1] in _UNITS:
        number, unit = number[:-1], _UNITS[number[-1]]
    try:
        return int(float(number) * unit)
    except ValueError:
        raise UsageError(f"{text!r} is no size", hint="write a number with b, k, m or g, like 100m") from None


def words(text: str) -> tuple[str, ...]:
    """Split a command that was given as one text (`--entrypoint "sh -c"`), as a shell would."""
    return tuple(shlex.split(text))
