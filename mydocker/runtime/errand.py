"""What a process with threads must not do itself: fork and go on in Python. A fresh interpreter is sent to do it.

It has the caller's streams and environment, calls the one method of `Containers` that it is told, and reports the
result or the error. It ends with the caller: a container in the foreground does not outlive who started it.
"""

from __future__ import annotations

import marshal
import os
import signal
import sys
from contextlib import contextmanager

from mydocker import errors
from mydocker.errors import MydockerError, RuntimeFailure
from mydocker.linux import process
from mydocker.runtime import terminal
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, NoReturn

    from mydocker.runtime.containers import Containers

_BOOT = (
    "import sys; sys.path[:0] = [{path!r}]; from mydocker.runtime import errand; errand.main({asked}, {report}, {pid})"
)
_PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
# ^C and ^\\ of a terminal reach the interpreter as well, which is in the same group.
_LEFT_TO_IT = (signal.SIGINT, signal.SIGQUIT)


def run(
    containers: Containers,
    verb: str,
    arguments: tuple[Any, ...],
    streams: tuple[int | None, int, int] | None = None,
    **named: Any,
) -> int:
    """Call the method `verb` of containers elsewhere; return and raise what that does.

    The arguments are plain values; a tuple stands for `ExecOptions`. `streams` go as stdin (None: none), stdout and
    stderr, to a method that takes them.
    """
    given: tuple[int | None, int, int] = streams or (None, 1, 2)
    numbers = {} if streams is None else {"stdin": None if streams[0] is None else 0, "stdout": 1, "stderr": 2}

    asked = os.memfd_create("errand", os.MFD_CLOEXEC)
    report_read, report_write = os.pipe2(os.O_CLOEXEC)
    try:
        with os.fdopen(os.dup(asked), "wb") as file:
            marshal.dump((containers.directory, verb, arguments, {**named, **numbers}), file)
        pid = _spawn(asked, report_write, given)
    finally:
        os.close(asked)
        os.close(report_write)
    with os.fdopen(report_read, "rb") as file, _signals_to(pid):
        try:
            report = file.read()
        finally:
            _end(pid)
    if not report:
        raise RuntimeFailure("cannot run a container", "the process that kept it was killed")
    name, *rest = marshal.loads(report)
    if name == "":
        return int(rest[0])
    kind = getattr(errors, name, RuntimeFailure)
    made: MydockerError = kind(*rest)
    raise made


def _spawn(asked: int, report: int, streams: tuple[int | None, int, int]) -> int:
    import mydocker

    path = os.path.dirname(os.path.dirname(os.path.abspath(mydocker.__file__)))
    code = _BOOT.format(path=path, asked=asked, report=report, pid=os.getpid())
    # The three may be one another's places: out of the way first.
    copies = [os.open(os.devnull, os.O_RDONLY) if each is None else os.dup(each) for each in streams]
    actions = process.handing_over(asked, report)
    actions += [(os.POSIX_SPAWN_DUP2, copy, number) for number, copy in enumerate(copies)]
    try:
        return os.posix_spawn(
            sys.executable, [sys.executable, "-I", "-S", "-c", code], os.environ, file_actions=actions
        )
    finally:
        for copy in copies:
            os.close(copy)


def _end(pid: int) -> None:
    """Wait for the interpreter; it is done when it has reported, and killed when nobody listens any more."""
    ended, _ = os.waitpid(pid, os.WNOHANG)
    if not ended:
        if sys.exc_info()[0] is not None:
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@contextmanager
def _signals_to(pid: int) -> Iterator[None]:
    """Pass signals on to process `pid` meanwhile; only a main thread can, and only it gets them."""
    if not terminal.in_main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda got, _: os.kill(pid, got)) for number in _PASSED_ON}
    before |= {number: signal.signal(number, signal.SIG_IGN) for number in _LEFT_TO_IT}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main(asked: int, report: int, parent: int) -> NoReturn:
    """Be the interpreter that is sent; never return."""
    from mydocker.runtime.containers import Containers
    from mydocker.runtime.joining import ExecOptions

    status = 0
    try:
        os.set_inheritable(report, False)
        process.prctl(process.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        os.lseek(asked, 0, os.SEEK_SET)
        with os.fdopen(asked, "rb") as file:
            directory, verb, arguments, named = marshal.load(file)
        given = [ExecOptions(*each) if isinstance(each, tuple) else each for each in arguments]
        found = getattr(Containers(directory), verb)(*given, **named)
        answer: tuple[Any, ...] = ("", int(found or 0))
    except MydockerError as err:
        answer = (type(err).__name__, err.what, err.why, err.hint)
    except BaseException as err:
        answer = ("RuntimeFailure", "a container's keeper failed", f"{type(err).__name__}: {err}", "")
        status = 1
    os.write(report, marshal.dumps(answer))
    os._exit(status)
