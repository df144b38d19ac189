"""A container's log: one line of text for each line of output, with its time and its stream.

    2026-01-02T03:04:05.000000006Z stdout F some words

is the format of the Container Runtime Interface (kubernetes: "CRI log format"; podman's k8s-file). `F` ends a line,
`P` is a part of one that goes on in the next entry, so that any bytes whatever come back exactly.
"""

from __future__ import annotations

import contextlib
import os
import time

from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NAMES = {1: b"stdout", 2: b"stderr"}
_BLOCK = 1 << 16
_FOLLOW_PAUSE = 0.05


class Entry(NamedTuple):
    """One piece of output: when, on which stream (1 or 2), the bytes (a newline at the end where there was one)."""

    time: bytes
    stream: int
    data: bytes


class Writer:
    """Appends to a log and rotates it: `log` becomes `log.1`, and so on, `files` in all, each about `size` bytes."""

    def __init__(self, path: str, size: int = 0, files: int = 1) -> None:
        self._path = path
        self._limit = size
        self._files = max(files, 1)
        self._descriptor = -1

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o600)
        self._size = os.fstat(self._descriptor).st_size

    def write(self, stream: int, data: bytes) -> None:
        """Append output; a piece that does not end in a newline is marked as a part."""
        head = stamp(time.time_ns()) + b" " + _NAMES[stream]
        lines = data.split(b"\n")
        tail = lines.pop()
        entries = [b"%b F %b\n" % (head, line) for line in lines]
        if tail:
            entries.append(b"%b P %b\n" % (head, tail))
        content = b"".join(entries)
        if self._descriptor < 0:
            self._open()
        if self._limit and self._size and self._size + len(content) > self._limit:
            self._rotate()
        view = memoryview(content)
        while view:
            written = os.write(self._descriptor, view)
            view = view[written:]
        self._size += len(content)

    def _rotate(self) -> None:
        os.close(self._descriptor)
        if self._files == 1:
            os.unlink(self._path)
        else:
            for number in range(self._files - 1, 0, -1):
                older = f"{self._path}.{number}"
                newer = f"{self._path}.{number - 1}" if number > 1 else self._path
                if os.path.exists(newer):
                    os.replace(newer, older)
        self._open()

    def close(self) -> None:
        """Close the file, which exists from the first output on."""
        if self._descriptor >= 0:
            os.close(self._descriptor)


