"""What is known about a container: facts that are fixed when it is created, and its changing state.

Both are JSON files of the bundle, replaced by rename, so that a reader always sees one whole version.
"""

from __future__ import annotations

import errno
import json
import os
from contextlib import suppress

from mydocker.errors import StoreError
from mydocker.linux.files import write_all
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any


CREATED, RUNNING, PAUSED, RESTARTING, EXITED = "created", "running", "paused", "restarting", "exited"


class Restart(NamedTuple):
    """A restart policy: "no", "on-failure", "always" or "unless-stopped"; `most` restarts on failure (0: no limit)."""

    policy: str = "no"
    most: int = 0


class Health(NamedTuple):
    """A health check: the command (argv; none: no check), times in seconds, how many failures make it unhealthy."""

    command: tuple[str, ...] = ()
    interval: float = 30.0
    timeout: float = 30.0
    start_period: float = 0.0
    start_interval: float = 5.0
    retries: int = 3


class LogLimit(NamedTuple):
    """When the log is rotated: at `size` bytes (0: never), `files` of them are kept."""

    size: int = 0
    files: int = 1


class State(NamedTuple):
    """What changes: the status, the process and when it began (clock ticks since boot), how the last run ended.

    Times are seconds since the epoch, 0 for never. `manual` tells that somebody stopped it on purpose.
    """

    status: str = CREATED
    pid: int = 0
    ticks: int = 0
    started: float = 0.0
    finished: float = 0.0
    exit_status: int = 0
    error: str = ""
    oom_killed: bool = False
    restarts: int = 0
    manual: bool = False
    health: str = ""


class Container(NamedTuple):
    """One container.

    `lower` are the image's layers, topmost first; or `rootfs` is a directory used as it is. `mounts` and `ports` are
    for people to read; `volumes` are names that the container uses. Each of `attachments` is the name of a module and
    arguments for it: `attach(pid, bundle, *arguments)` is called before each run, in order (it may return a `Service`,
    see `mydocker.runtime.keeper`), and `detach(bundle, *arguments)` after it, in reverse, by whoever is there to clean
    up: networks and ports. `bundle` is the path of the container's folder. `disposable` are folders that go with the
    container when it removes itself.
    """

    id: str
    name: str
    image: str
    image_id: str
    command: tuple[str, ...]
    created: float
    lower: tuple[str, ...] = ()
    rootfs: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    mounts: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    disposable: tuple[str, ...] = ()
    ports: str = ""
    network: str = "none"
    attachments: tuple[tuple[str, ...], ...] = ()
    tty: bool = False
    interactive: bool = False
    auto_remove: bool = False
    stop_signal: int = 15
    stop_timeout: float = 10.0
    restart: Restart = Restart()
    health: Health = Health()
    log_limit: LogLimit = LogLimit()
    state: State = State()

    @property
    def short_id(self) -> str:
        """The first 12 digits, as shown to people."""
        return self.id[:12]

    @property
    def is_running(self) -> bool:
        """Whether a process exists (a paused one does)."""
        return self.state.status in (RUNNING, PAUSED)


_NESTED = {"restart": Restart, "health": Health, "log_limit": LogLimit}


def write_json(path: str, value: object, *, durable: bool = False) -> None:
    """Replace the file `path` by `value` as JSON; with `durable`, it also survives a loss of power.

    Where the disk is full a file that is there already is written over: how a container ended has to be kept, or it
    could not be removed, which is what would make room.
    """
    content = json.dumps(value, separators=(",", ":")).encode()
    temporary = f"{path}.{os.getpid()}"
    try:
        _write(temporary, content, os.O_CREAT | os.O_TRUNC, durable)
        os.rename(temporary, path)
    except OSError as err:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        if err.errno != errno.ENOSPC or not os.path.exists(path):
            raise
        # Not longer than its block, so nothing has to be found for it; JSON may end in blanks.
        _write(path, content.ljust(os.stat(path).st_size), 0, durable)


def _write(path: str, content: bytes, flags: int, durable: bool) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | flags, 0o600)
    try:
        write_all(descriptor, content)
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_json(path: str) -> Any:
    """Return what the file holds; raise FileNotFoundError, or StoreError when it is damaged."""
    with open(path, "rb") as file:
        content = file.read()
    try:
        return json.loads(content)
    except ValueError as err:
        raise StoreError(
            f"cannot read {path}", f"damaged: {err}", "`mydocker remove -f` removes the container"
        ) from err


def encode(container: Container) -> dict[str, Any]:
    """Return the fixed facts as JSON values; the state is kept apart."""
    facts = container._asdict()
    del facts["state"]
    for key in _NESTED:
        facts[key] = facts[key]._asdict()
    return facts


def decode(facts: dict[str, Any], state: dict[str, Any]) -> Container:
    """Return the container that `encode` and the state's fields describe; fields of newer versions are left out."""
    known = {key: _frozen(key, value) for key, value in facts.items() if key in Container._fields}
    return Container(**known, state=State(**{key: value for key, value in state.items() if key in State._fields}))


def _frozen(key: str, value: Any) -> Any:
    if key in _NESTED:
        made: Any = _NESTED[key]
        return made(**{name: _frozen("", field) for name, field in value.items() if name in made._fields})
    if isinstance(value, list):
        return tuple(tuple(entry) if isinstance(entry, list) else entry for entry in value)
    return value
