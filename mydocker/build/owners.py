"""Owners for new files: --chown and WORKDIR's user, looked up in the image's own files.

BuildKit's rules (solver/llbsolver/file/user_linux.go): a user by name brings its own group, a number without a group is
both user and group, and a name that the image does not know is root. The last is a trap, so it is told.
"""

from __future__ import annotations

from mydocker.events import Notice
from mydocker.runtime.identity import UnknownUser, resolve
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.events import Reporter


def owner_of(root: int, text: str, reporter: Reporter) -> tuple[int, int]:
    """Return the (uid, gid) that `user[:group]` means in the root directory `root`."""
    user, _, group = text.partition(":")
    uid, gid = _look_up(root, user, reporter)
    if user.isdecimal():
        gid = uid
    if group:
        gid = _look_up(root, f"0:{group}", reporter)[1]
    return uid, gid


def _look_up(root: int, text: str, reporter: Reporter) -> tuple[int, int]:
    try:
        uid, gid, _, _ = resolve(root, text)
    except UnknownUser as error:
        reporter(Notice(f"{error}: taken as root (0)", "warning"))
        return 0, 0
    return uid, gid
