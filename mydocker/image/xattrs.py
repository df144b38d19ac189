"""Which extended attributes belong to a file's content, and which are somebody's bookkeeping.

Kept are `security.capability`, POSIX ACLs and `user.*`. Left out are overlayfs' own notes (`trusted.overlay.*`, and
`user.overlay.*` of mounts without root), which would change what the overlay shows, and labels that only mean something
on the host where they were set (`security.selinux`, `security.ima`, other `trusted.*`).
"""

from __future__ import annotations

import errno
import os

from mydocker.errors import ImageError, StoreError

_KEPT = frozenset({"security.capability", "system.posix_acl_access", "system.posix_acl_default"})
OPAQUE = ("trusted.overlay.opaque", "user.overlay.opaque")
# Marks of overlayfs features that move content out of an upper directory; a commit cannot follow them.
_ELSEWHERE = ("trusted.overlay.redirect", "trusted.overlay.metacopy")

Xattrs = tuple[tuple[bytes, bytes], ...]


def is_content(name: str) -> bool:
    """Tell whether the attribute of this name is part of a layer."""
    return name in _KEPT or (name.startswith("user.") and not name.startswith("user.overlay."))


def read(target: int | bytes) -> Xattrs:
    """Return the attributes of content of an open file, or of a path whose last link is not followed, sorted."""
    names = _list(target)
    if not names:
        return ()
    found = [(os.fsencode(name), _get(target, name)) for name in names if is_content(name)]
    return tuple(sorted(found))


def is_opaque(target: int | bytes) -> bool:
    """Tell whether overlayfs would hide everything below this directory; raise `StoreError` for what it moved away."""
    names = _list(target)
    for name in _ELSEWHERE:
        if name in names:
            raise StoreError(
                "commit an overlay's upper directory",
                f"it has {name}: content that is somewhere else",
                "mount overlays with redirect_dir=off,metacopy=off",
            )
    return any(name in names and _get(target, name) == b"y" for name in OPAQUE)


def strip_overlay(fd: int) -> None:
    """Remove overlayfs' notes from a directory or file of an upper that becomes a snapshot."""
    for name in _list(fd):
        if ".overlay." in name and name.startswith(("trusted.overlay.", "user.overlay.")):
            os.removexattr(fd, name)


def write(target: int | bytes, xattrs: Xattrs, what: bytes) -> None:
    """Set attributes on an open file, or a path whose last link is not followed; those of no content are left out."""
    for key, value in xattrs:
        name = os.fsdecode(key)
        # The kernel takes an empty capability, and then neither gives it back nor lets the file be copied.
        if not is_content(name) or (not value and name == "security.capability"):
            continue
        try:
            os.setxattr(target, name, value, follow_symlinks=isinstance(target, int))
        except OSError as failed:
            shown = os.fsdecode(what)
            if failed.errno in (errno.ENOSPC, errno.E2BIG, errno.ERANGE, errno.ENAMETOOLONG):
                why = f"its extended attribute {name[:100]} ({len(value)} bytes) does not fit this file system"
                raise ImageError(f"unpack {shown}", why) from failed
            if failed.errno in (errno.EOPNOTSUPP, errno.EPERM, errno.EINVAL):
                why = f"its extended attribute {name[:100]} cannot be set here: {os.strerror(failed.errno).lower()}"
                raise StoreError(f"unpack {shown}", why, "is the store on a file system with xattrs?") from failed
            raise


def _list(target: int | bytes) -> list[str]:
    try:
        return os.listxattr(target, follow_symlinks=isinstance(target, int))
    except OSError as failed:
        if failed.errno == errno.EOPNOTSUPP:
            return []
        raise


def _get(target: int | bytes, name: str) -> bytes:
    return os.getxattr(target, name, follow_symlinks=isinstance(target, int))
