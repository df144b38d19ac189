"""Starting the forwarding service when a command needs it, and finding out that one is needed.

The service is a fresh interpreter without site packages (its size counts), in a session of its own: it belongs to the
store, not to the command that happened to start it.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time

from mydocker.errors import MydockerError, NetworkError
from mydocker.linux import process
from mydocker.network.portmap.control import ask, connect
from mydocker.network.portmap.mappings import Folder
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    import _socket
    from types import FrameType
    from typing import Any, NoReturn

_BOOT = (
    "import sys; sys.path[:0] = [{path!r}]; from mydocker.network.portmap import starting;"
    " starting.main({directory!r}, {report}, {forever})"
)
_PATIENCE = 15.0
_ATTEMPTS = 5
_PAUSE = 0.01
READY, TAKEN = b"+", b"="


def call(folder: Folder, message: dict[str, Any]) -> Any:
    """Send a request to the service, which is started if it is not running. Raise what it raises."""
    for _ in range(_ATTEMPTS):
        client = reach(folder)
        try:
            return ask(client, message)
        except ConnectionError:  # it was ending just then
            continue
        finally:
            client.close()
    raise NetworkError("the forwarding service ended without an answer", "", _log_hint(folder))


def reach(folder: Folder) -> _socket.socket:
    """Return a connection to the service, which is started if it is not running. Raise NetworkError."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return connect(folder)
        except (FileNotFoundError, ConnectionError):
            if time.monotonic() > deadline:
                raise NetworkError("the forwarding service does not answer", "", _log_hint(folder)) from None
        start(folder)


def start(folder: Folder, *, forever: bool = False) -> bool:
    """Start the service and return when it forwards what is remembered; False where one was running (or ending).

    With `forever` it also waits for mappings. Raise NetworkError when it cannot be started.
    """
    folder.make()
    read, write = os.pipe2(os.O_CLOEXEC)
    try:
        _spawn(folder, write, forever)
    finally:
        os.close(write)
    with os.fdopen(read, "rb") as file:
        report = file.read()
    if report == TAKEN:
        time.sleep(_PAUSE)
        return False
    if report != READY:
        why = report.decode(errors="replace") or "it was killed"
        raise NetworkError("cannot start the forwarding service", why, _log_hint(folder))
    return True


def _log_hint(folder: Folder) -> str:
    return f"see {folder.file('log')}"


def _spawn(folder: Folder, report: int, forever: bool) -> None:
    import mydocker

    path = os.path.dirname(os.path.dirname(os.path.abspath(mydocker.__file__)))
    code = _BOOT.format(path=path, directory=folder.path, report=report, forever=forever)
    log = (os.POSIX_SPAWN_OPEN, 2, folder.file("log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = [(os.POSIX_SPAWN_OPEN, stream, "/dev/null", os.O_RDWR, 0) for stream in (0, 1)]
    actions = [*null, log, *process.handing_over(report)]
    words = [sys.executable, "-I", "-S", "-c", code]
    pid = os.posix_spawn(sys.executable, words, os.environ, file_actions=actions, setsid=True)
    os.waitpid(pid, 0)  # it forks the service, which belongs to process 1 then, and ends


def mend(folder: Folder) -> bool:
    """Start the service again where it was killed; tell whether that was so. Cheap where nothing is forwarded."""
    try:
        lock = os.open(folder.file("lock"), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        if not _take(lock):
            return False
    finally:
        os.close(lock)
    state = folder.read()
    return state.wants_service and start(folder, forever=state.forever)


def _take(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Ended(BaseException):
    """A signal asked the service to end."""


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Ended


def main(directory: str, report: int, forever: bool) -> NoReturn:
    """Be the service, from the start of its interpreter on."""
    if os.fork():
        os._exit(0)
    report = os.dup2(report, 3, inheritable=False)
    process.close_from(4)
    os.chdir("/")
    os.umask(0o077)
    process.set_name("mydocker-ports")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _end)
    status = 1
    try:
        status = _serve(Folder(directory), report, forever)
    except MydockerError as err:
        _tell(report, str(err).encode())
    finally:
        if status:
            import traceback

            traceback.print_exc()
        os._exit(status)


def _serve(folder: Folder, report: int, forever: bool) -> int:
    lock = os.open(folder.file("lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if not _take(lock):
        _tell(report, TAKEN)
        return 0
    os.truncate(folder.file("log"), 0)
    folder.clear()
    from mydocker.network.portmap.service import Service

    service = Service(folder, forever=forever)
    try:
        service.start()
        _tell(report, READY)
        service.run()
    except Ended:
        pass
    finally:
        service.close()
    return 0


def _tell(report: int, message: bytes) -> None:
    """Tell whoever started the service how that went, unless it has been killed meanwhile."""
    try:
        os.write(report, message)
        # /dev/null takes its place: no file may get a number that is told of a failure later on.
        os.dup2(1, report, inheritable=False)
    except OSError:
        return
