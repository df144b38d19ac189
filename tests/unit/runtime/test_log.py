"""A container's log: any bytes come back exactly, the end is found quickly, following survives rotations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mydocker.runtime import log

if TYPE_CHECKING:
    from pathlib import Path


def written(path: Path, pieces: list[tuple[int, bytes]], size: int = 0, files: int = 1) -> None:
    writer = log.Writer(str(path), size, files)
    for stream, data in pieces:
        writer.write(stream, data)
    writer.close()


def text(path: Path, stream: int = 1, **how: object) -> bytes:
    return b"".join(entry.data for entry in log.read(str(path), **how) if entry.stream == stream)  # type: ignore[arg-type]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(pieces=st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40)), max_size=12))
def test_any_bytes_come_back_stream_by_stream(tmp_path: Path, pieces: list[tuple[int, bytes]]) -> None:
    (tmp_path / "log").unlink(missing_ok=True)
    written(tmp_path / "log", pieces)
    for stream in (1, 2):
        assert text(tmp_path / "log", stream) == b"".join(data for number, data in pieces if number == stream)


def test_tail_counts_lines_of_output_over_parts_blocks_and_files(tmp_path: Path) -> None:
    pieces = [(1, b"line %d\n" % number) for number in range(5000)] + [(1, b"ha"), (1, b"lf\n"), (1, b"open")]
    written(tmp_path / "log", pieces, size=20_000, files=50)
    assert text(tmp_path / "log", tail=0) == b""
    assert text(tmp_path / "log", tail=1) == b"open"
    assert text(tmp_path / "log", tail=3) == b"line 4999\nhalf\nopen"
    whole = b"".join(data for _, data in pieces)
    assert text(tmp_path / "log", tail=4000).startswith(b"line 1002\n")
    assert text(tmp_path / "log", tail=10**6) == text(tmp_path / "log") == whole


def test_rotation_keeps_so_many_files_and_the_newest_lines(tmp_path: Path) -> None:
    written(tmp_path / "log", [(1, b"%04d\n" % number) for number in range(1000)], size=1000, files=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1", "log.2"]
    assert all(path.stat().st_size <= 1000 for path in tmp_path.iterdir())
    kept = text(tmp_path / "log").split()
    assert kept == [b"%04d" % number for number in range(1000 - len(kept), 1000)]


def test_since_and_until_are_moments(tmp_path: Path) -> None:
    path = tmp_path / "log"
    stamps = [log.stamp(second * 10**9) for second in (10, 20, 30)]
    path.write_bytes(b"".join(b"%b stdout F %d\n" % (stamp, number) for number, stamp in enumerate(stamps)))
    assert text(path, since=stamps[1]) == b"1\n2\n"
    assert text(path, until=stamps[1]) == b"0\n1\n"
    assert text(path, since=stamps[1], until=stamps[1]) == b"1\n"


def test_following_loses_nothing_however_many_rotations_lie_between_two_looks(tmp_path: Path) -> None:
    path = tmp_path / "log"
    writer = log.Writer(str(path), 400, 100)
    rounds = iter(range(20))
    wrote: list[bytes] = []

    def goes_on() -> bool:
        number = next(rounds, None)
        if number is None:
            return False
        for count in range(30):  # several files full at once
            wrote.append(b"%d-%d\n" % (number, count))
            writer.write(1, wrote[-1])
        return True

    seen = [entry.data for entry in log.read(str(path), follow=goes_on)]
    writer.close()
    assert seen == wrote


def test_following_goes_on_with_what_is_left_where_files_were_removed_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "log"
    writer = log.Writer(str(path), 400, 2)
    rounds = iter(range(5))
    wrote: list[bytes] = []

    def goes_on() -> bool:
        if next(rounds, None) is None:
            return False
        for _ in range(40):
            wrote.append(b"%d\n" % len(wrote))
            writer.write(1, wrote[-1])
        return True

    seen = [entry.data for entry in log.read(str(path), follow=goes_on)]
    writer.close()
    assert seen[-1] == wrote[-1]
    assert seen == sorted(seen, key=int), "in order, nothing twice"
    assert len(set(seen)) == len(seen)
