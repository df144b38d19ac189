"""The folder of a network, below ROOT/networks: its files, its lock, what is atomic.

networks/
  NAME/             0700
    network.json    the facts; synced: a network that was reported made is there
    leases.json     who has which address; replaced by rename, so that a reader sees one whole version
    lock            held for the moment of a change, and while links are made or removed
  lock              held while a network is created or removed
  host.json host.lock    settings of the host that were switched on for networks, as they were before
  .new-NAME .gone-NAME   being made, being removed; remains are cleared by the next who creates or removes
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager

from mydocker.errors import NotFound, StoreError, UsageError
from mydocker.network.definition import Definition, is_name
from mydocker.network.leases import Leases
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class Folder(NamedTuple):
    """The folder of the network `name` below `top`."""

    top: str
    name: str

    @property
    def path(self) -> str:
        """The folder itself."""
        return f"{self.top}/{self.name}"

    def read(self) -> Definition:
        """Return the network. Raise NotFound or StoreError."""
        if is_name(self.name):
            path = f"{self.path}/network.json"
            try:
                return Definition.decode(read_json(path))
            except (FileNotFoundError, NotADirectoryError):
                pass
            except (KeyError, TypeError, UsageError) as err:
                raise _damaged(path, err) from err
        raise NotFound(f"no such network: {self.name}", hint="`mydocker network ls` lists all networks")

    def read_leases(self) -> Leases:
        """Return the leases as they are now; none for a network that has just been removed."""
        try:
            return Leases.decode(read_json(f"{self.path}/leases.json"))
        except FileNotFoundError:
            return Leases()
        except (KeyError, TypeError) as err:
            raise _damaged(f"{self.path}/leases.json", err) from err

    def write_leases(self, leases: Leases) -> None:
        """Replace the leases. Not synced: after a loss of power no container runs, so nobody has an address."""
        write_json(f"{self.path}/leases.json", leases.encode())

    @contextmanager
    def changing(self) -> Iterator[Definition]:
        """Hold the network's lock; yield the network. Raise NotFound when it is not there, or went meanwhile."""
        while True:
            definition = self.read()
            try:
                descriptor = os.open(f"{self.path}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if not _same(descriptor, f"{self.path}/lock"):
                    continue  # removed, or removed and made again, while we waited
                yield definition
                return
            finally:
                os.close(descriptor)


def _same(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


@contextmanager
def locked(path: str) -> Iterator[None]:
    """Hold the lock on a file that is never removed."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def folders(top: str) -> list[Folder]:
    """Return the folders of all networks, by name."""
    try:
        names = sorted(os.listdir(top))
    except FileNotFoundError:
        return []
    return [Folder(top, name) for name in names if os.path.exists(f"{top}/{name}/network.json") and is_name(name)]


def write_json(path: str, value: object, *, durable: bool = False) -> None:
    """Replace the file `path` by `value` as JSON; with `durable`, it also survives a loss of power."""
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "w", encoding="utf-8", opener=_private) as file:
        file.write(json.dumps(value, separators=(",", ":")))
        if durable:
            file.flush()
            os.fsync(file.fileno())
    os.rename(temporary, path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def read_json(path: str) -> Any:
    """Return what the file holds. Raise FileNotFoundError, or StoreError when it is damaged."""
    with open(path, "rb") as file:
        content = file.read()
    try:
        return json.loads(content)
    except ValueError as err:
        raise _damaged(path, err) from err


def _damaged(path: str, err: Exception) -> StoreError:
    return StoreError(f"cannot read {path}", f"damaged: {err!r}", "remove its folder, and create the network again")
