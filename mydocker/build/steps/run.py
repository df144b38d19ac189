"""RUN as a key: what of the command and its surroundings decides about the layer (Dockerfile reference, "RUN")."""

from __future__ import annotations

import json

from mydocker.build.contents import Wanted, content_of
from mydocker.build.selection import EVERYTHING
from mydocker.dockerfile import heredocs
from mydocker.dockerfile import instructions as ins
from mydocker.dockerfile.scope import PROXY_ARGS
from mydocker.errors import UsageError
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.build.executor import Workshop
    from mydocker.build.plan import Step

SCRIPTS = "/dev/pipes"  # where BuildKit has here-documents: a path that no image uses


class RunHandler:
    """Knows what counts for RUN, and has it carried out."""

    def sees_parent(self, step: Step) -> bool:
        """A command sees everything below it."""
        return True

    def key_parts(self, step: Step, shop: Workshop) -> dict[str, str]:
        """The command, what surrounds it, and the content of what is mounted; proxies and secrets are no part."""
        run = instruction(step)
        argv, script = command(step)
        parts = {
            "command": json.dumps(argv),
            "workdir": step.workdir,
            "user": step.user,
            "network": "none" if network(step, shop) == "none" else "some",
            "security": run.security,
        }
        if script:
            parts["here-document"] = script
        parts |= {f"env {name}": value for name, value in step.env}
        parts |= {f"argument {name}": value for name, value in step.args if name not in PROXY_ARGS}
        for number, mount in enumerate(run.mounts):
            parts |= _mount_parts(number, mount, step, shop)
        return parts

    def run(self, step: Step, shop: Workshop, below: tuple[str, ...], place: str) -> None:
        """Run the command; raise `BuildFailed` when it ends with anything but 0."""
        from mydocker.build.steps.running import run

        run(step, shop, below, place)


def instruction(step: Step) -> ins.Run:
    """Return the instruction of a RUN step."""
    assert isinstance(step.instruction, ins.Run)
    return step.instruction


def command(step: Step) -> tuple[list[str], str]:
    """Return the arguments, and the script to be mounted where a here-document is one (it begins with `#!`).

    As BuildKit: a command that is nothing but a here-document is its body, run by the shell; any other goes to the
    shell with its here-documents behind it.
    """
    run = instruction(step)
    if isinstance(run.command, ins.Exec):
        return list(run.command.argv), ""
    text = run.command.text
    if run.heredocs:
        if heredocs.mark(text.strip()):
            body = run.heredocs[0].text
            if body.startswith("#!"):
                return [*step.shell, f"{SCRIPTS}/{run.heredocs[0].name}"], body
            text = body
        else:
            text = "\n".join([text, *(document.content + document.name for document in run.heredocs)])
    return [*step.shell, text], ""


def network(step: Step, shop: Workshop) -> str:
    """Return the runtime's word for the step's network. The default is the host's: builds have to fetch things."""
    asked = step.instruction.network if isinstance(step.instruction, ins.Run) else "default"
    if asked == "host" and "network.host" not in shop.request.allow and shop.request.network != "host":
        raise UsageError("RUN --network=host", "it is not allowed here", "allow it: --allow network.host")
    if asked == "none" or (asked == "default" and shop.request.network == "none"):
        return "none"
    return "host"


def _mount_parts(number: int, mount: ins.Mount, step: Step, shop: Workshop) -> dict[str, str]:
    """Return what a mount brings; what is in a cache, and a secret or its hash, is no part of a key."""
    label = f"mount {number}"
    shape = f"{mount.type} {mount.target} {mount.source} {mount.id} {mount.read_only} {mount.env}"
    parts = {label: shape}
    if mount.type != "bind":
        return parts
    tree = shop.trees.open(step.sources[mount.from_])
    if tree.identity:
        parts[f"{label} content"] = tree.identity
        return parts
    wanted = Wanted(step.id, f"{step.slot} {label}", (mount.source or "/",), EVERYTHING)
    return {**parts, f"{label} content": content_of(tree, wanted, shop.trees)}
