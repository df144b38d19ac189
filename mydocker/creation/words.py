"""Words of the command line into values: sizes, times, limits, devices; each raises UsageError with its flag."""

from __future__ import annotations

import os
import stat

from mydocker.errors import UsageError
from mydocker.runtime.options import Device
from mydocker.runtime.record import LogLimit, Restart

_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_POLICIES = ("no", "on-failure", "always", "unless-stopped")
_LEAST_MEMORY = 512 << 10  # below this the kernel cannot even start a program (crun's README: 512 kB)


def size(text: str, flag: str) -> int:
    """Return bytes for `100m`, `1.5g`, `64KiB`, `4096`; 0 for nothing said. -1 stands for no limit."""
    if not text:
        return 0
    if text == "-1":
        return -1
    word = text.strip().lower()
    digits = word.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = word[len(digits) :].removesuffix("ib" if word.endswith("ib") else "b")
    try:
        value = int(float(digits) * _UNITS[unit])
    except (KeyError, ValueError, OverflowError):
        raise UsageError(f"{flag} {text}", "not a size", "a number with b, k, m, g or t, as in 100m") from None
    if value < 0:
        raise UsageError(f"{flag} {text}", "less than nothing")
    return value


def memory(text: str, flag: str) -> int:
    """Return bytes of a memory limit, which must leave room for a program."""
    value = size(text, flag)
    if 0 < value < _LEAST_MEMORY:
        raise UsageError(f"{flag} {text}", "too little to start any program", "the least is 512k")
    return max(value, 0) if flag != "--memory-swap" else value


def seconds(text: str, flag: str) -> float:
    """Return seconds for a duration like `1m30s`, `500ms`, `2` (seconds)."""
    total, number = 0.0, ""
    rest = text.strip()
    if not rest:
        return 0.0
    try:
        while rest:
            number = rest[: len(rest) - len(rest.lstrip("0123456789."))]
            rest = rest[len(number) :]
            unit = rest[: len(rest) - len(rest.lstrip("nuµmsh"))]
            rest = rest[len(unit) :]
            total += float(number) * _SECONDS[unit or "s"]
    except (KeyError, ValueError):
        raise UsageError(f"{flag} {text}", "not a duration", "as in 30s, 1m30s or 500ms") from None
    return total


def moment(text: str, flag: str, now: int) -> int:
    """Return nanoseconds since 1970 for such a number of seconds, an RFC 3339 time (UTC), or how long ago: `10m`."""
    try:
        whole, _, fraction = text.partition(".")
        digits = fraction[: len(fraction) - len(fraction.lstrip("0123456789"))]
        rest = int(digits[:9].ljust(9, "0"))
        if whole.isdecimal() and digits == fraction:
            return int(whole) * 10**9 + rest
        if "-" not in whole:
            return now - int(seconds(text, flag) * 1e9)
        from datetime import UTC, datetime

        # To the nanosecond, as logs have it: what the standard library reads ends at microseconds.
        when = datetime.fromisoformat(whole + fraction[len(digits) :])
        return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()) * 10**9 + rest
    except ValueError:
        raise UsageError(f"{flag} {text}", "not a time", "10m, 1700000000 or 2026-01-02T03:04:05") from None


def pairs(entries: tuple[str, ...], flag: str) -> tuple[tuple[str, str], ...]:
    """Return (key, value) for words KEY=VALUE; later ones replace earlier ones."""
    found: dict[str, str] = {}
    for entry in entries:
        key, _, value = entry.partition("=")
        if not key:
            raise UsageError(f"{flag} {entry}", "no name before the =")
        found[key] = value
    return tuple(found.items())


def environment(
    base: tuple[str, ...], files: tuple[str, ...], entries: tuple[str, ...], host: dict[str, str]
) -> tuple[str, ...]:
    """Return the image's variables, those of --env-file and those of -e, later ones replacing earlier ones.

    A name without `=` takes this process's value; where there is none, it is not set (docker's rule).
    """
    found: dict[str, str] = {}
    for entry in (*base, *(line for path in files for line in _file_lines(path)), *entries):
        key, equals, value = entry.partition("=")
        if not key or "\0" in entry:
            raise UsageError(f"-e {entry}", "no name before the =")
        if equals:
            found[key] = value
        elif key in host:
            found[key] = host[key]
        else:
            found.pop(key, None)
    return tuple(f"{key}={value}" for key, value in found.items())


def _file_lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError as err:
        raise UsageError(f"--env-file {path}", err.strerror or str(err)) from err
    return [line.lstrip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def limits(entries: tuple[str, ...]) -> tuple[tuple[str, int, int], ...]:
    """Return (RLIMIT_NAME, soft, hard) for words like `nofile=1024:2048` or `core=-1`."""
    found = []
    for entry in entries:
        name, equals, values = entry.partition("=")
        soft, _, hard = values.partition(":")
        try:
            numbers = (int(soft), int(hard or soft))
        except ValueError:
            equals = ""
            numbers = (0, 0)
        if not name or not equals or (0 <= numbers[1] < numbers[0]):
            raise UsageError(f"--ulimit {entry}", "not a limit", "as in nofile=1024:2048; soft is not above hard")
        found.append((f"RLIMIT_{name.upper()}", *numbers))
    return tuple(found)


def devices(entries: tuple[str, ...]) -> tuple[Device, ...]:
    """Return the host's devices for words like `/dev/fuse`, `/dev/sda:/dev/xvda:r`."""
    found = []
    for entry in entries:
        source, _, rest = entry.partition(":")
        target, _, access = rest.partition(":")
        if target and not target.startswith("/") and not access:
            target, access = "", target
        try:
            facts = os.stat(source)
        except OSError as err:
            raise UsageError(f"--device {entry}", err.strerror or str(err)) from err
        kind = "c" if stat.S_ISCHR(facts.st_mode) else "b" if stat.S_ISBLK(facts.st_mode) else ""
        if not kind or not set(access or "rwm") <= set("rwm"):
            raise UsageError(f"--device {entry}", "no device, or other access than r, w, m")
        major, minor = os.major(facts.st_rdev), os.minor(facts.st_rdev)
        mode = stat.S_IMODE(facts.st_mode)
        found.append(Device(target or source, kind, major, minor, access or "rwm", mode, facts.st_uid, facts.st_gid))
    return tuple(found)


def restart(text: str) -> Restart:
    """Return the policy for `no`, `always`, `unless-stopped`, `on-failure[:N]`."""
    policy, _, most = (text or "no").partition(":")
    if policy not in _POLICIES or (most and (policy != "on-failure" or not most.isdecimal())):
        raise UsageError(f"--restart {text}", "unknown policy", "no, on-failure[:N], always or unless-stopped")
    return Restart(policy, int(most or 0))


def log_limit(entries: tuple[str, ...]) -> LogLimit:
    """Return the limit for `max-size=10m`, `max-file=3`."""
    options = dict(pairs(entries, "--log-opt"))
    unknown = set(options) - {"max-size", "max-file"}
    files = options.get("max-file", "1")
    if unknown or not files.isdecimal():
        raise UsageError(f"--log-opt {' '.join(entries)}", "max-size and max-file are known")
    return LogLimit(size(options.get("max-size", ""), "--log-opt max-size"), int(files))
