"""The words --userns, --uidmap and --gidmap: which ids of the host a container's ids are.

Docker knows `host`, and one range for all containers of a daemon; podman's words are taken for more. Ranges come from
/etc/subuid and /etc/subgid (subuid(5)): those of the first of three users that has any.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

from mydocker.errors import Busy, NotFound, UsageError
from mydocker.runtime import sharing
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mydocker.runtime.containers import Containers
    from mydocker.runtime.users import Mappings

OWNERS = ("mydocker", "containers", "dockremap")
_SIZE = 1 << 16
_SUBORDINATE = ("/etc/subuid", "/etc/subgid")
_LARGEST = (1 << 32) - 2
_HINT = "host, remap, auto[:size=N], container:NAME, or none of them with --uidmap"


class UserNamespace(NamedTuple):
    """What `ContainerOptions` calls so."""

    userns: str = "host"
    uid_mappings: Mappings = ()
    gid_mappings: Mappings = ()


def chosen(
    containers: Containers,
    text: str,
    uid_words: tuple[str, ...] = (),
    gid_words: tuple[str, ...] = (),
    files: tuple[str, str] = _SUBORDINATE,
) -> UserNamespace:
    """Return what the words ask for. Raise UsageError, NotFound, Busy. `files` say which ids may be given away."""
    mode, _, rest = text.partition(":")
    if uid_words or gid_words:
        if text:
            raise UsageError(f"--userns {text}", "--uidmap and --gidmap say it already")
        uids = tuple(_mapping(word, "--uidmap") for word in uid_words or gid_words)
        gids = tuple(_mapping(word, "--gidmap") for word in gid_words or uid_words)
        return UserNamespace("private", _checked(uids, "--uidmap"), _checked(gids, "--gidmap"))
    if text in ("", "host"):
        return UserNamespace()
    if mode == "container" and rest:
        return _of_container(containers, rest)
    if text == "remap":
        uid, gid = (_first(_ranges(path), _SIZE, (), path) for path in files)
        return UserNamespace("private", ((0, uid, _SIZE),), ((0, gid, _SIZE),))
    if mode == "auto":
        size = _size(text, rest)
        taken_uids, taken_gids = _taken(containers)
        uid = _first(_ranges(files[0]), size, taken_uids, files[0])
        gid = _first(_ranges(files[1]), size, taken_gids, files[1])
        return UserNamespace("private", ((0, uid, size),), ((0, gid, size),))
    if mode == "keep-id":
        raise UsageError(f"--userns {text}", "root's own id stays root's: keep-id is for users without root", _HINT)
    raise UsageError(f"--userns {text}", "unknown", _HINT)


def _of_container(containers: Containers, reference: str) -> UserNamespace:
    container = containers.find(reference)
    linux = containers.bundle(reference).document()["linux"]
    if not container.is_running:
        raise Busy(f"cannot share the namespaces of {reference}", "it is not running", f"mydocker start {reference}")
    if not linux.get("uidMappings"):
        return UserNamespace()
    from mydocker.runtime.users import mappings

    path = sharing.path_of(container.state.pid, "user")
    return UserNamespace(path, mappings(linux["uidMappings"]), mappings(linux["gidMappings"]))


def _size(text: str, rest: str) -> int:
    key, _, number = rest.partition("=")
    if not rest:
        return _SIZE
    if key != "size" or not number.isdecimal() or not 0 < int(number) <= _LARGEST:
        raise UsageError(f"--userns {text}", "not a size", "as in auto:size=65536")
    return int(number)


def _mapping(word: str, flag: str) -> tuple[int, int, int]:
    parts = word.split(":")
    if len(parts) not in (2, 3) or not all(part.isascii() and part.isdigit() for part in parts):
        raise UsageError(f"{flag} {word}", "not of the form INSIDE:OUTSIDE[:COUNT]")
    inside, outside, count = (int(part) for part in [*parts, "1"][:3])
    if not count or max(inside, outside) + count - 1 > _LARGEST:
        raise UsageError(f"{flag} {word}", "ids end at 2^32 - 2")
    return inside, outside, count


def _checked(found: Mappings, flag: str) -> Mappings:
    if not any(inside == 0 for inside, _, _ in found):
        raise UsageError(flag, "root inside has to be somebody outside", "one of the mappings begins with 0:")
    for column in (0, 1):
        ends = sorted((entry[column], entry[column] + entry[2]) for entry in found)
        if any(one[1] > other[0] for one, other in pairwise(ends)):
            raise UsageError(flag, "mappings overlap")
    return found


def _ranges(path: str) -> list[tuple[int, int]]:
    """Return (first, count) of the ranges that containers may use. Raise UsageError where there are none."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.strip().split(":") for line in file]
    except FileNotFoundError:
        lines = []
    for owner in OWNERS:
        found = [
            (int(line[1]), int(line[2]))
            for line in lines
            if len(line) == 3 and line[0] == owner and line[1].isdecimal() and line[2].isdecimal()
        ]
        if found:
            return found
    hint = f"a line like mydocker:1000000:16777216 in {' and '.join(_SUBORDINATE)} gives them away"
    raise UsageError("--userns", f"{path} has no ids for {', '.join(OWNERS)}", hint)


def _taken(containers: Containers) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return (first, count) of the ids outside that containers have, users' and groups'."""
    uids: list[tuple[int, int]] = []
    gids: list[tuple[int, int]] = []
    for container in containers.list():
        with suppress(NotFound, FileNotFoundError):  # removed meanwhile
            linux = containers.bundle(container.id).document()["linux"]
            for found, key in ((uids, "uidMappings"), (gids, "gidMappings")):
                found += [(entry["hostID"], entry["size"]) for entry in linux.get(key) or ()]
    return uids, gids


def _first(ranges: list[tuple[int, int]], size: int, taken: Iterable[tuple[int, int]], path: str) -> int:
    """Return the first of `size` ids in a row that nobody has."""
    for first, count in ranges:
        here = first
        for begin, length in sorted(taken):
            if here < begin + length and begin < here + size:
                here = begin + length
        if here + size <= first + count:
            return here
    raise UsageError("--userns", f"no {size} ids in a row are left in {path}", "longer ranges, or fewer containers")
