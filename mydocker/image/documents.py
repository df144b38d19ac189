"""JSON as images carry it: parsed with distrust, written canonically.

Every reader of configs, manifests and indexes goes through here, so the limits hold everywhere: size, depth, duplicate
keys (two parsers could see two images), and types that are not what the specification says.
"""

from __future__ import annotations

import json

from mydocker.errors import ImageError

# OCI distribution-spec, "Pushing Manifests": registries take manifests up to 4 MiB; configs are held to the same.
LARGEST = 4 * 1024 * 1024

Object = dict[str, object]


def parse_object(data: bytes, what: str, largest: int = LARGEST) -> Object:
    """Return the JSON object in `data`; raise `ImageError` naming `what` for anything else."""
    value = parse_value(data, what, largest)
    if not isinstance(value, dict):
        raise ImageError(f"read {what}", "a JSON object is expected")
    return value


def parse_value(data: bytes, what: str, largest: int = LARGEST) -> object:
    """Return the JSON value in `data`, refused when too large, too deep, or with a key twice in one object."""
    if len(data) > largest:
        raise ImageError(f"read {what}", f"it has {len(data)} bytes, more than {largest}")
    try:
        value: object = json.loads(data, object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
    except RecursionError as failed:
        raise ImageError(f"read {what}", "it is nested too deeply") from failed
    except ValueError as failed:
        raise ImageError(f"read {what}", f"not valid JSON: {failed}") from failed
    return value


def encode(value: Object) -> bytes:
    """Return `value` in the one form that this program writes: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _without_duplicates(pairs: list[tuple[str, object]]) -> Object:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")


def child(owner: Object, key: str) -> Object:
    """Return the object under `key`, empty when missing or null."""
    value = owner.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong(key, "an object")
    return value


def children(owner: Object, key: str) -> list[Object]:
    """Return the objects of the list under `key`."""
    found = []
    for value in _list(owner, key):
        if not isinstance(value, dict):
            raise _wrong(key, "a list of objects")
        found.append(value)
    return found


def text(owner: Object, key: str, default: str = "") -> str:
    """Return the string under `key`."""
    value = owner.get(key)
    if value is None:
        return default
    if not isinstance(value, str):
        raise _wrong(key, "a string")
    return value


def texts(owner: Object, key: str) -> tuple[str, ...]:
    """Return the strings of the list under `key`; Docker also writes a bare string for a list of one."""
    if isinstance(value := owner.get(key), str):
        return (value,)
    return tuple(_strings(_list(owner, key), key))


def text_map(owner: Object, key: str) -> dict[str, str]:
    """Return the object of strings under `key`."""
    found = {}
    for name, value in child(owner, key).items():
        if not isinstance(value, str):
            raise _wrong(key, "an object of strings")
        found[name] = value
    return found


def number(owner: Object, key: str) -> int:
    """Return the whole number under `key`, 0 when missing; only what fits 63 bits is a number here."""
    value = owner.get(key)
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or not -(2**63) <= value < 2**63:
        raise _wrong(key, "a whole number of at most 63 bits")
    return value


def flag(owner: Object, key: str) -> bool:
    """Return the boolean under `key`, False when missing."""
    value = owner.get(key)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise _wrong(key, "true or false")
    return value


def _list(owner: Object, key: str) -> list[object]:
    value = owner.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise _wrong(key, "a list")
    return value


def _strings(values: list[object], key: str) -> list[str]:
    found = []
    for value in values:
        if not isinstance(value, str):
            raise _wrong(key, "a list of strings")
        found.append(value)
    return found


def _wrong(key: str, expected: str) -> ImageError:
    return ImageError(f"read an image's {key!r}", f"{expected} is expected")
