"""Layout: every path of the store, in one place. Nobody else computes one.

ROOT is itself an OCI image layout (image-spec, image-layout.md), so other tools read it in place. Everything unfinished
lives in `tmp/`, in workspaces whose owner holds a lock: what has no living owner is removed by the next `open`.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager

from mydocker.errors import StoreError
from mydocker.image.locks import locked, try_lock
from mydocker.linux import files
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Self

    from mydocker.image.digest import ChainID, DiffID, Digest

_LAYOUT_FILE = b'{"imageLayoutVersion":"1.0.0"}\n'
_LOCK_SUFFIX = ".lock"


def default_root(environ: Mapping[str, str], uid: int) -> str:
    """Return where the store of user `uid` is: $MYDOCKER_ROOT, root's /var/lib/mydocker, or below $XDG_DATA_HOME."""
    if chosen := environ.get("MYDOCKER_ROOT"):
        return os.path.abspath(chosen)
    if uid == 0:
        return "/var/lib/mydocker"
    data = environ.get("XDG_DATA_HOME") or os.path.join(environ.get("HOME", "/"), ".local/share")
    return os.path.join(os.path.abspath(data), "mydocker")


class Layout(NamedTuple):
    """The paths of a store. `open` makes and checks it; the constructor only names it."""

    root: str

    @classmethod
    def open(cls, root: str) -> Self:
        """Return the layout of the store at `root`, made if missing (0700), remains of dead processes removed.

        Raises `StoreError` where there is something else than a store, or one that cannot be written.
        """
        layout = cls(os.path.abspath(root))
        try:
            if not os.path.exists(layout.marker):
                layout._create()
            layout._check()
            layout._sweep()
        except OSError as failed:
            raise store_error(f"open the store at {layout.root}", failed) from failed
        return layout

    @property
    def marker(self) -> str:
        """The `oci-layout` file."""
        return self.root + "/oci-layout"

    @property
    def index_file(self) -> str:
        """`index.json`: which images there are; written last."""
        return self.root + "/index.json"

    @property
    def blobs(self) -> str:
        """The directory of all blobs, named by the hex digits of their digests."""
        return self.root + "/blobs/sha256"

    @property
    def snapshots(self) -> str:
        """The directory of unpacked layers."""
        return self.root + "/snapshots"

    @property
    def unsynced(self) -> str:
        """One empty file per snapshot that may not be on the disk yet; see `snapshots`."""
        return self.root + "/unsynced"

    @property
    def tmp(self) -> str:
        """Everything unfinished."""
        return self.root + "/tmp"

    @property
    def cache(self) -> str:
        """The build cache's database."""
        return self.root + "/cache.sqlite"

    @property
    def cache_mounts(self) -> str:
        """What `RUN --mount=type=cache` keeps between builds."""
        return self.root + "/cache-mounts"

    @property
    def parsed(self) -> str:
        """Dockerfiles that were parsed before, by the hash of their text."""
        return self.root + "/parsed"

    @property
    def failures(self) -> str:
        """What is kept of failed build steps."""
        return self.root + "/failures"

    @property
    def containers(self) -> str:
        """One directory per container."""
        return self.root + "/containers"

    @property
    def networks(self) -> str:
        """What the networks are and who is in them."""
        return self.root + "/networks"

    def blob(self, digest: Digest) -> str:
        """Where the blob of this digest is, or would be."""
        return f"{self.blobs}/{digest.hex}"

    def snapshot(self, key: DiffID | ChainID) -> str:
        """Where the snapshot of this key is, or would be."""
        return f"{self.snapshots}/{key.hex}"

    def lock(self, name: str) -> str:
        """The lock file of this name: `index`, `contents`, `unpack-<hex>`."""
        return f"{self.root}/locks/{name}"

    @contextmanager
    def workspace(self, purpose: str) -> Iterator[str]:
        """Make an empty directory below `tmp` and give its path; it is removed at the end of the block.

        Its owner holds a lock while it lives, so that a killed owner's workspace is told from a living one's.
        """
        fd, path = self._claim(purpose)
        try:
            os.mkdir(path, 0o700)
            yield path
        except OSError as failed:
            if failed.errno in (errno.ENOSPC, errno.EDQUOT):
                raise store_error(f"{purpose} in {self.root}", failed) from failed
            raise
        finally:
            _remove(path)
            os.unlink(path + _LOCK_SUFFIX)
            os.close(fd)

    def has_workspaces(self, purpose: str) -> bool:
        """Tell whether there are workspaces of this purpose, their owners living or not; False without a store."""
        try:
            return any(name.startswith(f"{purpose}-") for name in os.listdir(self.tmp))
        except FileNotFoundError:
            return False

    def _claim(self, purpose: str) -> tuple[int, str]:
        """Make and lock the lock file of a new workspace. A sweeper may win the race for it: then make another."""
        while True:
            path = f"{self.tmp}/{purpose}-{os.urandom(6).hex()}"
            fd = os.open(path + _LOCK_SUFFIX, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            if try_lock(fd) and os.fstat(fd).st_nlink:
                return fd, path
            os.close(fd)

    def _create(self) -> None:
        if os.path.isdir(self.root) and (set(os.listdir(self.root)) - _DIRECTORIES - {"index.json"}):
            raise StoreError(
                f"open the store at {self.root}",
                "the directory is not empty and has no oci-layout file",
                "choose an empty directory with --root or MYDOCKER_ROOT",
            )
        os.makedirs(self.root, 0o700, exist_ok=True)
        os.chmod(self.root, 0o700)
        for name in sorted(_DIRECTORIES):
            os.makedirs(f"{self.root}/{name}", 0o700, exist_ok=True)
        os.makedirs(self.blobs, 0o700, exist_ok=True)
        tmp = os.open(self.tmp, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            files.spread(tmp)  # snapshots are made here, and many may have been removed a moment ago
        finally:
            os.close(tmp)
        with locked(self.lock("index")):
            if not os.path.exists(self.index_file):
                self.write_atomically(self.index_file, b'{"manifests":[],"schemaVersion":2}\n')
        self.write_atomically(self.marker, _LAYOUT_FILE)

    def write_atomically(self, path: str, data: bytes) -> None:
        """Replace the file `path` of this store: temporary, sync, rename, sync of the directory."""
        with self.workspace(os.path.basename(path)) as unfinished:
            fd = os.open(unfinished + "/file", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(fd, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(fd)
            os.rename(unfinished + "/file", path)
        sync_directory(os.path.dirname(path))

    def _check(self) -> None:
        with open(self.marker, "rb") as file:
            text = file.read(4096)
        if text != _LAYOUT_FILE:
            _check_foreign_marker(self.root, text)
        facts = os.stat(self.root)
        if facts.st_mode & 0o077 and facts.st_uid == os.geteuid():
            os.chmod(self.root, 0o700)

    def _sweep(self) -> None:
        for name in os.listdir(self.tmp):
            if name.endswith(_LOCK_SUFFIX):
                _clear(f"{self.tmp}/{name}", self.tmp + "/" + name.removesuffix(_LOCK_SUFFIX))
            elif not os.path.lexists(f"{self.tmp}/{name}{_LOCK_SUFFIX}"):
                _remove(f"{self.tmp}/{name}")
        if os.listdir(self.unsynced):
            from mydocker.image.snapshots import settle

            settle(self)


_DIRECTORIES = frozenset({"blobs", "snapshots", "unsynced", "tmp", "containers", "networks", "locks"})


def _clear(lock: str, workspace: str) -> None:
    """Remove a workspace and its lock file unless the owner lives."""
    try:
        fd = os.open(lock, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        # A lock file without links is a new one's that another sweeper has just removed, or a finished one's.
        if try_lock(fd) and os.fstat(fd).st_nlink:
            _remove(workspace)
            _remove(lock)
    finally:
        os.close(fd)


def _remove(path: str) -> None:
    parent, _, name = path.rpartition("/")
    fd = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        files.remove_tree(fd, os.fsencode(name))
    finally:
        os.close(fd)


def _check_foreign_marker(root: str, text: bytes) -> None:
    import json

    try:
        version = json.loads(text)["imageLayoutVersion"]
    except (ValueError, KeyError, TypeError) as failed:
        raise StoreError(f"open the store at {root}", "its oci-layout file is damaged") from failed
    if not isinstance(version, str) or version.partition(".")[0] != "1":
        raise StoreError(f"open the store at {root}", f"it has OCI layout version {version}, known is 1.0.0")


def sync_directory(path: str) -> None:
    """Make renames in this directory last through a power cut."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def store_error(what: str, failed: OSError) -> StoreError:
    """Say in our words what the disk would not do."""
    hint = ""
    if failed.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = "free some space (`mydocker df`, `mydocker prune`) or choose another place with --root"
    elif failed.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        hint = "choose another place with --root or MYDOCKER_ROOT"
    where = f" ({failed.filename})" if isinstance(failed.filename, str) else ""
    return StoreError(what, os.strerror(failed.errno or 0).lower() + where, hint)
