"""Random directory trees for tests of copying: the same seed makes the same tree."""

from __future__ import annotations

import os
import random
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_NAMES = ["a", "b", "B", "a.txt", "a-b", "ü", "z" * 120, "\udcff\udc80", "-", "with space", "Dockerfile.old"]


def grow(root: Path, seed: int, *, special: bool = False) -> None:
    """Make a tree below the directory `root`; with `special`, devices, pipes, owners and attributes too."""
    dice = random.Random(seed)
    directories = [root]
    files: list[Path] = []
    for _ in range(dice.randrange(5, 40)):
        path = dice.choice(directories) / dice.choice(_NAMES)
        if os.path.lexists(path) or len(os.fsencode(path)) > 1500:
            continue
        _make(path, dice, directories, files, special)
        if special and not path.is_symlink():
            os.chown(path, dice.choice([0, 1000]), dice.choice([0, 50]))
            os.chmod(path, dice.choice([0o644, 0o755, 0o600, 0o4755, 0o1777]))
            if stat.S_ISREG(os.lstat(path).st_mode):
                os.setxattr(path, "user.tests", b"value")


def _make(path: Path, dice: random.Random, directories: list[Path], files: list[Path], special: bool) -> None:
    kind = dice.choice(
        ["file", "file", "file", "directory", "directory", "link", "hard", *(["pipe", "device"] * special)]
    )
    if kind == "directory":
        path.mkdir(mode=dice.choice([0o755, 0o700]))
        directories.append(path)
    elif kind == "link":
        path.symlink_to(dice.choice(["a", "../x", "/etc/passwd", "nowhere"]))
    elif kind == "hard" and files:
        os.link(dice.choice(files), path)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, dice.choice([3, 5])))
    else:
        path.write_bytes(_content(dice))
        path.chmod(dice.choice([0o644, 0o755, 0o600]))
        if dice.random() < 0.1:
            os.truncate(path, 3_000_000)  # sparse, and larger than what is copied in one piece
        files.append(path)


def _content(dice: random.Random) -> bytes:
    return dice.randbytes(dice.choice([0, 1, 511, 512, 513, 5000, 1 << 20]))


def listing(root: Path) -> list[tuple[object, ...]]:
    """Return what a snapshot is: every name with its mode, owner, times, content and shared inode."""
    found: list[tuple[object, ...]] = []
    inodes: dict[int, str] = {}
    for directory, names, others in os.walk(root):
        names.sort()
        for name in sorted([*names, *others, "."]):
            path = os.path.join(directory, name)
            facts = os.lstat(path)
            content: object = facts.st_rdev
            if stat.S_ISREG(facts.st_mode):
                with open(path, "rb") as file:
                    content = file.read()
            elif stat.S_ISLNK(facts.st_mode):
                content = os.readlink(path)
            first = inodes.setdefault(facts.st_ino, path) if facts.st_nlink > 1 and not names else path
            attributes = [(each, os.getxattr(path, each)) for each in os.listxattr(path)] if "user" in path else []
            found.append((
                os.path.relpath(path, root), os.path.relpath(first, root), facts.st_mode, facts.st_uid, facts.st_gid,
                facts.st_mtime_ns, content, attributes,
            ))  # fmt: skip
    return found
