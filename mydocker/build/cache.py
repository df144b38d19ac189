"""The build cache: one SQLite file that tells, for a step's key, which layer the step gave.

Contract. An entry is written after its layer is durable in the store, in one transaction; so a key that is found names
a result that was once complete (whether its layer is still there is the caller's to check: a prune may have taken it).
Any number of processes and threads may use the file at once. Losing it costs time, never correctness: a damaged file is
set aside and begun anew.

`slots` remember which key a place (this Dockerfile's stage and step) had the last time: the ground of every
explanation. `files` remember the hash of a file as long as its inode, size and times stay the same. `selections`
remember what a step took from a tree: the digest of it, which is a part of the step's key; what it was seen by (a
fingerprint, or the name of a tree that cannot change), so that it need not be looked at again; and its files one by
one, so that an explanation can name them.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
import zlib
from contextlib import contextmanager

from mydocker.errors import StoreError
from mydocker.image.digest import DiffID, Digest
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Raise it when the tables change: what another version left is begun anew.
_VERSION = 2
_TABLES = """
create table results (
    key text primary key, diff_id text not null, digest text not null, size integer not null, seconds real not null,
    finished real not null, parts blob not null
) without rowid;
create table slots (slot text primary key, key text not null) without rowid;
create table files (
    file text primary key, size integer, mtime integer, ctime integer, sha256 text not null
) without rowid;
create table selections (
    selection text not null, digest text not null, seen text not null, looked integer not null, files blob not null,
    primary key (selection, digest)
) without rowid;
create index contents on selections (digest);
"""
# A writer waits this long for another one; each holds the file for milliseconds.
_BUSY_SECONDS = 60
# A file changed so shortly before it was hashed may change again within the same tick of its time stamp.
RACY_NANOSECONDS = 2_000_000_000
# So many versions of a selection are kept for explanations: a file list is large, and the last ones are asked for.
_MOST_VERSIONS = 4
# Rows are written in heaps, so that a large context does not wait in memory; far more of them than live files are dead.
_HEAP = 5000
_MOST_FILES = 1_000_000

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


class Cache:
    """The cache in the file `path`; open it with `with`. May be used from several threads."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._database = self._open()
        self._new_files: list[tuple[FileStamp, str]] = []

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and _is_sound(self._path):
                raise _refusal(self._path, error) from error
            os.replace(self._path, f"{self._path}.damaged")
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, check_same_thread=False, isolation_level=None)
        database.execute("pragma journal_mode=wal")
        # A lost transaction costs a step's time, a torn file would cost all: WAL with normal sync gives just that.
        database.execute("pragma synchronous=normal")
        if database.execute("pragma user_version").fetchone()[0] != _VERSION:
            _begin_anew(database)
        return database

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what is pending and close the file."""
        with self._guarded():
            try:
                self._write_files()
            finally:
                self._database.close()

    def get(self, key: str) -> Result | None:
        """Return what the step with `key` gave, or None."""
        with self._guarded():
            query = "select diff_id, digest, size, seconds, parts from results where key=?"
            row = self._database.execute(query, (key,)).fetchone()
        if row is None:
            return None
        return Result(DiffID.parse(row[0]), Digest.parse(row[1]), row[2], row[3], _unpack(row[4]))

    def put(self, key: str, result: Result) -> None:
        """Remember that the step with `key` gave `result`."""
        row = (key, *result[:4], time.time(), _pack(result.parts))
        with self._guarded():
            self._database.execute("insert or replace into results values (?, ?, ?, ?, ?, ?, ?)", row)

    def last_parts(self, slot: str) -> Parts | None:
        """Return the key parts that the step at `slot` had when it was last run or found."""
        query = "select parts from slots join results using (key) where slot=?"
        with self._guarded():
            row = self._database.execute(query, (slot,)).fetchone()
        return _unpack(row[0]) if row else None

    def remember_slots(self, keys: Iterable[tuple[str, str]]) -> None:
        """Remember the key of each slot, as (slot, key) pairs. Where nothing is new, nothing is written."""
        query = (
            "insert into slots values (?, ?) on conflict (slot) do update set key=excluded.key where key<>excluded.key"
        )
        with self._transaction():
            self._database.executemany(query, list(keys))

    def selection(self, name: str, seen: str) -> str | None:
        """Return the digest of the selection `name` when it was last seen by `seen`, or None."""
        query = "select digest from selections where selection=? and seen=?"
        with self._guarded():
            row = self._database.execute(query, (name, seen)).fetchone()
        return row[0] if row else None

    def put_selection(self, name: str, seen: str, digest: str, files: Parts) -> None:
        """Remember a selection's digest and files; `seen` is empty for one that has to be looked at again."""
        # Numbered, as clocks may go back.
        new = (
            "insert or replace into selections values (?1, ?2, ?3, "
            "(select coalesce(max(looked), 0) + 1 from selections where selection=?1), ?4)"
        )
        old = (
            "delete from selections where selection=?1 and digest not in "
            "(select digest from selections where selection=?1 order by looked desc limit ?2)"
        )
        with self._transaction():
            self._database.execute(new, (name, digest, seen, _pack(files)))
            self._database.execute(old, (name, _MOST_VERSIONS))

    def selected_files(self, digest: str) -> Parts:
        """Return the files of a selection with this digest, each with a digest of its own; empty when not known."""
        with self._guarded():
            row = self._database.execute("select files from selections where digest=? limit 1", (digest,)).fetchone()
        return _unpack(row[0]) if row else ()

    def file_hash(self, stamp: FileStamp) -> str | None:
        """Return the SHA-256 (hex) of the file with `stamp`, when it was hashed before and has not changed since."""
        query = "select sha256 from files where file=? and size=? and mtime=? and ctime=?"
        with self._guarded():
            row = self._database.execute(query, stamp).fetchone()
        return row[0] if row else None

    def put_file_hash(self, stamp: FileStamp, sha256: str, read_at: int) -> None:
        """Remember the hash of a file whose reading began at `read_at` (nanoseconds since 1970).

        One that was so young then that a later change might not show in its times is not remembered.
        """
        if read_at - max(stamp.mtime, stamp.ctime) < RACY_NANOSECONDS:
            return
        with self._guarded():
            self._new_files.append((stamp, sha256))
            if len(self._new_files) >= _HEAP:
                self._write_files()

    def _write_files(self) -> None:
        if not self._new_files:
            return
        rows = [(*stamp, sha256) for stamp, sha256 in self._new_files]
        with self._transaction():
            if self._database.execute("select count(*) from files").fetchone()[0] > _MOST_FILES:
                self._database.execute("delete from files")
            self._database.executemany("insert or replace into files values (?, ?, ?, ?, ?)", rows)
        self._new_files.clear()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Keep other threads out, and say in our words what the database would not do."""
        with self._lock:
            try:
                yield
            except sqlite3.Error as failed:
                raise _refusal(self._path, failed) from failed

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._guarded():
            self._database.execute("begin immediate")
            try:
                yield
                self._database.execute("commit")
            except BaseException:
                if self._database.in_transaction:  # a full disk ends it by itself
                    self._database.execute("rollback")
                raise

    def count(self) -> int:
        """Return how many results are remembered."""
        with self._guarded():
            return int(self._database.execute("select count(*) from results").fetchone()[0])

    def clear(self) -> int:
        """Forget everything; return how many results there were."""
        with self._guarded():
            count = self.count()
            for table in ("results", "slots", "files", "selections"):
                self._database.execute(f"delete from {table}")
            self._new_files.clear()
        return count

    def names(self) -> set[str]:
        """Return the diff IDs and blob digests that results name: what a collector keeps for the cache's sake."""
        with self._guarded():
            return {name for row in self._database.execute("select diff_id, digest from results") for name in row}


