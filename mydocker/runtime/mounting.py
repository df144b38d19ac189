"""The child's side of mounts: the root file system, what is mounted into it, what is hidden in it.

Every target is a descriptor, opened inside the container's root by openat2(2); every mount is made detached and moved
onto that descriptor. So no symbolic link of an image or a volume, and no other container that swaps one meanwhile,
decides where something is mounted (CVE-2019-16884, 2021-30465, 2023-27561, 2024-45310, 2025-31133).
Runs between clone and exec: imports os, stat and errno only.
"""

from __future__ import annotations

import errno
import os
import stat

from mydocker.linux import mounts, namespaces
from mydocker.linux.files import RESOLVE_IN_ROOT, openat2
from mydocker.linux.lookup import file_system_type, magic_link, open_in_root, open_no_links
from mydocker.runtime import stubs

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_PROC_MAGIC = 0x9FA0
_SYSFS_MAGIC = 0x62656572
_NULL = os.makedev(1, 3)
# What may be mounted inside procfs: files that tools like lxcfs replace (runc's list in checkProcMount).
_PROC_FILES = frozenset(
    f"/proc/{name}"
    for name in [
        "cpuinfo",
        "diskstats",
        "meminfo",
        "stat",
        "swaps",
        "uptime",
        "loadavg",
        "slabinfo",
        "net/dev",
        "sys/kernel/ns_last_pid",
    ]
)

Request = tuple[str, str, str, int, int, tuple[tuple[str, str | None], ...], bool, bool]


def overlay_root(lower: tuple[str, ...], upper: str, work: str, init: str, missing: tuple[stubs.Stub, ...]) -> int:
    """Return a detached overlay of `init` and `lower` below `upper`, all of `missing` provided for.

    They are made in `init`; those that would be hidden there in `upper`, and noted in the file beside it, `stubs`.
    """
    opened: list[int] = []

    def directory(path: str) -> int:
        opened.append(os.open(path, _DIRECTORY))
        return opened[-1]

    try:
        top, scratch, layer = (
            directory(upper),
            directory(work),
            os.open(init, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC),
        )
        opened.append(layer)
        layers = [layer, *(directory(path) for path in lower)]
        if missing:
            made = _complete([top, *layers], layer, missing)
            if made and os.listdir(upper):
                hidden = _complete([top, *layers], top, missing)
                if hidden:
                    stubs.note(f"{os.path.dirname(init)}/stubs", hidden)
        return mounts.overlay(layers, top, scratch)
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _complete(layers: list[int], layer: int, missing: tuple[stubs.Stub, ...]) -> list[str]:
    filled = [each for each in layers if os.listdir(magic_link(each))]
    # One directory alone shows what an overlay would. Without that one the start is 0.2 ms shorter, and 2 on a busy
    # machine, because its end waits for all processors.
    probe = os.dup(filled[0]) if len(filled) == 1 else mounts.overlay(layers, None, None)
    try:
        return stubs.complete(probe, layer, missing)
    finally:
        os.close(probe)


def directory_root(path: str, missing: tuple[stubs.Stub, ...]) -> int:
    """Return a detached bind mount of the directory `path`; `missing` mount points are made in it, as runc does."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        stubs.complete(directory, directory, missing)
        return mounts.clone(directory, recursive=True, path=path)
    finally:
        os.close(directory)


def mount(root: int, request: Request, made: dict[str, int] | None = None) -> None:
    """Mount one entry of the document's `mounts`; see `mydocker.runtime.entries` for the fields of a request.

    `made` are mounts that were made in advance, by target.
    """
    target, kind, source, attributes, propagation, options, recursive, is_directory = request
    if made and target in made:
        tree = made.pop(target)
    elif kind == "bind":
        tree = bind(source, recursive)
    else:
        tree = mounts.new_filesystem(kind, list(options), attributes, source or kind)
    try:
        _attach_checked(root, tree, target, kind, is_directory)
        if kind == "bind" and attributes:
            mounts.restrict(tree, attributes, recursive=recursive)
        if propagation:
            mounts.mount(None, magic_link(tree), None, propagation)
    finally:
        os.close(tree)


def bind(source: str, recursive: bool) -> int:
    """Return a detached copy of what lies at `source`; below /proc/PID/root that is in another mount namespace."""
    parts = source.split("/", 4)
    if parts[:2] == ["", "proc"] and parts[3:4] == ["root"] and parts[2].isdecimal():
        return _borrow(int(parts[2]), parts[4] if len(parts) > 4 else ".", recursive)
    opened = os.open(source, os.O_PATH | os.O_CLOEXEC)
    try:
        return mounts.clone(opened, recursive=recursive, path=source)
    finally:
        os.close(opened)


def _borrow(pid: int, path: str, recursive: bool) -> int:
    """Copy a mount of a process's mount namespace: it can be done only in there, so go in, and come back."""
    own = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        root = os.open(f"/proc/{pid}/root", _DIRECTORY)
        namespaces.join(f"/proc/{pid}/ns/mnt", namespaces.CLONE_NEWNS)
        try:
            opened = open_in_root(root, path)
            tree = mounts.clone(opened, recursive=recursive, path=path)
            os.close(opened)
            return tree
        finally:
            namespaces.setns(own, namespaces.CLONE_NEWNS)
            os.close(root)
    finally:
        os.close(own)


