"""Mounts as descriptors: the mount API of Linux 5.2, its additions, and what does their work on older kernels.

A mount is made detached (`new_filesystem`, `clone`, `overlay`), gets its flags there (`set_attributes`) and is attached
last (`attach`): nobody ever sees it half made, and no path is looked up twice. Runs between clone and exec.
"""

from __future__ import annotations

import ctypes
import errno
import os

from mydocker.linux import libc
from mydocker.linux.lookup import magic_link

SYS_OPEN_TREE = 428
SYS_MOVE_MOUNT = 429
SYS_FSOPEN = 430
SYS_FSCONFIG = 431
SYS_FSMOUNT = 432
SYS_MOUNT_SETATTR = 442

# linux/mount.h: flags of mount(2)
MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_NOATIME = 0x400
MS_NODIRATIME = 0x800
MS_BIND = 0x1000
MS_REC = 0x4000
MS_UNBINDABLE = 1 << 17
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20
MS_STRICTATIME = 1 << 24
MNT_DETACH = 2

# linux/mount.h: flags of the descriptors' API
ATTR_RDONLY = 0x1
ATTR_NOSUID = 0x2
ATTR_NODEV = 0x4
ATTR_NOEXEC = 0x8
ATTR_NOATIME = 0x10
ATTR_STRICTATIME = 0x20
ATTR_NODIRATIME = 0x80
_ATTR_IDMAP = 0x00100000
_AT_RECURSIVE = 0x8000
_AT_EMPTY_PATH = 0x1000
_OPEN_TREE_CLONE = 1
_MOVE_FROM_EMPTY_PATH = 0x4
_MOVE_TO_EMPTY_PATH = 0x40
_FSCONFIG_SET_FLAG = 0
_FSCONFIG_SET_STRING = 1
_FSCONFIG_CREATE = 6
_FSCONFIG_LONGEST = 255
_CLONE_FS = 0x200

_ATTRIBUTE_TO_FLAG = (
    (ATTR_RDONLY, MS_RDONLY),
    (ATTR_NOSUID, MS_NOSUID),
    (ATTR_NODEV, MS_NODEV),
    (ATTR_NOEXEC, MS_NOEXEC),
    (ATTR_NOATIME, MS_NOATIME),
    (ATTR_STRICTATIME, MS_STRICTATIME),
    (ATTR_NODIRATIME, MS_NODIRATIME),
)

Option = tuple[str, str | None]


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def mount(source: str | None, target: str, filesystem: str | None, flags: int, data: str | None = None) -> None:
    """Make or change a mount."""
    encoded = [None if text is None else libc.encode(text) for text in (source, target, filesystem, data)]
    libc.call("mount", encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3], path=target)


def umount(target: str, flags: int = 0) -> None:
    """Take a mount away."""
    libc.call("umount2", libc.encode(target), flags, path=target)


def pivot_root(new_root: str, put_old: str) -> None:
    """Exchange the root directory for another mount."""
    libc.call("pivot_root", libc.encode(new_root), libc.encode(put_old), path=new_root)


def attach(mount_fd: int, target_fd: int, path: str = "") -> None:
    """Put a detached mount on the file or directory that `target_fd` is open on; `path` is for messages only."""
    libc.syscall(
        SYS_MOVE_MOUNT,
        "move_mount",
        mount_fd,
        b"",
        target_fd,
        b"",
        _MOVE_FROM_EMPTY_PATH | _MOVE_TO_EMPTY_PATH,
        path=path,
    )


def clone(descriptor: int, *, recursive: bool = False, path: str = "") -> int:
    """Return a detached copy (a bind mount) of what `descriptor` is open on; with its submounts when `recursive`."""
    flags = _OPEN_TREE_CLONE | _AT_EMPTY_PATH | os.O_CLOEXEC | (_AT_RECURSIVE if recursive else 0)
    return libc.syscall(SYS_OPEN_TREE, "open_tree", descriptor, b"", flags, path=path)


def set_attributes(
    mount_fd: int, *, add: int = 0, remove: int = 0, propagation: int = 0, recursive: bool = False
) -> None:
    """Change flags of the mount that `mount_fd` is the root of; raise OSError(ENOSYS) before Linux 5.12."""
    attributes = _MountAttributes(add, remove, propagation, 0)
    flags = _AT_EMPTY_PATH | (_AT_RECURSIVE if recursive else 0)
    libc.syscall(
        SYS_MOUNT_SETATTR, "mount_setattr", mount_fd, b"", flags, ctypes.byref(attributes), ctypes.sizeof(attributes)
    )


