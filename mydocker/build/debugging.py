"""Going where a step failed: a shell, or a command, in the container that the step had.

The step's own container is made once more: its mounts, variables, directory and user, over its parent's layers and what
it had written. What the shell writes is dropped at its end, so every visit finds the same.
"""

from __future__ import annotations

import os
from contextlib import ExitStack

from mydocker.build.cache import Cache
from mydocker.build.executor import Workshop
from mydocker.build.request import BuildRequest
from mydocker.build.steps import mounts, running
from mydocker.build.trees import Place, Trees
from mydocker.dockerfile import instructions as ins
from mydocker.events import Notice
from mydocker.image.copy import copy_tree
from mydocker.runtime import sandbox, terminal
from mydocker.runtime.foreground import Foreground, OwnTerminal
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mydocker.build.failures import Failure
    from mydocker.build.plan import Ground, Step
    from mydocker.build.request import Secret
    from mydocker.events import Reporter
    from mydocker.image.manifest import Layer
    from mydocker.image.store import ImageStore


class Visit(NamedTuple):
    """What to do there: a command for the stage's shell ("": the shell itself), the secrets, the three streams."""

    command: str = ""
    secrets: tuple[Secret, ...] = ()
    stdin: int = 0
    stdout: int = 1
    stderr: int = 2


def enter(failure: Failure, store: ImageStore, reporter: Reporter, visit: Visit) -> int:
    """Run a shell or a command where a step failed, and return its exit status; for a process with one thread.

    The shell gets a terminal where `stdin` is one. Raises what the runtime raises, `NotFound` for a mount whose source
    is gone.
    """
    request = BuildRequest(
        secrets=visit.secrets,
        ssh=failure.request["ssh"],
        network=failure.request["network"],
        allow=frozenset(failure.request["allow"]),
        build_args=failure.request["build_args"],
    )
    tty = not visit.command and os.isatty(visit.stdin)
    with ExitStack() as stack:
        cache = stack.enter_context(Cache(store.layout.cache))
        trees = Trees(store, cache, _layers, Place(""))
        stack.callback(trees.close)
        shop = Workshop(store, trees, request, reporter, _layers, {})
        place = stack.enter_context(store.layout.workspace("step"))
        _furnish(failure, place)
        below = (f"{failure.path}/upper", *store.stack_dirs(failure.step.ground.layers))
        step = _lenient(failure.step, request, reporter)
        argv = (*step.shell, visit.command) if visit.command else step.shell[:1]
        container = running.container(step, shop, below, place, stack, argv, tty)
        front = OwnTerminal(visit.stdin, visit.stdout) if tty else Foreground(visit.stdin, visit.stdout, visit.stderr)
        size = terminal.size(visit.stdin) if tty else (0, 0)
        return sandbox.interact(container.document, container.rootfs, front, tty=tty, size=size)


def _layers(ground: Ground) -> tuple[Layer, ...]:
    return ground.layers


def _furnish(failure: Failure, place: str) -> None:
    """Make the workspace: directories for what is written now, and copies of what the step had from its context."""
    for name in ("upper", "work"):
        os.mkdir(f"{place}/{name}", 0o755)
        os.chmod(f"{place}/{name}", 0o755)
    for name in os.listdir(failure.path):
        if name.startswith("bind-"):
            os.mkdir(f"{place}/{name}", 0o755)
            source = os.open(f"{failure.path}/{name}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            target = os.open(f"{place}/{name}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                copy_tree(source, target)
            finally:
                os.close(source)
                os.close(target)


def _lenient(step: Step, request: BuildRequest, reporter: Reporter) -> Step:
    """Return the step with secrets and agents that are not here left out; nobody wrote them down to bring them back."""
    if not isinstance(step.instruction, ins.Run):
        return step
    there = {secret.id for secret in request.secrets}
    for mount in step.instruction.mounts:
        if mount.type == "secret" and mounts.secret_name(mount) not in there:
            reporter(
                Notice(f"the secret {mounts.secret_name(mount)} is not there: it was not kept, give it with --secret")
            )
    optional = tuple(mount._replace(required=False) for mount in step.instruction.mounts)
    return step._replace(instruction=step.instruction._replace(mounts=optional))
