"""Why a build that was made twice differs: a guess from the first difference and from what was varied.

Four causes explain nearly all: the clock, randomness, the order in which directories are read, and facts of the host.
"""

from __future__ import annotations

import calendar
import re
import struct
import time

from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mydocker.build.differences import Difference


class Cause(NamedTuple):
    """A likely cause: "time", "random", "order" or "host data", what speaks for it, and what to do about it."""

    name: str
    reason: str
    hint: str


class Conditions(NamedTuple):
    """Under what one build ran: its begin and end by the clock and since the host's start, in seconds, and its marks.

    A mark is a fact of the host with its name: ("the host's name", "builder-7").
    """

    clock: tuple[float, float]
    uptime: tuple[float, float]
    marks: tuple[tuple[str, str], ...]


_HINTS = {
    "time": "take the time from SOURCE_DATE_EPOCH instead of the clock",
    "random": "leave out what is random, or give it a fixed seed",
    "order": "sort what is read from directories, with LC_ALL=C",
    "host data": "leave out what belongs to the machine that builds",
}
_SLACK = 2.0  # seconds by which what a command calls now may lie outside of its build
_MONTHS = {name: number for number, name in enumerate(calendar.month_abbr) if name}
_NUMBER = re.compile(rb"(?<![\w.])\d{1,19}(?:\.\d{1,9})?(?![\w.])")
_OCTAL = re.compile(rb"(?<!\d)1[0-7]{10}(?!\d)")
_ISO = re.compile(rb"(\d{4})-?(\d\d)-?(\d\d)[T _-]?(\d\d):?(\d\d):?(\d\d)")
_CTIME = re.compile(rb"([A-Z][a-z]{2}) +(\d{1,2}) (\d\d):(\d\d):(\d\d)(?: [A-Z]+)? (\d{4})")
_CLOCK = re.compile(rb"(?<!\d)(\d\d):(\d\d):(\d\d)(?!\d)")
_CONTEXT = 24  # bytes around a difference in which a time is looked for


def likely(difference: Difference, mine: Conditions, theirs: Conditions) -> Cause:
    """Return the likely cause of a difference between two builds."""
    if difference.kind == "time":
        return _cause("time", "its time stamp differs")
    if difference.kind in ("mode", "owner", "extended attributes", "device", "type"):
        ours, others = difference.mine.decode(errors="replace"), difference.theirs.decode(errors="replace")
        return _cause("host data", f"its {difference.kind} is {ours} in one build and {others} in the other")
    one, other = difference.mine, difference.theirs
    for (name, ours), (_, others) in zip(mine.marks, theirs.marks, strict=True):
        if ours != others and ours.encode() in one and others.encode() in other:
            return _cause("host data", f"it has {name} in it")
    if _is_reordered(one, other):
        return _cause("order", "both builds have the same pieces in another order")
    if told := _time_in(one, other, mine, theirs):
        return _cause("time", told)
    return _cause("random", "nothing else explains how it differs")


def _cause(name: str, reason: str) -> Cause:
    return Cause(name, reason, _HINTS[name])


def _is_reordered(one: bytes, other: bytes) -> bool:
    if len(one) != len(other):
        return False
    for separator in (b"\n", None, b"\0"):
        if len(one.split(separator)) > 1 and sorted(one.split(separator)) == sorted(other.split(separator)):
            return True
    return False


def _time_in(one: bytes, other: bytes, mine: Conditions, theirs: Conditions) -> str:
    """Return what shows that both contents name a time of their own build, at the first place where they differ."""
    at = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    begin, end = _around(one, other, at)
    ours, others = one[begin:end], other[begin:end]
    for name, reader, select in _READERS:
        window, their_window = select(mine), select(theirs)
        if _within(reader(ours), window) and _within(reader(others), their_window):
            return name
    if _binary_time(one, at, mine) and _binary_time(other, at, theirs):
        return "it has the time of the build in it, as a binary number"
    return ""


def _around(one: bytes, other: bytes, at: int) -> tuple[int, int]:
    """Return the lines in which a difference lies, or its surroundings where lines are long."""
    begin = max(one.rfind(b"\n", 0, at) + 1, at - 10 * _CONTEXT)
    ends = [found if (found := text.find(b"\n", at)) >= 0 else len(text) for text in (one, other)]
    return begin, min(max(ends), at + 10 * _CONTEXT)


def _within(times: Iterator[float], window: tuple[float, float]) -> bool:
    return any(window[0] - _SLACK <= each <= window[1] + _SLACK for each in times)


def _dates(text: bytes) -> Iterator[float]:
    for match in _ISO.finditer(text):
        yield from _seconds(*map(int, match.groups()))
    for match in _CTIME.finditer(text):
        month = _MONTHS.get(match[1].decode(), 0)
        yield from _seconds(int(match[6]), month, *(int(match[number]) for number in (2, 3, 4, 5)))


def _seconds(*fields: int) -> Iterator[float]:
    """Yield a date's seconds since 1970, read as UTC, which is what steps are given; nothing for no date."""
    try:
        yield float(calendar.timegm(time.strptime("{}-{}-{} {}:{}:{}".format(*fields), "%Y-%m-%d %H:%M:%S")))
    except ValueError:
        return


def _epochs(text: bytes) -> Iterator[float]:
    for match in _NUMBER.finditer(text):
        whole = match[0].partition(b".")[0]
        # Seconds have ten digits for a few centuries; milli-, micro- and nanoseconds three more each.
        if len(whole) in (10, 13, 16, 19):
            yield float(match[0]) / 10 ** (len(whole) - 10)


def _octal_epochs(text: bytes) -> Iterator[float]:
    for match in _OCTAL.finditer(text):
        yield float(int(match[0], 8))


def _uptimes(text: bytes) -> Iterator[float]:
    for match in _NUMBER.finditer(text):
        if b"." in match[0]:
            yield float(match[0])


def _times_of_day(text: bytes) -> Iterator[float]:
    for match in _CLOCK.finditer(text):
        yield int(match[1]) * 3600.0 + int(match[2]) * 60 + int(match[3])


def _day(conditions: Conditions) -> tuple[float, float]:
    begin = conditions.clock[0] % 86400
    return begin, begin + conditions.clock[1] - conditions.clock[0]


_READERS = (
    ("it has the date of the build in it", _dates, lambda conditions: conditions.clock),
    ("it has the time of the build in it, in seconds since 1970", _epochs, lambda conditions: conditions.clock),
    ("it has the time of the build in it, as tar archives have it", _octal_epochs, lambda conditions: conditions.clock),
    ("it has the time of the build in it", _times_of_day, _day),
    ("it has the time since the host's start in it", _uptimes, lambda conditions: conditions.uptime),
)


def _binary_time(data: bytes, at: int, conditions: Conditions) -> bool:
    """Tell whether the byte at `at` belongs to a 32-bit number of seconds within the build's time."""
    for begin in range(max(at - 3, 0), at + 1):
        piece = data[begin : begin + 4]
        if len(piece) == 4:
            found = (float(struct.unpack(order, piece)[0]) for order in ("<I", ">I"))
            if _within(found, conditions.clock):
                return True
    return False
