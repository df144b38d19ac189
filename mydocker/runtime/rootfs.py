"""Root file systems, as the engine hands them over: layers to be stacked, or a directory used as it is."""

from __future__ import annotations

import contextlib
import os

from mydocker.errors import RuntimeFailure
from mydocker.linux import mounts
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Overlay(NamedTuple):
    """Layers: read-only directories (`lower`, topmost first), one that takes changes (`upper`), overlayfs's `work`.

    `upper` and `work` lie on one file system and exist. The init layer (see `mydocker.runtime.stubs`) is the directory
    `init` beside `work`; it is made when needed and goes with the bundle.
    """

    lower: tuple[str, ...]
    upper: str
    work: str

    @property
    def init(self) -> str:
        """The directory of the init layer."""
        return os.path.join(os.path.dirname(self.work), "init")


class Directory(NamedTuple):
    """A directory that is the root itself; changes go into it, missing mount points are made in it."""

    path: str


RootFs = Overlay | Directory


@contextlib.contextmanager
def overlay_fd(lower: tuple[str, ...], upper: str = "", work: str = "") -> Iterator[int]:
    """Yield the merged root of layers as a directory descriptor, attached nowhere: no path leads to it.

    With `upper` and `work` it takes changes; without, it is read-only. It vanishes with the last descriptor in it. One
    directory alone, be it lower or upper, is given as it is. Safe in any thread.
    """
    if len(lower) + bool(upper) == 1:
        merged = os.open(upper or lower[0], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    else:
        merged = _stack(lower, upper, work)
    try:
        yield merged
    finally:
        os.close(merged)


def _stack(lower: tuple[str, ...], upper: str, work: str) -> int:
    opened: list[int] = []
    try:
        for path in (*lower, *((upper, work) if upper else ())):
            opened.append(os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
        layers = opened[: len(lower)]
        top, scratch = (opened[-2], opened[-1]) if upper else (None, None)
        tree = mounts.overlay(layers, top, scratch)
        try:
            # The descriptor of fsmount(2) is a bare place in the tree; reading the directory needs it opened.
            return os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=tree)
        finally:
            os.close(tree)
    except OSError as err:
        shown = f" ({err.filename})" if err.filename else ""
        raise RuntimeFailure(f"cannot stack layers{shown}", err.strerror or str(err), _hint(err)) from err
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _hint(err: OSError) -> str:
    if err.errno == 1:
        return "stacking layers needs root, or CAP_SYS_ADMIN"
    return "is the store itself on an overlay? choose another place with --root"
