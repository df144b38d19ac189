"""Users and groups as the container's own files know them, never the host's, never through a path the image controls.

The text is docker's: `user`, `uid`, `user:group`, in any mixture of names and numbers. Everything that is not plainly a
number or a plain name is refused, so that no parser's mood can turn it into root (CVE-2026-30892, CVE-2024-40635).
The files are opened inside the container's root, have to be regular, and are read up to a limit (CVE-2024-9676).
Runs between clone and exec: imports os and stat only.
"""

from __future__ import annotations

import os
import stat

from mydocker.linux.lookup import open_in_root

_LARGEST_FILE = 4 << 20
_LARGEST_ID = (1 << 31) - 1  # what docker accepts; the kernel's -1 and signed readers stay out of reach
_NAME_BYTES = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.$@")
_DIGITS = frozenset("0123456789")

Identity = tuple[int, int, tuple[int, ...], str]  # uid, gid, supplementary gids, home


class UnknownUser(Exception):
    """The text names nobody in this container, or is no user at all; the message says which."""


def resolve(root: int, text: str, groups: tuple[str, ...] = ()) -> Identity:
    """Return who `text` is inside the root directory `root`; "" is root. `groups` are added (--group-add)."""
    user, colon, group = text.partition(":")
    if colon and (not group or not user):
        raise UnknownUser(f"{text!r} is not of the form user[:group]")
    accounts = _entries(root, "/etc/passwd", 7)
    memberships = _entries(root, "/etc/group", 4)
    uid, gid, name, home = _user(accounts, user or "0")
    if group:
        gid = _group(memberships, group)
        extra: set[int] = set()
    else:
        extra = {int(entry[2]) for entry in memberships if name and name in entry[3].split(",") and _is_id(entry[2])}
    extra.update(_group(memberships, added) for added in groups)
    extra.discard(gid)
    return uid, gid, tuple(sorted(extra)), home


def home_of(root: int, uid: int) -> str:
    """Return the home directory of `uid` in the container's passwd file, "/" where it has none."""
    return _user(_entries(root, "/etc/passwd", 7), str(uid))[3]


def _user(accounts: list[list[str]], text: str) -> tuple[int, int, str, str]:
    """Return uid, gid, name and home; a name that looks like a number is never looked up as a name."""
    if _DIGITS.issuperset(text):
        number = _id(text)
        for entry in accounts:
            if _is_id(entry[2]) and int(entry[2]) == number and _is_id(entry[3]):
                return number, int(entry[3]), entry[0], entry[5]
        return number, 0, "", "/"
    _check_name(text)
    for entry in accounts:
        if entry[0] == text and _is_id(entry[2]) and _is_id(entry[3]):
            return int(entry[2]), int(entry[3]), text, entry[5]
    raise UnknownUser(f"no user {text!r} in the container's /etc/passwd")


def _group(memberships: list[list[str]], text: str) -> int:
    if _DIGITS.issuperset(text):
        return _id(text)
    _check_name(text)
    for entry in memberships:
        if entry[0] == text and _is_id(entry[2]):
            return int(entry[2])
    raise UnknownUser(f"no group {text!r} in the container's /etc/group")


def _check_name(text: str) -> None:
    if not text or text[0] in "-+." or not _NAME_BYTES.issuperset(text):
        raise UnknownUser(f"{text!r} is neither a name nor a number")


def _is_id(text: str) -> bool:
    return bool(text) and _DIGITS.issuperset(text) and len(text) <= 10 and int(text) <= _LARGEST_ID


def _id(text: str) -> int:
    if not _is_id(text):
        raise UnknownUser(f"{text!r} is no id: the largest is {_LARGEST_ID}")
    return int(text)


def _entries(root: int, path: str, fields: int) -> list[list[str]]:
    """Return the colon-separated lines of a file in the container; none when there is no such file."""
    try:
        descriptor = open_in_root(root, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as err:  # a socket, a link that goes in circles
        raise UnknownUser(f"the container's {path} cannot be read: {err.strerror}") from err
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UnknownUser(f"the container's {path} is not a regular file")
        content = b""
        while block := os.read(descriptor, 1 << 16):
            content += block
            if len(content) > _LARGEST_FILE:
                raise UnknownUser(f"the container's {path} is larger than {_LARGEST_FILE >> 20} MiB")
    finally:
        os.close(descriptor)
    lines = content.decode("utf-8", "surrogateescape").splitlines()
    return [entry for line in lines if len(entry := line.split(":")) >= fields]
