"""The keeper of a container in the background: a process of its own, in a session of its own, until the container ends.

It owns the container's streams, log and exit status, restarts it by policy and checks its health. Nothing else needs to
be running: the command that started it may be killed at any moment.
"""

from __future__ import annotations

import marshal
import os
import signal
import sys
import time

from mydocker import errors
from mydocker.errors import MydockerError, RuntimeFailure
from mydocker.linux import process
from mydocker.runtime import sandbox
from mydocker.runtime.attaching import Service
from mydocker.runtime.keeper import Keeper
from mydocker.runtime.record import EXITED, RESTARTING, Container
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    import _socket
    from typing import NoReturn

    from mydocker.runtime.bundle import Bundle
    from mydocker.runtime.containers import Containers

_FIRST_DELAY, _LONGEST_DELAY = 0.1, 60.0
_STABLE = 10.0  # a run of so many seconds counts as a success: the next delay is the first again (docker's rule)
_STEP = 0.05
_BOOT = (
    "import sys; sys.path[:0] = [{path!r}]; from mydocker.runtime import shim;"
    " shim.main({directory!r}, {identifier!r}, {report}, {owner}, {size})"
)


def start(
    containers: Containers, bundle: Bundle, *, owner: _socket.socket | None = None, size: tuple[int, int] = (0, 0)
) -> None:
    """Start a container in the background and return when its program runs.

    With `owner`, the container does not outlive the other end of that connection. Raise what `launch.start` raises.
    """
    report_read, report_write = os.pipe2(os.O_CLOEXEC)
    try:
        descriptor = -1 if owner is None else owner.fileno()
        if sandbox.alone():
            if os.fork() == 0:
                main(containers.directory, bundle.id, report_write, descriptor, size)
        else:
            _spawn(containers.directory, bundle.id, report_write, descriptor, size)
    finally:
        os.close(report_write)
    with os.fdopen(report_read, "rb") as file:
        report = file.read()
    if report[:1] != b"+":
        raise _decode(report)


def _spawn(directory: str, identifier: str, report: int, owner: int, size: tuple[int, int]) -> None:
    """Start a fresh interpreter that becomes the shim: for processes with threads, which must not fork Python."""
    import mydocker

    path = os.path.dirname(os.path.dirname(os.path.abspath(mydocker.__file__)))
    code = _BOOT.format(path=path, directory=directory, identifier=identifier, report=report, owner=owner, size=size)
    actions = process.handing_over(*(each for each in (report, owner) if each >= 0))
    arguments = [sys.executable, "-I", "-S", "-c", code]
    os.posix_spawn(sys.executable, arguments, os.environ, file_actions=actions, setsid=True)


def _decode(report: bytes) -> MydockerError:
    if not report:
        return RuntimeFailure("cannot start the container", "its shim was killed")
    name, what, why, hint = marshal.loads(report)
    kind = getattr(errors, name, RuntimeFailure)
    made: MydockerError = kind(what, why, hint)
    return made


def main(directory: str, identifier: str, report: int, owner: int, size: tuple[int, int]) -> NoReturn:
    """Be the shim, from the fork on; never return."""
    from mydocker.runtime.bundle import Bundle
    from mydocker.runtime.containers import Containers

    status = 1
    try:
        report, owner = _leave(report, owner)
        containers, bundle = Containers(directory), Bundle(directory, identifier)
        with containers.at_post(bundle):
            _keep(bundle, report, owner, size)
        status = 0
    except MydockerError as err:
        _report(report, marshal.dumps((type(err).__name__, err.what, err.why, err.hint)))
    except BaseException as err:
        _report(
            report, marshal.dumps(("RuntimeFailure", "the container's shim failed", f"{type(err).__name__}: {err}", ""))
        )
    finally:
        os._exit(status)


def _leave(report: int, owner: int) -> tuple[int, int]:
    """Leave the starter's session, terminal, folder and descriptors."""
    if os.getsid(0) != os.getpid():
        os.setsid()
    os.chdir("/")
    os.umask(0o022)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    null = os.open("/dev/null", os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    kept = []
    for target, descriptor in ((100, report), (101, owner)):
        kept.append(os.dup2(descriptor, target, inheritable=False) if descriptor >= 0 else -1)
    for target, descriptor in ((3, kept[0]), (4, kept[1])):
        if descriptor >= 0:
            os.dup2(descriptor, target, inheritable=False)
    process.close_from(5 if kept[1] >= 0 else 4)
    process.set_name("mydocker-shim")
    return 3, 4 if kept[1] >= 0 else -1


def _report(descriptor: int, message: bytes) -> None:
    try:
        os.write(descriptor, message)
        # Not closed: the next file would get the number, and a later failure would be written into it.
        os.dup2(1, descriptor, inheritable=False)
    except OSError:
        return  # the starter was killed


def _keep(bundle: Bundle, report: int, owner: int, size: tuple[int, int]) -> None:
    """Run the container, again and again where its policy says so."""
    import _socket

    container = bundle.read()
    connection = _socket.socket(fileno=owner) if owner >= 0 else None
    bundle.write_state(container.state._replace(manual=False, restarts=0))
    delay = _FIRST_DELAY
    first = True
    while True:
        container = bundle.read()
        kept = Keeper(bundle, container, Service(bundle, connection if first else None))
        began = time.monotonic()
        try:
            carrier = kept.start(size)
        except MydockerError as err:
            kept.fail(err)
            if first:
                raise
        else:
            if first:
                _report(report, b"+")
                first = False
            if container.health.command:
                from mydocker.runtime.health import Check

                carrier.timers.append(Check(bundle, container.health))
            kept.run()
        finally:
            kept.close()
        delay = _FIRST_DELAY if time.monotonic() - began >= _STABLE else min(delay * 2, _LONGEST_DELAY)
        if not _restarts(bundle) or not _pause(bundle, delay):
            return


def _restarts(bundle: Bundle) -> bool:
    """Tell whether the policy wants another run."""
    container = bundle.read()
    policy, state = container.restart, container.state
    if state.manual or policy.policy == "no":
        return False
    if policy.policy == "on-failure":
        return state.exit_status != 0 and (policy.most == 0 or state.restarts < policy.most)
    return True


def _pause(bundle: Bundle, delay: float) -> bool:
    """Wait before the next run; False when somebody stopped the container meanwhile."""
    state = bundle.read_state()
    bundle.write_state(state._replace(status=RESTARTING, restarts=state.restarts + 1))
    end = time.monotonic() + delay
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, _STEP))
        if bundle.read_state().manual:
            break
    with bundle.changing():
        state = bundle.read_state()
        if state.manual:
            bundle.write_state(state._replace(status=EXITED))
        return not state.manual


def describe(container: Container) -> str:
    """Return a restart policy as docker writes it: `on-failure:3`."""
    return (
        f"{container.restart.policy}:{container.restart.most}" if container.restart.most else container.restart.policy
    )
