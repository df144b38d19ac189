"""The init layer: the mount points that a container needs and its image lacks.

Mounting over /proc needs a directory /proc. Made in the merged root it would end up in the upper directory, and so in
the next image. It is made in a layer of its own instead, put between the image and the upper directory (docker's word
for it is init layer). Directories above a stub are copied with their owner, mode and times, because overlayfs shows a
merged directory with the attributes of its topmost layer.

A directory that the container made itself hides that layer. A mount point missing in one is made in the upper directory
then, noted, and taken away again after the run.

What is missing is looked up in a read-only overlay of everything below, with one component after the other opened by
descriptor, before anything of the container runs. Runs between clone and exec: imports os and stat only.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from mydocker.linux.files import is_whiteout
from mydocker.linux.lookup import magic_link, open_no_links

_MOST_LINKS = 40
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_REPLACED = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)  # the container has something else there now

Stub = tuple[str, bool]  # path in the container, is it a directory


def complete(root: int, layer: int, stubs: tuple[Stub, ...]) -> list[str]:
    """Make in the directory `layer` whatever of `stubs` does not exist below `root`; both may be the same.

    Return what was missing, outer directories before inner ones.
    """
    made: list[str] = []
    for path, is_directory in stubs:
        place = _find_missing(root, path)
        if place is not None:
            present, missing = place
            _make(root, layer, present, missing, is_directory)
            made += ["/".join([*present, *missing[:count]]) for count in range(1, len(missing) + 1)]
    return made


def note(path: str, made: list[str]) -> None:
    """Write down what was made, for `take_back`."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, b"".join(os.fsencode(each) + b"\0" for each in made))
    finally:
        os.close(descriptor)


def take_back(path: str, layer: str) -> None:
    """Remove from the directory `layer` what was noted in the file `path`, as far as it still is empty; then the note.

    For layers that nobody changes now. Nothing is done where there is no note.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    with os.fdopen(descriptor, "rb") as file:
        names = [os.fsdecode(name) for name in file.read().split(b"\0") if name]
    top = os.open(layer, _DIRECTORY)
    try:
        for name in reversed(names):
            try:
                _remove_empty(top, name)
            except OSError as err:
                if err.errno not in _REPLACED:
                    raise
    finally:
        os.close(top)
    os.unlink(path)


def _remove_empty(top: int, name: str) -> None:
    above, _, last = name.rpartition("/")
    parent = open_no_links(top, above)
    try:
        facts = os.stat(last, dir_fd=parent, follow_symlinks=False)
        if stat.S_ISDIR(facts.st_mode):
            with contextlib.suppress(OSError):  # not empty: the container has put something there
                os.rmdir(last, dir_fd=parent)
        elif stat.S_ISREG(facts.st_mode) and facts.st_size == 0:
            os.unlink(last, dir_fd=parent)
    finally:
        os.close(parent)


def _find_missing(root: int, path: str) -> tuple[list[str], list[str]] | None:
    """Walk `path` in `root`; return None where it exists, else the real components that do and those that do not.

    Symbolic links are followed as inside the root. A dangling one counts as missing where it points to.
    """
    done: list[str] = []
    left = _split(path)
    links = 0
    while left:
        name = left.pop(0)
        if name == "..":
            done = done[:-1]
            continue
        facts = _stat(root, [*done, name])
        if facts is None:
            return done, [name, *(part for part in left if part != "..")]
        if stat.S_ISLNK(facts.st_mode):
            links += 1
            if links > _MOST_LINKS:
                raise OSError(40, "too many levels of symbolic links", path)
            target = os.readlink("/".join([*done, name]), dir_fd=root)
            done = [] if target.startswith("/") else done
            left = _split(target) + left
            continue
        done.append(name)
    return None


def _split(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _stat(root: int, parts: list[str]) -> os.stat_result | None:
    # Every component but the last is a real directory, found so by an earlier step of the walk; nothing else runs here.
    try:
        facts = os.stat("/".join(parts), dir_fd=root, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return None if is_whiteout(facts) else facts  # of a layer that is looked at without an overlay


def _make(root: int, layer: int, present: list[str], missing: list[str], is_directory: bool) -> None:
    above = ["/".join(present[:depth]) for depth in range(1, len(present) + 1)]
    facts = [os.stat(path, dir_fd=root, follow_symlinks=False) for path in above]
    here = os.open(".", _DIRECTORY, dir_fd=layer)
    try:
        for path, each in zip(above, facts, strict=True):
            here = _enter(here, path.rpartition("/")[2])
            _copy_attributes(root, path, each, here)
        for name in missing[:-1]:
            here = _enter(here, name)
        # It may be there from an earlier run, hidden by what the container put above it.
        with contextlib.suppress(FileExistsError):
            if is_directory:
                os.mkdir(missing[-1], 0o755, dir_fd=here)
            else:
                os.close(os.open(missing[-1], os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644, dir_fd=here))
    finally:
        os.close(here)
    for path, each in zip(above, facts, strict=True):  # once everything in them is made
        os.utime(path, ns=(each.st_atime_ns, each.st_mtime_ns), dir_fd=layer, follow_symlinks=False)


def _enter(parent: int, name: str) -> int:
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o755, dir_fd=parent)
    try:
        return os.open(name, _DIRECTORY, dir_fd=parent)
    finally:
        os.close(parent)


def _copy_attributes(root: int, path: str, facts: os.stat_result, target: int) -> None:
    if os.path.samestat(facts, os.fstat(target)):
        return
    os.fchown(target, facts.st_uid, facts.st_gid)
    os.fchmod(target, stat.S_IMODE(facts.st_mode))
    source = os.open(path, os.O_PATH | os.O_CLOEXEC, dir_fd=root)
    try:
        for name in os.listxattr(magic_link(source)):
            if not name.startswith(("trusted.overlay.", "user.overlay.")):
                os.setxattr(target, name, os.getxattr(magic_link(source), name))
    finally:
        os.close(source)
