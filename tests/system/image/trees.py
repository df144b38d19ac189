"""Trees: make difficult ones, and tell everything about them that a layer has to keep."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import NamedTuple

CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")
ACL = bytes.fromhex("02000000 01000600ffffffff 02000700e8030000 04000400ffffffff 10000700ffffffff 20000400ffffffff")


class Fact(NamedTuple):
    kind: str
    mode: int
    uid: int
    gid: int
    mtime: int
    content: str
    device: tuple[int, int]
    xattrs: tuple[tuple[str, bytes], ...]
    links: tuple[str, ...]


def describe(root: str | os.PathLike[str], *, times: bool = True) -> dict[str, Fact]:
    """Everything below `root`, by path: kind, mode, owner, time in seconds, content, device, xattrs, other names."""
    found: dict[str, os.stat_result] = {}
    for directory, subdirectories, entries in os.walk(os.fsencode(root)):
        for entry in subdirectories + entries:
            path = os.path.join(directory, entry)
            found[os.fsdecode(os.path.relpath(path, os.fsencode(root)))] = os.lstat(path)
    inodes: dict[int, list[str]] = {}
    for name, facts in found.items():
        if not stat.S_ISDIR(facts.st_mode):
            inodes.setdefault(facts.st_ino, []).append(name)
    return {
        name: _fact(os.path.join(os.fspath(root), name), facts, tuple(sorted(inodes.get(facts.st_ino, ()))), times)
        for name, facts in sorted(found.items())
    }


def _fact(path: str, facts: os.stat_result, links: tuple[str, ...], times: bool) -> Fact:
    content = ""
    if stat.S_ISREG(facts.st_mode):
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
        content = f"{facts.st_size}:{digest.hexdigest()}"
    elif stat.S_ISLNK(facts.st_mode):
        content = os.readlink(path)
    names = os.listxattr(path, follow_symlinks=False)
    return Fact(
        kind=chr(stat.filemode(facts.st_mode).encode()[0]),
        mode=stat.S_IMODE(facts.st_mode),
        uid=facts.st_uid,
        gid=facts.st_gid,
        mtime=int(facts.st_mtime_ns // 10**9) if times else 0,
        content=content,
        device=(os.major(facts.st_rdev), os.minor(facts.st_rdev)),
        xattrs=tuple(sorted((name, os.getxattr(path, name, follow_symlinks=False)) for name in names)),
        links=links if len(links) > 1 else (),
    )


def make_museum(root: str) -> None:
    """Fill `root` with what layers get wrong: kinds, bits, owners, names, sizes, links, attributes, times."""
    write(f"{root}/etc/motd", b"hello\n", 0o644)
    write(f"{root}/bin/su", b"#!\n", 0o6755)
    write(f"{root}/bin/ping", b"#!\n", 0o755)
    os.setxattr(f"{root}/bin/ping", "security.capability", CAPABILITY)
    write(f"{root}/acl", b"x", 0o664)
    os.setxattr(f"{root}/acl", "system.posix_acl_access", ACL)
    write(f"{root}/attributes", b"", 0o600)
    os.setxattr(f"{root}/attributes", "user.empty", b"")
    os.setxattr(f"{root}/attributes", "user.b=in ary\n", bytes(range(256)))
    os.mkdir(f"{root}/sticky")
    os.chmod(f"{root}/sticky", 0o1777)
    os.mkdir(f"{root}/group")
    os.chown(f"{root}/group", 0, 4000)
    os.chmod(f"{root}/group", 0o2775)
    write(f"{root}/group/inside", b"mine", 0o640)
    os.chown(f"{root}/group/inside", 7, 0)
    write(f"{root}/owned", b"x", 0o600)
    os.chown(f"{root}/owned", 3_000_000_000, 2_097_152)
    os.mkfifo(f"{root}/fifo")
    os.chmod(f"{root}/fifo", 0o622)
    os.mknod(f"{root}/null", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    os.chmod(f"{root}/null", 0o666)
    os.mknod(f"{root}/disk", stat.S_IFBLK | 0o600, os.makedev(259, 1048575))
    os.symlink("/etc/motd", f"{root}/absolute")
    os.symlink("../" * 60 + "etc/passwd", f"{root}/long-link-" + "l" * 90)
    os.symlink("nowhere", f"{root}/dangling")
    os.chown(f"{root}/dangling", 12, 13, follow_symlinks=False)
    os.link(f"{root}/etc/motd", f"{root}/a-first-name")
    os.link(f"{root}/etc/motd", f"{root}/zz-last-name")
    os.link(f"{root}/fifo", f"{root}/fifo-again")
    for name in (b"caf\xc3\xa9", b"latin-\xe9", b"new\nline", b"tab\t", b"-rf", b" ", b"\xff\xfe", "日本".encode()):
        write_bytes(os.fsencode(root) + b"/names/" + name, name)
    for length in (98, 99, 100, 101, 154, 155, 156, 255):
        write(f"{root}/{'n' * length}", str(length).encode(), 0o644)
    deep = f"{root}/" + "/".join("d" * 60 for _ in range(8))
    write(f"{deep}/{'f' * 120}", b"deep", 0o644)
    write_sparse(f"{root}/sparse", 50 * 2**20)
    write(f"{root}/big", b"b" * (3 * 2**20 + 7), 0o644)
    write(f"{root}/exact", b"e" * 512, 0o644)
    os.makedirs(f"{root}/empty/deeper")
    _set_times(root)


def write(path: str, data: bytes, mode: int) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, mode)


def write_bytes(path: bytes, data: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def write_sparse(path: str, size: int) -> None:
    with open(path, "wb") as file:
        file.truncate(size)
        file.seek(10 * 2**20)
        file.write(b"island")
        file.seek(size - 5)
        file.write(b"shore")


def _set_times(root: str) -> None:
    moment = 1_000_000_000
    for directory, subdirectories, names in os.walk(os.fsencode(root), topdown=False):
        for name in sorted(names + subdirectories):
            moment += 61
            os.utime(os.path.join(directory, name), ns=(moment * 10**9,) * 2, follow_symlinks=False)
    os.utime(f"{root}/exact", ns=(-(10**9) * 86400,) * 2)
    os.utime(root, ns=(moment * 10**9,) * 2)