def _begin_anew(database: sqlite3.Connection) -> None:
    database.execute("begin immediate")
    if database.execute("pragma user_version").fetchone()[0] != _VERSION:  # another process may have been faster
        for (name,) in database.execute("select name from sqlite_master where type='table'").fetchall():
            database.execute(f"drop table {name}")
        for statement in _TABLES.split(";"):
            database.execute(statement)
        database.execute(f"pragma user_version={_VERSION}")
    database.execute("commit")


def _pack(parts: Parts) -> bytes:
    # A COPY of ten thousand files lists as many: they are read only to explain a miss, so they are kept small.
    return zlib.compress(json.dumps(parts).encode(), 1)


def _unpack(packed: bytes) -> Parts:
    return tuple((name, value) for name, value in json.loads(zlib.decompress(packed)))


def _refusal(path: str, failed: sqlite3.Error) -> StoreError:
    hint = "free some space (`mydocker df`, `mydocker prune`)" if "full" in str(failed) else ""
    return StoreError(f"use the build cache {path}", str(failed), hint)


def _is_sound(path: str) -> bool:
    """Tell whether what could not be opened looks like a database or is not there: the fault is a lock or the disk."""
    if not os.path.exists(path):
        return True
    with open(path, "rb") as file:
        return file.read(16) in (b"", b"SQLite format 3\0")
