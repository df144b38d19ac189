"""The folder of one container, and of all of them: every path, the locks, what is atomic.

containers/
  ID/                 0700; config.json (runtime-spec), container.json (facts), state.json, log; locked itself for
                      the moment of a change
    upper work init   the overlay's directories
    stubs             mount points made in upper, to be taken away after the run
    hostname hosts resolv.conf
    attach            the shim's socket
  names/NAME          a link to ID: made by one system call, so a name belongs to one container
  kept/ID             locked by the process that keeps the container, as long as it lives: the kernel lets go for it;
                      one that is not locked belongs to a keeper that was killed, and there is something to be cleared
  .gone-ID            being removed
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import contextmanager, suppress

from mydocker.errors import StoreError
from mydocker.linux.files import remove_tree
from mydocker.runtime.cgroups.hierarchy import Cgroup, detect
from mydocker.runtime.record import Container, State, decode, encode, read_json, write_json
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


GONE = ".gone-"


class Bundle(NamedTuple):
    """The folder of one container; `top` is the folder of all."""

    top: str
    id: str

    @property
    def path(self) -> str:
        """The folder itself."""
        return f"{self.top}/{self.id}"

    def file(self, name: str) -> str:
        """Return the path of something in it."""
        return f"{self.top}/{self.id}/{name}"

    @property
    def post(self) -> str:
        """The file that the keeper holds locked: it tells that there is one, and where a killed one left something."""
        return f"{self.top}/kept/{self.id}"

    def make_top(self) -> None:
        """Make the folders that all bundles share."""
        os.makedirs(f"{self.top}/names", 0o700, exist_ok=True)
        os.makedirs(f"{self.top}/kept", 0o700, exist_ok=True)

    def make(self) -> None:
        """Make the folder and what an overlay needs; nobody but the owner may look into it (CVE-2021-41103)."""
        os.mkdir(self.path, 0o700)
        for name in ("upper", "work", "init"):
            os.mkdir(self.file(name), 0o755)

    def read(self) -> Container:
        """Return the container as it is recorded now."""
        return decode(read_json(self.file("container.json")), read_json(self.file("state.json")))

    def write(self, container: Container, *, durable: bool = False) -> None:
        """Replace facts and state."""
        write_json(self.file("state.json"), container.state._asdict(), durable=durable)
        write_json(self.file("container.json"), encode(container), durable=durable)

    def write_state(self, state: State, *, durable: bool = False) -> None:
        """Replace the state."""
        write_json(self.file("state.json"), state._asdict(), durable=durable)

    def read_state(self) -> State:
        """Return the state as recorded."""
        fields = read_json(self.file("state.json"))
        return State(**{key: value for key, value in fields.items() if key in State._fields})

    def document(self) -> dict[str, Any]:
        """Return the runtime-spec document."""
        found: dict[str, Any] = read_json(self.file("config.json"))
        return found

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the lock for a change of this container's state."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def keep(self) -> int | None:
        """Become the keeper: return a descriptor that holds the post until it is closed, None when it is taken."""
        while True:
            with suppress(FileExistsError):
                return self._new_post()
            with suppress(FileNotFoundError):  # its keeper has just left
                return self.inherit()

    def _new_post(self) -> int:
        """Make the post. It is locked before it can be seen: who asks for a keeper meanwhile must not be in the way."""
        try:
            descriptor = os.open(f"{self.top}/kept", os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600)
        except OSError as err:
            if err.errno not in (errno.EOPNOTSUPP, errno.EISDIR):
                raise
            # What can be the upper layer of an overlay has unnamed files; what has none could not run the container.
            hint = "is the store itself on an overlay? choose another place with --root"
            raise StoreError(f"cannot keep containers in {self.top}", "its file system will not do", hint) from err
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Python follows the link to the file only if a folder is given, here unused (open(2), O_TMPFILE).
            os.link(f"/proc/self/fd/{descriptor}", self.post, src_dir_fd=descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def inherit(self) -> int | None:
        """Take the post that a killed keeper left; None when a living one holds it.

        Raise FileNotFoundError when there is none.
        """
        descriptor = os.open(self.post, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), os.stat(self.post)):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except FileNotFoundError:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None  # a new keeper's already

    def is_kept(self) -> bool:
        """Tell whether a living process keeps this container."""
        try:
            descriptor = os.open(self.post, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def release(self, descriptor: int) -> None:
        """Leave the keeper's post after everything is in order."""
        with suppress(FileNotFoundError):
            os.unlink(self.post)
        os.close(descriptor)

    def remove(self) -> None:
        """Remove the folder: out of sight in one step, then piece by piece. For the keeper only."""
        gone = f"{GONE}{self.id}"
        with suppress(FileNotFoundError):
            os.rename(self.path, f"{self.top}/{gone}")
        folder = os.open(self.top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            remove_tree(folder, gone.encode())
        finally:
            os.close(folder)


def bundles(top: str) -> list[Bundle]:
    """Return all bundles below `top`, in no order."""
    try:
        names = os.listdir(top)
    except FileNotFoundError:
        return []
    return [Bundle(top, name) for name in names if len(name) == 64 and not name.startswith(".")]


def group_of(bundle: Bundle) -> Cgroup:
    """Return a container's control group."""
    return Cgroup(detect(), str(bundle.document()["linux"]["cgroupsPath"]).strip("/"))
