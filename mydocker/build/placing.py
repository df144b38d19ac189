"""Put what COPY and ADD picked into a stage's root file system, as BuildKit's copier does.

The root is a descriptor of the stage's merged overlay: what is written lands in the step's upper directory. Every path
is resolved by the kernel inside that root; the names below a directory are opened one by one without following links.

The rules, from the Dockerfile reference and BuildKit's copier (tonistiigi/fsutil): directories that are missing above
the destination are made 0755; a directory's content goes into the destination, merging with a directory that is there
(whose own mode and owner stay, while those of directories further down are taken from the source); a file replaces a
file or a link, never a directory; a directory never replaces anything else.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from contextlib import ExitStack

from mydocker.build.tree import resolve
from mydocker.errors import BuildFailed
from mydocker.linux.lookup import magic_link, open_in_root
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mydocker.build.modes import ModeChange
    from mydocker.build.selection import Picked
    from mydocker.build.tree import Entry, Tree

_BLOCK = 1 << 20


class Manner(NamedTuple):
    """How things are placed: an owner (uid, gid) and a mode that replace the source's, where they are given."""

    owner: tuple[int, int] | None = None
    mode: ModeChange | None = None


class Placer:
    """Writes into the root directory `root` (a descriptor that stays the caller's)."""

    def __init__(self, root: int, manner: Manner) -> None:
        self._root = root
        self._manner = manner
        self._places: dict[
            tuple[int, int], str
        ] = {}  # inode of a source -> where its first name went: other names become links

    def place(self, tree: Tree, picked: Picked, destination: str) -> None:
        """Copy one picked source to `destination` (absolute in the root; a trailing slash means: into a directory)."""
        target = self._target(destination)
        if picked.root.is_dir:
            self.make_directories(target)
            self._place_below(tree, picked, target)
            return
        if self._is_directory(target):
            target = posixpath.join(target, picked.name)
        self._place_one(tree, picked.root, target)

    def empty_directory(self, destination: str) -> str | None:
        """Make the directory `destination` and return its path without links, or None when something is in it.

        An empty one is part of the step's changes afterwards, be it new or not: something is to come into it.
        """
        target = self._target(destination)
        self.make_directories(target)
        with ExitStack() as stack:
            fd = self._open_directory(stack, target)
            if os.listdir(fd):
                return None
            os.fchmod(fd, stat.S_IMODE(os.fstat(fd).st_mode))  # a change of nothing, but overlayfs copies it up
        return target

    def _target(self, destination: str) -> str:
        """Return where a destination leads, with the directories above it made."""
        above = destination if destination.endswith("/") else posixpath.dirname(destination)
        self.make_directories(resolve(self._root, above))
        return resolve(self._root, destination)

    def make_directories(self, path: str) -> None:
        """Make the directory `path` (links resolved) and those above it, as far as they are missing."""
        made = ""
        for part in path.split("/"):
            if not part:
                continue
            above, made = made, posixpath.join(made, part)
            with ExitStack() as stack:
                fd = self._open_directory(stack, above)
                try:
                    os.mkdir(part, 0o755, dir_fd=fd)
                except FileExistsError:
                    if not stat.S_ISDIR(os.stat(part, dir_fd=fd, follow_symlinks=False).st_mode):
                        raise _not_a_directory(made) from None
                    continue
                self._dress_new_directory(fd, part)

    def write_file(self, path: str, data: bytes) -> None:
        """Write a file whose content is in memory (a here-document) to `path`, 0644."""
        with open(os.memfd_create("content"), "wb+") as file:
            file.write(data)
            file.flush()
            self.write_stream(path, file.fileno(), 0o644)

    def write_stream(self, path: str, source: int, mode: int) -> None:
        """Write all that the file open at `source` holds to `path`."""
        self.make_directories(resolve(self._root, posixpath.dirname(path)))
        target = resolve(self._root, path)
        with ExitStack() as stack:
            directory, name = self._parent_of(stack, target)
            _clear_the_way(directory, name, target)
            file = os.open(name, NEW_FILE, 0o600, dir_fd=directory)
            try:
                os.lseek(source, 0, os.SEEK_SET)
                copy_content(source, file, os.fstat(source).st_size)
                self._dress(file, stat.S_IFREG | mode, (0, 0))
            finally:
                os.close(file)

    def is_directory(self, path: str) -> bool:
        """Tell whether `path` leads to a directory in the root."""
        return self._is_directory(resolve(self._root, path))

    def _is_directory(self, path: str) -> bool:
        try:
            fd = open_in_root(self._root, path or ".", os.O_PATH | os.O_NOFOLLOW)
        except (FileNotFoundError, NotADirectoryError):
            return False
        try:
            return stat.S_ISDIR(os.fstat(fd).st_mode)
        finally:
            os.close(fd)

    def _open_directory(self, stack: ExitStack, path: str) -> int:
        try:
            fd = open_in_root(self._root, path or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except NotADirectoryError:
            raise _not_a_directory(path) from None
        stack.callback(os.close, fd)
        return fd

    def _parent_of(self, stack: ExitStack, path: str) -> tuple[int, str]:
        above, name = posixpath.split(path)
        return self._open_directory(stack, above), name

    def _place_one(self, tree: Tree, entry: Entry, target: str) -> None:
        with ExitStack() as stack:
            directory, name = self._parent_of(stack, target)
            self._create(tree, entry, directory, name, target)

    def _place_below(self, tree: Tree, picked: Picked, target: str) -> None:
        """Copy what is below a picked directory; one descriptor is open for each directory on the way down."""
        open_directories: list[tuple[str, int]] = []
        try:
            open_directories.append(("", open_in_root(self._root, target or ".", os.O_RDONLY | os.O_DIRECTORY)))
            for entry, place in picked.below:
                above, name = posixpath.split(place)
                while open_directories[-1][0] != above:
                    os.close(open_directories.pop()[1])
                directory = open_directories[-1][1]
                self._create(tree, entry, directory, name, posixpath.join(target, place))
                if entry.is_dir:
                    fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
                    open_directories.append((place, fd))
        finally:
            for _, fd in open_directories:
                os.close(fd)

    def _create(self, tree: Tree, entry: Entry, directory: int, name: str, target: str) -> None:
        if entry.is_dir:
            self._create_directory(tree, entry, directory, name, target)
            return
        _clear_the_way(directory, name, target)
        if entry.links > 1 and self._link_to_first(entry, directory, name, target):
            return
        if entry.is_file:
            self._create_file(tree, entry, directory, name)
        elif entry.is_link:
            os.symlink(entry.target, name, dir_fd=directory)
            os.chown(name, *self._owner(entry), dir_fd=directory, follow_symlinks=False)
        elif stat.S_ISSOCK(entry.mode):
            return  # a socket is an end of a connection of its maker's; there is nothing to copy
        else:
            os.mknod(name, entry.mode, entry.rdev, dir_fd=directory)
            self._dress_path(tree, entry, directory, name)

    def _create_directory(self, tree: Tree, entry: Entry, directory: int, name: str, target: str) -> None:
        try:
            os.mkdir(name, 0o700, dir_fd=directory)
        except FileExistsError:
            if not stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
                raise BuildFailed(
                    f"cannot copy the directory {entry.path} to /{target}", "something that is no directory is there"
                ) from None
        self._dress_path(tree, entry, directory, name)

    def _link_to_first(self, entry: Entry, directory: int, name: str, target: str) -> bool:
        first = self._places.setdefault(entry.file, target)
        if first == target:
            return False
        with ExitStack() as stack:
            source, source_name = self._parent_of(stack, first)
            os.link(source_name, name, src_dir_fd=source, dst_dir_fd=directory, follow_symlinks=False)
        return True

    def _create_file(self, tree: Tree, entry: Entry, directory: int, name: str) -> None:
        source = tree.open(entry.path)
        try:
            before = os.fstat(source)
            file = os.open(name, NEW_FILE, 0o600, dir_fd=directory)
            try:
                copy_content(source, file, before.st_size)
                self._dress(file, entry.mode, (entry.uid, entry.gid))
                for attribute, value in tree.xattrs(entry):
                    os.setxattr(file, attribute, value)
                if tree.owned:
                    os.utime(file, ns=(entry.mtime, entry.mtime))
            finally:
                os.close(file)
            after = os.fstat(source)
        finally:
            os.close(source)
        if (after.st_size, after.st_mtime_ns) != (entry.size, entry.mtime):
            raise changed_meanwhile(entry)

    def _owner(self, entry: Entry) -> tuple[int, int]:
        return self._manner.owner or (entry.uid, entry.gid)

    def _dress(self, file: int, mode: int, owner: tuple[int, int]) -> None:
        # chown clears setuid, so the mode comes after it.
        os.fchown(file, *(self._manner.owner or owner))
        os.fchmod(file, self._manner.mode.apply(mode) if self._manner.mode else stat.S_IMODE(mode))

    def _dress_path(self, tree: Tree, entry: Entry, directory: int, name: str) -> None:
        """Give owner, mode and attributes to what must not be opened for writing (directories, devices, pipes)."""
        fd = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=directory)
        try:
            path = magic_link(fd)
            os.chown(path, *self._owner(entry))
            os.chmod(path, self._manner.mode.apply(entry.mode) if self._manner.mode else stat.S_IMODE(entry.mode))
            for attribute, value in tree.xattrs(entry):
                os.setxattr(path, attribute, value)
        finally:
            os.close(fd)

    def _dress_new_directory(self, directory: int, name: str) -> None:
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
        try:
            self._dress(fd, stat.S_IFDIR | 0o755, (0, 0))
        finally:
            os.close(fd)


NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


def _clear_the_way(directory: int, name: str, target: str) -> None:
    """Remove a file or link that is in the way of a new one; a directory is an error."""
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        return
    except (IsADirectoryError, PermissionError) as error:
        if error.errno == errno.EPERM and not stat.S_ISDIR(os.stat(name, dir_fd=directory).st_mode):
            raise
        raise BuildFailed(f"cannot replace the directory /{target} by a file") from None


def copy_content(source: int, file: int, size: int) -> None:
    """Copy all that is in `source` to the new file `file`.

    Holes stay holes where the file systems can share or copy in the kernel.
    """
    try:
        while os.copy_file_range(source, file, max(size, _BLOCK)):
            pass
        return
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
    os.lseek(source, 0, os.SEEK_SET)
    os.lseek(file, 0, os.SEEK_SET)
    os.ftruncate(file, 0)
    while os.sendfile(file, source, None, _BLOCK):
        pass


def changed_meanwhile(entry: Entry) -> BuildFailed:
    """Return the error about a file that is no longer what the step's key was made of."""
    return BuildFailed(
        f"{entry.path} changed while it was copied", hint="build again when nothing writes to the context"
    )


def _not_a_directory(path: str) -> BuildFailed:
    return BuildFailed(f"/{path} in the image is no directory", "so nothing can be put below it")
