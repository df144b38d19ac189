"""RUN: a command in a transient container over the parent's layers (Dockerfile reference, "RUN").

What the command finds is fixed, so that the same instruction gives the same layer anywhere: host name, time zone,
language, hash seed, SOURCE_DATE_EPOCH, and nothing of the host's environment. /etc/hosts, /etc/resolv.conf and
/etc/hostname are mounted over the image's and leave no trace.
"""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

from mydocker.build import secrets
from mydocker.build.output import Capture
from mydocker.build.secrets import Needles
from mydocker.build.steps import mounts
from mydocker.dockerfile import heredocs
from mydocker.dockerfile import instructions as ins
from mydocker.dockerfile.scope import PROXY_ARGS
from mydocker.errors import BuildFailed, UsageError
from mydocker.runtime import sandbox, spec
from mydocker.runtime.options import ContainerOptions, Mount
from mydocker.runtime.rootfs import Overlay

if TYPE_CHECKING:
    from mydocker.build.executor import Workshop
    from mydocker.build.plan import Step

HOSTNAME = "mydocker"
_HOSTS = f"127.0.0.1\tlocalhost {HOSTNAME}\n::1\tlocalhost ip6-localhost ip6-loopback\n"
_SCRIPTS = "/dev/pipes"  # where BuildKit has it: a path that no image uses

# Set unless the image or the file says otherwise; not kept in the image.
_CALM = {"TZ": "UTC", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}


class RunHandler:
    """Carries out RUN."""

    def sees_parent(self, step: Step) -> bool:
        """A command sees everything below it."""
        return True

    def key_parts(self, step: Step, shop: Workshop) -> dict[str, str]:
        """The command, what surrounds it, and the content of what is mounted; proxies and secrets are no part."""
        run = _run(step)
        argv, script = _command(step)
        parts = {
            "command": json.dumps(argv),
            "workdir": step.workdir,
            "user": step.user,
            "network": "none" if _network(step, shop) == "none" else "some",
            "security": run.security,
        }
        if script:
            parts["here-document"] = script
        parts |= {f"env {name}": value for name, value in step.env}
        parts |= {f"argument {name}": value for name, value in step.args if name not in PROXY_ARGS}
        for number, mount in enumerate(run.mounts):
            parts |= mounts.key_parts(number, mount, step, shop)
        return parts

    def run(self, step: Step, shop: Workshop, below: tuple[str, ...], place: str) -> None:
        """Run the command; raise `BuildFailed` when it ends with anything but 0."""
        run = _run(step)
        if run.security == "insecure" and "security.insecure" not in shop.request.allow:
            raise UsageError("RUN --security=insecure", "it is not allowed here", "allow it: --allow security.insecure")
        argv, script = _command(step)
        with ExitStack() as stack:
            made = [mounts.make(number, mount, step, shop, place, stack) for number, mount in enumerate(run.mounts)]
            extra = _files(step, shop, place)
            if script:
                extra.append(_script(place, run.heredocs[0].name, script))
            options = ContainerOptions(
                argv=tuple(argv),
                env=_environment(step, shop, [variable for one in made for variable in one.env]),
                cwd=step.workdir,
                user=step.user,
                hostname=HOSTNAME,
                mounts=tuple([*extra, *(mount for one in made for mount in one.mounts)]),
                network=_network(step, shop),
                privileged=run.security == "insecure",
            )
            document = spec.document(options, sandbox.new_identifier())
            rootfs = Overlay(below, f"{place}/upper", f"{place}/work")
            had = mounts.secrets_of(run.mounts, shop.request.secrets)
            with Capture(step.id, shop.reporter, Needles(had)) as capture:
                status = sandbox.run(
                    document, rootfs, stdin=capture.stdin, stdout=capture.stdout, stderr=capture.stderr
                )
        secrets.search(f"{place}/upper", had)
        if status:
            shown = run.command.text if isinstance(run.command, ins.Shell) else json.dumps(argv)
            raise BuildFailed(f"the command ended with exit status {status}", " ".join(shown.split()))


def _run(step: Step) -> ins.Run:
    assert isinstance(step.instruction, ins.Run)
    return step.instruction


def _command(step: Step) -> tuple[list[str], str]:
    """Return the arguments, and the script to be mounted where a here-document is one (it begins with `#!`).

    As BuildKit: a command that is nothing but a here-document is its body, run by the shell; any other goes to the
    shell with its here-documents behind it.
    """
    run = _run(step)
    if isinstance(run.command, ins.Exec):
        return list(run.command.argv), ""
    text = run.command.text
    if run.heredocs:
        if heredocs.mark(text.strip()):
            body = run.heredocs[0].text
            if body.startswith("#!"):
                return [*step.shell, f"{_SCRIPTS}/{run.heredocs[0].name}"], body
            text = body
        else:
            text = "\n".join([text, *(document.content + document.name for document in run.heredocs)])
    return [*step.shell, text], ""


def _script(place: str, name: str, body: str) -> Mount:
    directory = f"{place}/script"
    os.mkdir(directory, 0o755)
    with open(f"{directory}/{name}", "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        os.fchmod(file.fileno(), 0o755)
        file.write(body)
    return Mount(_SCRIPTS, directory, "bind", ("ro",))


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


def _network(step: Step, shop: Workshop) -> str:
    """Return the runtime's word for the step's network. The default is the host's: builds have to fetch things."""
    asked = _run(step).network
    if asked == "host" and "network.host" not in shop.request.allow and shop.request.network != "host":
        raise UsageError("RUN --network=host", "it is not allowed here", "allow it: --allow network.host")
    if asked == "none" or (asked == "default" and shop.request.network == "none"):
        return "none"
    return "host"


def _files(step: Step, shop: Workshop, place: str) -> list[Mount]:
    contents = {"hosts": _HOSTS.encode(), "hostname": f"{HOSTNAME}\n".encode()}
    if _network(step, shop) != "none" and os.path.exists("/etc/resolv.conf"):
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