def map_ids(mount_fd: int, user_namespace: int, *, recursive: bool = False, path: str = "") -> None:
    """Let a detached mount show the ids of its files as that user namespace maps them (Linux 5.12, overlays 5.19)."""
    attributes = _MountAttributes(_ATTR_IDMAP, 0, 0, user_namespace)
    flags = _AT_EMPTY_PATH | (_AT_RECURSIVE if recursive else 0)
    size = ctypes.sizeof(attributes)
    libc.syscall(SYS_MOUNT_SETATTR, "mount_setattr", mount_fd, b"", flags, ctypes.byref(attributes), size, path=path)


def restrict(mount_fd: int, add: int, *, recursive: bool = False) -> None:
    """Add flags to an *attached* bind mount, on every kernel (before 5.12 its submounts keep theirs)."""
    try:
        set_attributes(mount_fd, add=add, recursive=recursive)
    except OSError as err:
        if err.errno != errno.ENOSYS:
            raise
        flags = sum(flag for attribute, flag in _ATTRIBUTE_TO_FLAG if add & attribute)
        kept = os.fstatvfs(mount_fd).f_flag & (
            MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME
        )
        mount(None, magic_link(mount_fd), None, MS_REMOUNT | MS_BIND | kept | flags)


def new_filesystem(kind: str, options: list[Option], attributes: int = 0, source: str | None = None) -> int:
    """Return a detached mount of a new file system of type `kind`; an option without a value is a flag."""
    context = libc.syscall(SYS_FSOPEN, "fsopen", libc.encode(kind), 1, path=kind)
    try:
        if source is not None:
            _configure(context, "source", source)
        for key, value in options:
            _configure(context, key, value)
        return _create(context, kind, attributes)
    finally:
        os.close(context)


def _configure(context: int, key: str, value: str | None) -> None:
    command = _FSCONFIG_SET_FLAG if value is None else _FSCONFIG_SET_STRING
    encoded = None if value is None else libc.encode(value)
    shown = key if value is None else f"{key}={value}"
    libc.syscall(SYS_FSCONFIG, "fsconfig", context, command, key.encode(), encoded, 0, path=shown)


def _create(context: int, kind: str, attributes: int) -> int:
    libc.syscall(SYS_FSCONFIG, "fsconfig", context, _FSCONFIG_CREATE, None, None, 0, path=kind)
    return libc.syscall(SYS_FSMOUNT, "fsmount", context, 1, attributes, path=kind)


def overlay(lower: list[int], upper: int | None, work: int | None, *, volatile: bool = False) -> int:
    """Return a detached overlay of open directories, topmost lower first; read-only without `upper` and `work`.

    The layers are named by descriptor, so their paths may be of any length and hold colons and commas. The upper
    directory stays plain (no redirects, no metadata-only copies): whoever reads it finds whole files, whiteouts and
    opaque directories only (Documentation/filesystems/overlayfs.rst). Safe to call from any thread.
    """
    options: list[Option] = []
    if upper is not None and work is not None:
        options += [("upperdir", magic_link(upper)), ("workdir", magic_link(work))]
        if volatile:
            options.append(("volatile", None))
    options += [("redirect_dir", "off"), ("metacopy", "off"), ("index", "off")]
    if _takes_layers_one_by_one():
        return new_filesystem("overlay", [("lowerdir+", magic_link(layer)) for layer in lower] + options)
    return _overlay_before_6_8(lower, options)


def _takes_layers_one_by_one() -> bool:
    """Tell whether this kernel has overlayfs's `lowerdir+` (6.8).

    Trying would not tell: before 6.5 options are only looked at when the mount is made, and it complains in its log.
    """
    major, minor = (int(part) for part in os.uname().release.split(".")[:2])
    return (major, minor) >= (6, 8)


def most_layers() -> int:
    """Return how many layers this kernel surely stacks: 500 since `lowerdir+` (6.8), else what one option can name."""
    return 450 if _takes_layers_one_by_one() else 50


def _overlay_before_6_8(lower: list[int], options: list[Option]) -> int:
    """Name all layers in one option of at most 255 characters: bare numbers, looked up from /proc/self/fd.

    The lookup happens in the working directory, which belongs to the whole process: a thread takes one of its own.
    """
    names = ":".join(str(layer) for layer in lower)
    if len(names) > _FSCONFIG_LONGEST:
        raise OSError(errno.E2BIG, f"this kernel cannot stack {len(lower)} layers", "overlay")
    import threading

    made: list[int] = []
    failed: list[OSError] = []

    def stack() -> None:
        try:
            libc.call("unshare", _CLONE_FS)
            os.chdir("/proc/self/fd")
            made.append(new_filesystem("overlay", [("lowerdir", names), *options]))
        except OSError as err:
            failed.append(err)

    thread = threading.Thread(target=stack)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return made[0]
