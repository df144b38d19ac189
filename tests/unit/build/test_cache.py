"""The build cache's file: what was put in comes out, for several users at once, and damage costs time only."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from typing import TYPE_CHECKING

import pytest

from mydocker.build.cache import Cache, FileStamp, Result
from mydocker.image.digest import DiffID, Digest

if TYPE_CHECKING:
    from pathlib import Path

_RESULT = Result(DiffID("sha256:" + "1" * 64), Digest("sha256:" + "2" * 64), 10, 1.5, (("a", "1"), ("ü\udc80", "2")))


def _stamp(file: Path) -> FileStamp:
    facts = file.stat()
    return FileStamp(f"{facts.st_dev}:{facts.st_ino}", facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "cache.sqlite")


def test_a_result_is_found_by_its_key_in_another_process(path: str) -> None:
    with Cache(path) as cache:
        assert cache.get("k") is None
        cache.put("k", _RESULT)
    with Cache(path) as cache:
        assert cache.get("k") == _RESULT
        assert cache.names() == {_RESULT.diff_id, _RESULT.digest}


def test_a_slot_tells_the_parts_of_the_key_that_was_there_last(path: str) -> None:
    with Cache(path) as cache:
        cache.put("k", _RESULT)
        assert cache.last_parts("slot") is None
        cache.remember_slots([("slot", "k")])
        assert cache.last_parts("slot") == _RESULT.parts


def test_a_files_hash_is_believed_only_while_its_stamp_stays(path: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    old = time.time() - 100
    os.utime(file, (old, old))
    stamp = _stamp(file)._replace(ctime=int(old * 1e9))
    with Cache(path) as cache:
        cache.put_file_hash(stamp, "abc", time.time_ns())
    with Cache(path) as cache:
        assert cache.file_hash(stamp) == "abc"
        assert cache.file_hash(stamp._replace(size=2)) is None
        assert cache.file_hash(stamp._replace(mtime=1)) is None
        assert cache.file_hash(stamp._replace(ctime=1)) is None


def test_a_file_that_has_just_changed_is_not_remembered(path: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    stamp = _stamp(file)
    with Cache(path) as cache:
        cache.put_file_hash(stamp, "abc", time.time_ns())
    with Cache(path) as cache:
        assert cache.file_hash(stamp) is None


def test_a_selection_is_known_by_what_it_was_seen_by_and_names_its_files(path: str) -> None:
    files = (("file a", "1"), ("file \udc80", "2"))
    with Cache(path) as cache:
        cache.put_selection("s", "print", "digest", files)
        assert cache.selection("s", "print") == "digest"
        assert cache.selection("s", "another") is None
        assert cache.selection("t", "print") is None
        assert cache.selected_files("digest") == files
        assert cache.selected_files("forgotten") == ()


def test_the_last_versions_of_a_selection_are_kept(path: str) -> None:
    with Cache(path) as cache:
        for number in range(9):
            cache.put_selection("s", f"print {number}", f"digest {number}", ())
            cache.put_selection("other", "print", "digest", ())
        assert [number for number in range(9) if cache.selection("s", f"print {number}")] == [5, 6, 7, 8]
        assert cache.selection("other", "print") == "digest"


def test_a_file_of_another_version_is_begun_anew(path: str) -> None:
    with Cache(path) as cache:
        cache.put("k", _RESULT)
    with sqlite3.connect(path) as database:
        database.execute("pragma user_version=1")
    with Cache(path) as cache:
        assert cache.get("k") is None
        cache.put("k", _RESULT)
        assert cache.get("k") == _RESULT


def test_many_threads_and_two_connections_at_once(path: str) -> None:
    with Cache(path) as one, Cache(path) as other:

        def work(cache: Cache, name: str) -> None:
            for number in range(50):
                cache.put(f"{name}{number}", _RESULT)

        threads = [threading.Thread(target=work, args=(cache, f"{i}-")) for i, cache in enumerate([one, other] * 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(one.get(f"{i}-{number}") for i in range(6) for number in range(50))


def test_a_damaged_file_is_set_aside(path: str, tmp_path: Path) -> None:
    with open(path, "wb") as file:
        file.write(b"garbage" * 1000)
    with Cache(path) as cache:
        cache.put("k", _RESULT)
        assert cache.get("k") == _RESULT
    assert (tmp_path / "cache.sqlite.damaged").exists()