def _attach_checked(root: int, tree: int, target: str, kind: str, is_directory: bool) -> None:
    # A link here would put the real procfs elsewhere, and leave a false one for everything that trusts /proc.
    kernels = kind in ("proc", "sysfs")
    place = open_no_links(root, target) if kernels else open_or_make(root, target, is_directory)
    try:
        if not kernels and file_system_type(place) == _PROC_MAGIC and target not in _PROC_FILES:
            raise OSError(errno.EPERM, "nothing may be mounted inside procfs", target)
        mounts.attach(tree, place, target)
    finally:
        os.close(place)


def restrict(root: int, path: str, attributes: int) -> None:
    """Add flags to the mount at `path`."""
    place = open_no_links(root, path)
    try:
        mounts.restrict(place, attributes)
    finally:
        os.close(place)


def open_or_make(root: int, path: str, is_directory: bool) -> int:
    """Return a descriptor of `path` inside `root`, made with its parents where it is missing, never outside."""
    try:
        return open_in_root(root, path)
    except FileNotFoundError:
        pass
    parent, _, name = path.rstrip("/").rpartition("/")
    above = open_or_make(root, parent or "/", True)
    try:
        if is_directory:
            os.mkdir(name, 0o755, dir_fd=above)
        else:
            os.close(openat2(above, name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644, resolve=RESOLVE_IN_ROOT))
    except FileExistsError:
        pass  # somebody who shares this volume was faster, or a dangling link: the next lookup tells
    finally:
        os.close(above)
    return open_in_root(root, path)


def device(root: int, path: str, kind: str, major: int, minor: int, mode: int, uid: int, gid: int) -> None:
    """Make a device node in the container's /dev, which is a file system of its own."""
    parent, _, name = path.rpartition("/")
    above = open_or_make(root, parent or "/", True)
    try:
        format_bits = {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}[kind]
        os.mknod(name, format_bits | mode, os.makedev(major, minor), dir_fd=above)
        made = open_no_links(above, name)
        try:
            os.chown(magic_link(made), uid, gid)
            os.chmod(magic_link(made), mode)
        finally:
            os.close(made)
    finally:
        os.close(above)


def link(root: int, target: str, path: str) -> None:
    """Make the symbolic link `path` -> `target` in the container's /dev."""
    parent, _, name = path.rpartition("/")
    above = open_or_make(root, parent or "/", True)
    try:
        os.symlink(target, name, dir_fd=above)
    finally:
        os.close(above)


def mask(root: int, paths: tuple[str, ...]) -> None:
    """Hide paths: a file behind the host's /dev/null, a directory behind an empty read-only file system."""
    null = os.open("/dev/null", os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    empty = -1
    try:
        if os.fstat(null).st_rdev != _NULL:
            raise OSError(errno.ENODEV, "not the null device", "/dev/null")
        for path in paths:
            place = _open_kernel_path(root, path)
            if place is None:
                continue
            if not stat.S_ISDIR(os.fstat(place).st_mode):
                tree = mounts.clone(null)
            elif empty < 0:
                # The first one is attached itself: before 6.15 there are no copies of what is attached nowhere.
                empty = mounts.new_filesystem("tmpfs", [("size", "0"), ("mode", "755")], mounts.ATTR_RDONLY)
                tree = os.dup(empty)
            else:
                tree = mounts.clone(empty)
            mounts.attach(tree, place, path)
            os.close(tree)
            os.close(place)
    finally:
        os.close(null)
        if empty >= 0:
            os.close(empty)


def make_readonly(root: int, paths: tuple[str, ...]) -> None:
    """Put each path that exists behind a read-only bind mount of itself."""
    for path in paths:
        place = _open_kernel_path(root, path)
        if place is None:
            continue
        tree = mounts.clone(place, recursive=True, path=path)
        mounts.attach(tree, place, path)
        mounts.restrict(tree, mounts.ATTR_RDONLY, recursive=True)
        os.close(tree)
        os.close(place)


def _open_kernel_path(root: int, path: str) -> int | None:
    """Open a path to be hidden; what lies under /proc or /sys has to be the kernel's own file system there."""
    try:
        place = open_no_links(root, path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    for top, wanted in (("/proc", _PROC_MAGIC), ("/sys", _SYSFS_MAGIC)):
        if path.startswith(top + "/"):
            base = open_no_links(root, top)
            try:
                if file_system_type(base) != wanted:
                    raise OSError(errno.EPERM, "not the kernel's file system", top)
            finally:
                os.close(base)
    return place


def write_sysctl(root: int, key: str, value: str) -> None:
    """Write a kernel parameter through the container's own procfs, checked to be one (CVE-2025-52881)."""
    path = "/proc/sys/" + key.replace(".", "/")
    descriptor = open_no_links(root, path, os.O_WRONLY)
    try:
        if file_system_type(descriptor) != _PROC_MAGIC:
            raise OSError(errno.EPERM, "not a file of procfs", path)
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)


def pivot(root: int, propagation: int, read_only: bool) -> None:
    """Make the mount that `root` is open on the root directory, drop the old one, enter it."""
    old = os.open("/", _DIRECTORY)
    os.fchdir(root)
    mounts.pivot_root(".", ".")
    # The old root now lies over the new one; slave first, so that taking it away reaches nobody else.
    os.fchdir(old)
    mounts.mount(None, ".", None, mounts.MS_SLAVE | mounts.MS_REC)
    mounts.umount(".", mounts.MNT_DETACH)
    os.close(old)
    os.chdir("/")
    if propagation:
        mounts.mount(None, "/", None, propagation)
    if read_only:
        top = os.open("/", _DIRECTORY)
        mounts.restrict(top, mounts.ATTR_RDONLY)
        os.close(top)
