"""Running RUN: a command in a transient container over the parent's layers (Dockerfile reference, "RUN").

What the command finds is fixed, so that the same instruction gives the same layer anywhere: host name, time zone,
language, hash seed, SOURCE_DATE_EPOCH, and nothing of the host's environment. /etc/hosts, /etc/resolv.conf and
/etc/hostname are mounted over the image's and leave no trace.
"""

from __future__ import annotations

import json
import os
from contextlib import ExitStack

from mydocker.build import secrets
from mydocker.build.output import Capture
from mydocker.build.secrets import Needles
from mydocker.build.steps import mounts
from mydocker.build.steps.run import SCRIPTS, command, instruction, network
from mydocker.dockerfile import instructions as ins
from mydocker.dockerfile.scope import PROXY_ARGS
from mydocker.errors import BuildFailed, UsageError
from mydocker.events import Notice
from mydocker.runtime import sandbox, spec
from mydocker.runtime.options import ContainerOptions, Mount
from mydocker.runtime.rootfs import Overlay
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any

    from mydocker.build.executor import Workshop
    from mydocker.build.plan import Step

HOSTNAME = "mydocker"
_HOSTS = f"127.0.0.1\tlocalhost {HOSTNAME}\n::1\tlocalhost ip6-localhost ip6-loopback\n"

# Set unless the image or the file says otherwise; not kept in the image.
_CALM = {"TZ": "UTC", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}


def run(step: Step, shop: Workshop, below: tuple[str, ...], place: str) -> None:
    """Run the command; raise `BuildFailed` when it ends with anything but 0."""
    asked = instruction(step)
    if asked.security == "insecure" and "security.insecure" not in shop.request.allow:
        raise UsageError("RUN --security=insecure", "it is not allowed here", "allow it: --allow security.insecure")
    for device in asked.devices:
        missing = f"RUN --device={device.name}"
        if device.required:
            raise BuildFailed(missing, "builds have no devices of the host", "leave out required=true")
        shop.reporter(Notice(f"{missing}: builds have no devices of the host", "warning"))
    with ExitStack() as stack:
        made = container(step, shop, below, place, stack)
        had = mounts.secrets_of(asked.mounts, shop.request.secrets)
        with Capture(step.id, shop.reporter, Needles(had)) as capture:
            status = sandbox.run(
                made.document, made.rootfs, stdin=capture.stdin, stdout=capture.stdout, stderr=capture.stderr
            )
    secrets.search(f"{place}/upper", had)
    if status:
        shown = asked.command.text if isinstance(asked.command, ins.Shell) else json.dumps(asked.command.argv)
        raise BuildFailed(f"the command ended with exit status {status}", " ".join(shown.split()))


class Made(NamedTuple):
    """A step's container: its runtime-spec document and its root."""

    document: dict[str, Any]
    rootfs: Overlay


def container(
    step: Step,
    shop: Workshop,
    below: tuple[str, ...],
    place: str,
    stack: ExitStack,
    argv: tuple[str, ...] = (),
    tty: bool = False,
) -> Made:
    """Make what a step's command needs; what it acquires is released when `stack` unwinds.

    `argv` runs in the place of the step's own command; it has to be given for a step that has none.
    """
    given: tuple[ins.Mount, ...] = ()
    security, extra = "", _files(step, shop, place)
    if isinstance(step.instruction, ins.Run):
        given, security = step.instruction.mounts, step.instruction.security
        own, script = command(step)
        argv = argv or tuple(own)
        if script:
            extra.append(_script(place, step.instruction.heredocs[0].name, script))
    made = [mounts.make(number, mount, step, shop, place, stack) for number, mount in enumerate(given)]
    variables = [variable for one in made for variable in one.env]
    options = ContainerOptions(
        argv=argv,
        env=_environment(step, shop, ["TERM=xterm", *variables] if tty else variables),
        cwd=step.workdir,
        user=step.user,
        tty=tty,
        hostname=HOSTNAME,
        mounts=tuple([*extra, *(mount for one in made for mount in one.mounts)]),
        network=network(step, shop),
        privileged=security == "insecure",
    )
    document = spec.document(options, sandbox.new_identifier())
    return Made(document, Overlay(below, f"{place}/upper", f"{place}/work"))


def _script(place: str, name: str, body: str) -> Mount:
    directory = f"{place}/script"
    os.mkdir(directory, 0o755)
    with open(f"{directory}/{name}", "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        os.fchmod(file.fileno(), 0o755)
        file.write(body)
    return Mount(SCRIPTS, directory, "bind", ("ro",))


def _environment(step: Step, shop: Workshop, more: list[str]) -> tuple[str, ...]:
    values = dict(step.env)
    for name, value in step.args:
        values.setdefault(name, value)
    for name in PROXY_ARGS:
        if name in shop.request.build_args:
            values.setdefault(name, shop.request.build_args[name])
    for name, value in {**_CALM, "SOURCE_DATE_EPOCH": str(step.epoch)}.items():
        values.setdefault(name, value)
    return (*(f"{name}={value}" for name, value in values.items()), *more)


def _files(step: Step, shop: Workshop, place: str) -> list[Mount]:
    contents = {"hosts": _HOSTS.encode(), "hostname": f"{HOSTNAME}\n".encode()}
    if network(step, shop) != "none" and os.path.exists("/etc/resolv.conf"):
        with open("/etc/resolv.conf", "rb") as file:
            contents["resolv.conf"] = file.read()
    found = []
    for name, data in contents.items():
        path = f"{place}/{name}"
        with open(path, "wb") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(data)
        found.append(Mount(f"/etc/{name}", path, "bind", ()))
    return found
