"""The build cache: one SQLite file that tells, for a step's key, which layer the step gave.

Contract. An entry is written after its layer is durable in the store, in one transaction; so a key that is found names
a result that was once complete (whether its layer is still there is the caller's to check: a prune may have taken it).
Any number of processes and threads may use the file at once. Losing it costs time, never correctness: a damaged file is
set aside and begun anew.

`slots` remember which key a place (this Dockerfile's stage and step) had the last time: the ground of every
explanation. `files` remember the hash of a file as long as its inode, size and times stay the same.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
import zlib
from typing import TYPE_CHECKING, NamedTuple

from mydocker.image.digest import DiffID, Digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TABLES = """
create table if not exists results (
    key text primary key, diff_id text not null, digest text not null, size integer not null, seconds real not null,
    finished real not null, parts blob not null
) without rowid;
create table if not exists slots (slot text primary key, key text not null) without rowid;
create table if not exists files (
    file text primary key, size integer, mtime integer, ctime integer, sha256 text not null
) without rowid;
create table if not exists selections (
    selection text primary key, digest text not null, parts blob not null
) without rowid;
"""
# A writer waits this long for another one; each holds the file for milliseconds.
_BUSY_SECONDS = 60
# A file changed so shortly before it was hashed may change again within the same tick of its time stamp.
_RACY_NANOSECONDS = 2_000_000_000


Parts = tuple[tuple[str, str], ...]


class Result(NamedTuple):
    """What a step gave: its layer's diff ID, blob digest and size, the seconds it took, and the parts of its key."""

    diff_id: DiffID
    digest: Digest
    size: int
    seconds: float
    parts: Parts


class FileStamp(NamedTuple):
    """What must stay the same for a file's hash to be believed without reading it again.

    `file` is "device:inode" as text (an inode number can be too large for SQLite's integers); times in nanoseconds.
    """

    file: str
    size: int
    mtime: int
    ctime: int

    @classmethod
    def of(cls, status: os.stat_result) -> FileStamp:
        """Return the stamp of a stat result."""
        return cls(f"{status.st_dev}:{status.st_ino}", status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class Cache:
    """The cache in the file `path`; open it with `with`. May be used from several threads."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._database = self._open()
        self._known_files: dict[FileStamp, str] = {}
        self._new_files: dict[FileStamp, str] = {}

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and os.path.exists(self._path) and _is_sound(self._path):
                raise
            os.replace(self._path, f"{self._path}.damaged")
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, check_same_thread=False, isolation_level=None)
        database.execute("pragma journal_mode=wal")
        # A lost transaction costs a step's time, a torn file would cost all: WAL with normal sync gives just that.
        database.execute("pragma synchronous=normal")
        database.executescript(_TABLES)
        return database

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what is pending and close the file."""
        with self._lock:
            self._write_files()
            self._database.close()

    def get(self, key: str) -> Result | None:
        """Return what the step with `key` gave, or None."""
        with self._lock:
            query = "select diff_id, digest, size, seconds, parts from results where key=?"
            row = self._database.execute(query, (key,)).fetchone()
        if row is None:
            return None
        return Result(DiffID.parse(row[0]), Digest.parse(row[1]), row[2], row[3], _unpack(row[4]))

    def put(self, key: str, result: Result) -> None:
        """Remember that the step with `key` gave `result`."""
        row = (key, *result[:4], time.time(), _pack(result.parts))
        with self._lock:
            self._database.execute("insert or replace into results values (?, ?, ?, ?, ?, ?, ?)", row)

    def last_parts(self, slot: str) -> Parts | None:
        """Return the key parts that the step at `slot` had when it was last run or found."""
        query = "select parts from slots join results using (key) where slot=?"
        with self._lock:
            row = self._database.execute(query, (slot,)).fetchone()
        return _unpack(row[0]) if row else None

    def remember_slots(self, keys: Iterable[tuple[str, str]]) -> None:
        """Remember the key of each slot, as (slot, key) pairs."""
        with self._lock:
            self._database.execute("begin immediate")
            self._database.executemany("insert or replace into slots values (?, ?)", list(keys))
            self._database.execute("commit")

    def selection(self, name: str) -> tuple[str, Parts] | None:
        """Return the content digest and key parts of a selection of files from an immutable tree, or None."""
        with self._lock:
            row = self._database.execute("select digest, parts from selections where selection=?", (name,)).fetchone()
        return (row[0], _unpack(row[1])) if row else None

    def put_selection(self, name: str, digest: str, parts: Parts) -> None:
        """Remember a selection's digest."""
        with self._lock:
            self._database.execute("insert or replace into selections values (?, ?, ?)", (name, digest, _pack(parts)))

    def file_hash(self, stamp: FileStamp) -> str | None:
        """Return the SHA-256 (hex) of the file with `stamp`, when it was hashed before and has not changed since."""
        with self._lock:
            if not self._known_files:
                self._known_files = dict(self._read_files())
            return self._known_files.get(stamp)

    def put_file_hash(self, stamp: FileStamp, sha256: str) -> None:
        """Remember a file's hash, unless the file is so young that a change might not show in its times."""
        if time.time_ns() - max(stamp.mtime, stamp.ctime) < _RACY_NANOSECONDS:
            return
        with self._lock:
            self._known_files[stamp] = sha256
            self._new_files[stamp] = sha256

    def _read_files(self) -> Iterator[tuple[FileStamp, str]]:
        for row in self._database.execute("select file, size, mtime, ctime, sha256 from files"):
            yield FileStamp(*row[:4]), row[4]

    def _write_files(self) -> None:
        if self._new_files:
            rows = [(*stamp, sha256) for stamp, sha256 in self._new_files.items()]
            self._database.execute("begin immediate")
            self._database.executemany("insert or replace into files values (?, ?, ?, ?, ?)", rows)
            self._database.execute("commit")
            self._new_files = {}

    def count(self) -> int:
        """Return how many results are remembered."""
        with self._lock:
            return int(self._database.execute("select count(*) from results").fetchone()[0])

    def clear(self) -> int:
        """Forget everything; return how many results there were."""
        with self._lock:
            count = self.count()
            for table in ("results", "slots", "files", "selections"):
                self._database.execute(f"delete from {table}")
            self._known_files = self._new_files = {}
        return count

    def names(self) -> set[str]:
        """Return the diff IDs and blob digests that results name: what a collector keeps for the cache's sake."""
        with self._lock:
            return {name for row in self._database.execute("select diff_id, digest from results") for name in row}


def _pack(parts: Parts) -> bytes:
    # A COPY of ten thousand files has as many parts: they are read only to explain a miss, so they are kept small.
    return zlib.compress(json.dumps(parts).encode(), 1)


def _unpack(packed: bytes) -> Parts:
    return tuple((name, value) for name, value in json.loads(zlib.decompress(packed)))


def _is_sound(path: str) -> bool:
    """Tell whether a file that could not be opened looks like a database: then the fault is a lock or the disk."""
    with open(path, "rb") as file:
        return file.read(16) in (b"", b"SQLite format 3\0")
