"""Names of containers: which words may be one, who has it, what a user's word stands for.

A name is a link in the folder `names` to the container's id, made by one system call: so it belongs to one container.
"""

from __future__ import annotations

import os
from contextlib import suppress

from mydocker.errors import NameTaken, NotFound, UsageError
from mydocker.runtime.bundle import Bundle, bundles

_FIRST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_REST = _FIRST | frozenset("_.-")
_HEX = frozenset("0123456789abcdef")
_LONGEST = 128
_WHOLE = 64  # digits of an id: what has them all is found without reading the names of all the others


def check(name: str) -> None:
    """Raise UsageError for what cannot be a container's name: no path, nothing that drives a terminal."""
    if not _is_name(name):
        raise UsageError(
            f"{name!r} cannot be a container's name", hint="letters, digits, and after the first one also _ . -"
        )


def _is_name(text: str) -> bool:
    return bool(text) and text[0] in _FIRST and _REST.issuperset(text) and len(text) <= _LONGEST


def take(top: str, name: str, identifier: str) -> None:
    """Give the container `identifier` a name. Raise NameTaken."""
    try:
        os.symlink(identifier, f"{top}/names/{name}")
    except FileExistsError:
        owner = os.readlink(f"{top}/names/{name}")
        if not os.path.exists(f"{top}/{owner}"):  # its owner was removed by a process that was killed
            give_back(top, name, owner)
            return take(top, name, identifier)
        raise NameTaken(
            f"the name {name} is taken",
            f"by container {owner[:12]}",
            f"remove that one first: mydocker remove {name}",
        ) from None


def give_back(top: str, name: str, identifier: str) -> None:
    """Let a name go, if it is still this container's."""
    path = f"{top}/names/{name}"
    with suppress(FileNotFoundError):
        if os.readlink(path) == identifier:
            os.unlink(path)


def find(top: str, reference: str) -> Bundle:
    """Return the bundle that `reference` names: a name, an id, or the unique beginning of one.

    Raise NotFound for none, UsageError for several.
    """
    if _is_name(reference):
        with suppress(FileNotFoundError):
            return Bundle(top, os.readlink(f"{top}/names/{reference}"))
    if len(reference) == _WHOLE and _HEX.issuperset(reference) and os.path.isdir(f"{top}/{reference}"):
        return Bundle(top, reference)
    found = []
    if reference and _HEX.issuperset(reference):
        found = [bundle for bundle in bundles(top) if bundle.id.startswith(reference)]
    if not found:
        raise NotFound(f"no such container: {reference}", hint="`mydocker ps` lists all containers")
    if len(found) > 1:
        raise UsageError(f"{reference} is the beginning of {len(found)} container ids", hint="give more digits")
    return found[0]
