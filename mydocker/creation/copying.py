"""Copying between a container and the host (`cp`), by descriptors on both sides.

A path in the container is looked up as the container would, inside its root, whoever changes it meanwhile
(CVE-2018-15664, CVE-2019-10152): the kernel walks it in one go, and the copy works on what was opened.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from mydocker.errors import NotFound, UsageError
from mydocker.image.copy import copy_node, copy_tree
from mydocker.linux.files import RESOLVE_IN_ROOT, RESOLVE_NO_SYMLINKS, openat2, remove_tree

if TYPE_CHECKING:
    from mydocker.runtime.containers import Containers

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def copy_out(containers: Containers, reference: str, path: str, target: str) -> None:
    """Copy a file or directory of a container to the host; into `target` if that is a directory, else as `target`."""
    with containers.rootfs_fd(reference, volumes=True) as root:
        parent, name = _open_parent(root, path)
        try:
            into, new_name = _host_place(target, name)
            try:
                _copy(parent, name, into, new_name)
            finally:
                os.close(into)
        finally:
            os.close(parent)


def copy_in(containers: Containers, source: str, reference: str, path: str) -> None:
    """Copy a file or directory of the host into a container; into `path` if that is a directory there, else as it."""
    whole = os.path.abspath(source)
    if not os.path.lexists(whole):
        raise NotFound(f"no such file: {source}")
    parent = os.open(os.path.dirname(whole), _DIRECTORY)
    try:
        with containers.rootfs_fd(reference, volumes=True, writing=True) as root:
            into, name = _container_place(root, path, os.path.basename(whole))
            try:
                _copy(parent, os.path.basename(whole), into, name)
            finally:
                os.close(into)
    finally:
        os.close(parent)


def _copy(parent: int, name: str, into: int, new_name: str) -> None:
    """Copy one entry; what is in the way of a file is replaced, directories are not merged into others."""
    facts = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if not stat.S_ISDIR(facts.st_mode):
        remove_tree(into, os.fsencode(new_name))
        copy_node(parent, os.fsencode(name), into, os.fsencode(new_name))
        return
    source = openat2(parent, name, _DIRECTORY, resolve=RESOLVE_NO_SYMLINKS)
    try:
        try:
            os.mkdir(new_name, 0o700, dir_fd=into)
        except FileExistsError:
            raise UsageError(f"{new_name} exists already", hint="give another target") from None
        target = openat2(into, new_name, _DIRECTORY, resolve=RESOLVE_NO_SYMLINKS)
        try:
            copy_tree(source, target)
        finally:
            os.close(target)
    finally:
        os.close(source)


def _open_parent(root: int, path: str) -> tuple[int, str]:
    """Return the directory that holds `path` in a container, and the last name; the name itself is not followed."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not parts or parts[-1] == "..":
        raise UsageError(f"cannot copy {path}", "not the name of a file or directory")
    try:
        parent = openat2(root, "/" + "/".join(parts[:-1]), _DIRECTORY, resolve=RESOLVE_IN_ROOT)
        os.stat(parts[-1], dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        raise NotFound(f"no {path} in the container") from None
    return parent, parts[-1]


def _host_place(target: str, name: str) -> tuple[int, str]:
    if os.path.isdir(target):
        return os.open(target, _DIRECTORY), name
    above, last = os.path.split(os.path.abspath(target))
    try:
        return os.open(above, _DIRECTORY), last
    except FileNotFoundError:
        raise NotFound(f"no such directory: {above}") from None


def _container_place(root: int, path: str, name: str) -> tuple[int, str]:
    try:
        return openat2(root, path, _DIRECTORY, resolve=RESOLVE_IN_ROOT), name
    except (FileNotFoundError, NotADirectoryError):
        above, last = os.path.split(path.rstrip("/"))
    try:
        return openat2(root, above or "/", _DIRECTORY, resolve=RESOLVE_IN_ROOT), last
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"no directory {above} in the container") from None


def list_directory(containers: Containers, reference: str, path: str) -> list[tuple[str, bool]]:
    """Return the names in a directory of a container, sorted, each with whether it is a directory (or leads to one).

    Links are followed as the container would. Raises `NotFound`.
    """
    with containers.rootfs_fd(reference) as root:
        try:
            folder = openat2(root, path, _DIRECTORY, resolve=RESOLVE_IN_ROOT)
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound(f"no directory {path} in the container") from None
        try:
            with os.scandir(folder) as entries:
                return sorted((each.name, _is_directory(root, path, each)) for each in entries)
        finally:
            os.close(folder)


def _is_directory(root: int, path: str, entry: os.DirEntry[str]) -> bool:
    if not entry.is_symlink():
        return entry.is_dir(follow_symlinks=False)
    try:
        os.close(
            openat2(root, f"{path}/{entry.name}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, resolve=RESOLVE_IN_ROOT)
        )
    except OSError:
        return False
    return True
