"""Fingerprints: whether anything below a directory may have changed, told from names, modes and stamps alone.

One stat(2) for each entry and no read. Equal fingerprints mean equal content, as long as every stamp was old enough
when it was seen that a later change would have given another one.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time

from mydocker.build.cache import RACY_NANOSECONDS
from mydocker.build.tree import sorted_names
from mydocker.linux.lookup import open_in_root
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mydocker.build.tree import Tree


class Fingerprint(NamedTuple):
    """A digest over names, modes and stamps; `lasts` when a change from now on is certain to give another one."""

    digest: str
    lasts: bool


def fingerprint(tree: Tree, path: str) -> Fingerprint:
    """Return the fingerprint of what `tree` shows at `path` (links in it followed) and below.

    It is the empty one where nothing is there, or something went meanwhile.
    """
    oldest_doubtful = time.time_ns() - RACY_NANOSECONDS
    try:
        digest, newest = _taken(tree, tree.resolve(path))
    except (FileNotFoundError, NotADirectoryError):
        return Fingerprint("", False)
    return Fingerprint(digest, bool(digest) and newest < oldest_doubtful)


def _taken(tree: Tree, place: str) -> tuple[str, int]:
    """Return the digest, and the newest of all times that went into it."""
    root = tree.entry(place)
    if root is None:
        return "", 0
    running = hashlib.sha256(f"{place}\0{root.mode:o}".encode("utf-8", "surrogateescape"))
    if not root.is_dir:
        running.update(f"\0{root.stamp}".encode())
        return running.hexdigest(), max(root.mtime, root.ctime)
    below, newest = [place], 0
    while below:
        directory = below.pop()
        rows, times = _look(tree, directory, below)
        newest = max(newest, times)
        running.update(f"{directory}\0{rows}\0".encode("utf-8", "surrogateescape"))
    return running.hexdigest(), newest


def _look(tree: Tree, directory: str, below: list[str]) -> tuple[str, int]:
    """Return a directory's entries as text and the newest of their times; add its subdirectories to `below`.

    A subdirectory counts with its mode: what changes its times shows in its own entries.
    """
    fd = open_in_root(tree.fd, directory or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    prefix = f"{directory}/" if directory else ""
    rows: list[str] = []
    newest = 0
    try:
        for name in sorted_names(fd):
            if tree.ignore is not None and tree.hides(prefix + name):
                continue
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            mode = status.st_mode
            if stat.S_ISDIR(mode):
                rows.append(f"{name}/{mode}")
                below.append(prefix + name)
                continue
            mtime, ctime = status.st_mtime_ns, status.st_ctime_ns
            if mtime > newest or ctime > newest:
                newest = max(mtime, ctime)
            # A name has no slash in it, so no two rows look alike.
            rows.append(f"{name}/{mode} {status.st_dev} {status.st_ino} {status.st_size} {mtime} {ctime}")
    finally:
        os.close(fd)
    return "\0".join(rows), newest
