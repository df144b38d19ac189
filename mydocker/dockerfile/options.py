"""The values inside flags: mounts and devices (comma-separated options), sizes, durations."""

from __future__ import annotations

import re

from mydocker.dockerfile.instructions import Device, Mount
from mydocker.dockerfile.suggest import did_you_mean
from mydocker.errors import DockerfileError
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOUNT_TYPES = ("bind", "cache", "tmpfs", "secret", "ssh")
SHARING_MODES = ("shared", "private", "locked")

_FIELD = re.compile(r'"((?:[^"]|"")*)"(?=,|\Z)|([^",]*+)(?=,|\Z)')
_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")
_ALIASES = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly", "rw": "readwrite"}
_SWITCHES = ("readonly", "readwrite", "required")
# Options that only some types of mount take; the others are for all.
_ONLY_FOR = {
    "required": ("secret", "ssh"),
    "size": ("tmpfs",),
    "env": ("secret",),
    "mode": ("cache", "secret", "ssh"),
    "uid": ("cache", "secret", "ssh"),
    "gid": ("cache", "secret", "ssh"),
    "sharing": ("cache",),
}
_KEYS = ("type", "from", "source", "target", "id", *_SWITCHES, *_ONLY_FOR)
# Longer numbers than these mean nothing, and Python refuses to read very long ones.
_SIZE = re.compile(r"(\d{1,20})(?:\.(\d{1,20}))? ?([kmgtp]?)i?b?", re.IGNORECASE | re.ASCII)
_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_DURATION_PART = re.compile(r"(?=\.?\d)(\d{0,20})(?:\.(\d{0,20}))?(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_NANOSECONDS = {
    "ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9
}  # fmt: skip


def fields(text: str) -> Iterator[str]:
    """Split comma-separated options; one between double quotes may hold commas. Raises `DockerfileError`."""
    at = 0
    while True:
        found = _FIELD.match(text, at)
        if not found:
            raise DockerfileError(f"cannot split {text!r} at its commas", "a double quote inside an option", "")
        yield found[2] if found[1] is None else found[1].replace('""', '"')
        at = found.end() + 1
        if at > len(text):
            return


def mount(text: str, expand: Callable[[str], str]) -> Mount:
    """Read the value of `--mount`, expanding each option's value; raises `DockerfileError`."""
    given: dict[str, str | None] = {}
    for field in fields(text):
        key, equals, value = field.partition("=")
        key = _ALIASES.get(key.lower(), key.lower())
        if key not in _KEYS:
            raise DockerfileError(f"unknown option {key!r} of --mount", "", did_you_mean(key, _KEYS))
        if not equals and key not in _SWITCHES:
            raise DockerfileError(f"option {key} of --mount has no value", "", f"write {key}=VALUE")
        given[key] = expand(value) if equals else None
    kind = (given.pop("type", None) or "bind").lower()
    if kind not in MOUNT_TYPES:
        raise DockerfileError(
            f"unknown mount type {kind!r}",
            f"known are {', '.join(MOUNT_TYPES)}",
            did_you_mean(kind, MOUNT_TYPES),
        )
    for key in given:
        if kind not in _ONLY_FOR.get(key, MOUNT_TYPES):
            raise DockerfileError(f"a mount of type {kind} takes no {key}", f"it is for {' and '.join(_ONLY_FOR[key])}")
    made = _mount(kind, given)
    _check_secret(made)
    return made


def _mount(kind: str, given: dict[str, str | None]) -> Mount:
    read_only = kind in ("bind", "secret", "ssh")
    if "readonly" in given:
        read_only = _truth("readonly", given["readonly"])
    if "readwrite" in given:
        read_only = not _truth("readwrite", given["readwrite"])
    sharing = (given.get("sharing") or "").lower()
    if "sharing" in given and sharing not in SHARING_MODES:
        raise DockerfileError(
            f"unknown sharing {sharing!r}",
            f"known are {', '.join(SHARING_MODES)}",
            did_you_mean(sharing, SHARING_MODES),
        )
    return Mount(
        kind,
        target=given.get("target") or "",
        source=given.get("source") or "",
        from_=given.get("from") or "",
        read_only=read_only,
        id=given.get("id") or "",
        sharing=sharing,
        required="required" in given and _truth("required", given["required"]),
        size=size(given["size"] or "") if "size" in given else 0,
        mode=_number("mode", given.get("mode"), 8),
        uid=_number("uid", given.get("uid"), 10),
        gid=_number("gid", given.get("gid"), 10),
        env=given.get("env") or "",
    )


def _check_secret(made: Mount) -> None:
    if made.type != "secret":
        return
    if made.from_:
        raise DockerfileError("a secret mount takes no from", "secrets come from the command line", "")
    if made.source and made.id:
        raise DockerfileError("a secret mount takes source or id, not both", "", "")
    if not (made.source or made.id or made.target):
        raise DockerfileError("a secret mount needs an id or a target", "", "write --mount=type=secret,id=NAME")


def device(text: str) -> Device:
    """Read the value of `--device`; raises `DockerfileError`."""
    name, required = "", False
    for field in fields(text):
        key, equals, value = field.partition("=")
        if key.lower() == "required":
            required = _truth("required", value if equals else None)
        elif key.lower() == "name" and equals and not name:
            name = value
        elif not name:
            name = field
        else:
            raise DockerfileError(f"unknown option {field!r} of --device", "it takes name and required", "")
    return Device(name, required)


def size(text: str) -> int:
    """Read a size like 64m or 1.5g as bytes, units being powers of 1024; raises `DockerfileError`."""
    found = _SIZE.fullmatch(text)
    if not found:
        raise DockerfileError(f"cannot read the size {text!r}", "", "write a number with k, m, g or t, like 64m")
    return _scaled(found[1], found[2], 1024 ** _UNITS[found[3].lower()])


def duration(text: str) -> int:
    """Read a duration like 1m30s as nanoseconds, as Go's time.ParseDuration does; raises `DockerfileError`."""
    digits = text[1:] if text[:1] in ("-", "+") else text
    parts = list(_DURATION_PART.finditer(digits))
    if digits != "0" and (not parts or "".join(part[0] for part in parts) != digits):
        raise DockerfileError(f"cannot read the duration {text!r}", "", "write numbers with ms, s, m or h, like 1m30s")
    total = sum(_scaled(part[1], part[2], _NANOSECONDS[part[3]]) for part in parts)
    if total >= 2**63:
        raise DockerfileError(f"cannot wait as long as {text!r}", "it is more than 292 years")
    return -total if text[0] == "-" else total


def _scaled(whole: str, fraction: str | None, unit: int) -> int:
    """Return a decimal number times a unit, rounded down, without the detours of floating point."""
    digits = fraction or ""
    scale: int = 10 ** len(digits)
    return int((whole + digits) or "0") * unit // scale


def _truth(key: str, value: str | None) -> bool:
    if value is None or value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise DockerfileError(f"option {key} of --mount is a switch", f"{value!r} is neither true nor false", "")


def _number(key: str, value: str | None, base: int) -> int | None:
    if value is None:
        return None
    try:
        number = int(value, base) if re.fullmatch(r"\d{1,20}", value, re.ASCII) else -1
    except ValueError:
        number = -1
    if not 0 <= number < 2**32:
        kind = "an octal number" if base == 8 else "a number"
        raise DockerfileError(f"option {key} of --mount takes {kind}", f"{value!r} is none", "")
    return number