def stamp(nanoseconds: int) -> bytes:
    """Return a time as the log has it: RFC 3339, UTC, nine digits of a second (so it sorts as text)."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)).encode() + b".%09dZ" % rest


def read(
    path: str,
    *,
    tail: int = -1,
    since: bytes = b"",
    until: bytes = b"",
    follow: Callable[[], bool] | None = None,
) -> Iterator[Entry]:
    """Yield the entries of a log and its rotated predecessors, oldest first.

    `tail` is how many lines from the end (-1: all); `since` and `until` are times as `stamp` gives them. With `follow`,
    go on with what is appended, through rotations, until `follow()` is false and everything has been read.
    """
    files = _generations(path)
    start = _tail_position(files, tail) if tail >= 0 else (0, 0)
    current = -1
    for index, name in enumerate(files):
        if index < start[0]:
            continue
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
        os.lseek(descriptor, start[1] if index == start[0] else 0, os.SEEK_SET)
        if index == len(files) - 1 and follow is not None:
            current = descriptor
            break
        yield from _filtered(_lines(descriptor), since, until)
        os.close(descriptor)
    if follow is not None:
        yield from _filtered(_followed(path, current, follow), since, until)


def _generations(path: str) -> list[str]:
    found = [path] if os.path.exists(path) else []
    number = 1
    while os.path.exists(f"{path}.{number}"):
        found.insert(0, f"{path}.{number}")
        number += 1
    return found


def _tail_position(files: list[str], count: int) -> tuple[int, int]:
    """Return (file, offset) where the last `count` lines begin; files are read backwards in blocks, not as a whole."""
    wanted = count
    for index in range(len(files) - 1, -1, -1):
        with open(files[index], "rb") as file:
            position = file.seek(0, os.SEEK_END)
            found, offset = _backwards(file.fileno(), position, wanted)
        if found >= wanted:
            return index, offset
        wanted -= found
    return 0, 0


def _backwards(descriptor: int, end: int, wanted: int) -> tuple[int, int]:
    """Return how many whole lines of output were found, and the offset where the first of them begins.

    A line of output is a run of `P` entries with one `F` at its end; output without a newline at the end counts as one.
    """
    if wanted == 0:
        return 0, end
    found, position, rest = 0, end, b""
    after = end  # offset just behind the entry under consideration
    while position > 0:
        size = min(_BLOCK, position)
        position -= size
        entries = (os.pread(descriptor, size, position) + rest).split(b"\n")
        rest = entries.pop(0)
        for entry in reversed(entries):
            if not entry:
                continue
            begin = after - len(entry) - 1
            if _ends_line(entry) or after == end:
                if found == wanted:
                    return found, after
                found += 1
            after = begin
    if rest and (_ends_line(rest) or after == end):
        if found == wanted:
            return found, after
        found += 1
    return found, 0


def _ends_line(entry: bytes) -> bool:
    return entry.split(b" ", 3)[2:3] == [b"F"]


def _lines(descriptor: int) -> Iterator[bytes]:
    rest = b""
    while block := os.read(descriptor, _BLOCK):
        *lines, rest = (rest + block).split(b"\n")
        yield from lines


def _followed(path: str, descriptor: int, follow: Callable[[], bool]) -> Iterator[bytes]:
    """Yield lines as they come; when the file has been rotated away, finish it and go on with the one after it."""
    rest = b""
    while True:
        going_on = follow()
        if descriptor < 0:
            descriptor = _oldest(path)
        block = os.read(descriptor, _BLOCK) if descriptor >= 0 else b""
        if block:
            *lines, rest = (rest + block).split(b"\n")
            yield from lines
            continue
        newer = _after(path, descriptor) if descriptor >= 0 else -1
        if newer >= 0:
            os.close(descriptor)
            descriptor = newer
        elif not going_on:
            break
        else:
            time.sleep(_FOLLOW_PAUSE)
    if descriptor >= 0:
        os.close(descriptor)


def _oldest(path: str) -> int:
    """Return the file that the log begins with, -1 where there is none yet."""
    for name in _generations(path):
        with contextlib.suppress(FileNotFoundError):
            return os.open(name, os.O_RDONLY | os.O_CLOEXEC)
    return -1


def _after(path: str, descriptor: int) -> int:
    """Return the file that was begun when the one open as `descriptor` was full, -1 where that is the newest.

    There may have been several rotations since. Of a file that is gone the oldest that is left comes next. Files may be
    renamed between two looks, so the answer is looked at again.
    """
    while True:
        names = _generations(path)
        numbers = [_number(name) for name in names]
        place = numbers.index(os.fstat(descriptor).st_ino) + 1 if os.fstat(descriptor).st_ino in numbers else 0
        if place >= len(names):
            return -1
        try:
            found = os.open(names[place], os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        if [_number(name) for name in _generations(path)] == numbers and os.fstat(found).st_ino == numbers[place]:
            return found
        os.close(found)


def _number(path: str) -> int:
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return 0


def _filtered(lines: Iterator[bytes], since: bytes, until: bytes) -> Iterator[Entry]:
    for line in lines:
        fields = line.split(b" ", 3)
        if len(fields) < 4 or (since and fields[0] < since):
            continue
        if until and fields[0] > until:
            return
        ending = b"\n" if fields[2] == b"F" else b""
        yield Entry(fields[0], 2 if fields[1] == b"stderr" else 1, fields[3] + ending)
