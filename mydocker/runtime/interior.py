"""A container's root directory, for those who copy files from and to it: as it sees it itself.

A running container's is the root of its first process. A stopped one's is put together from its layers. With volumes,
that happens in a mount namespace of its own, which lives as long as somebody holds it open: nothing appears on the
host, and a path is looked up as the container would, through volumes and links alike.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager

from mydocker.errors import Busy, RuntimeFailure
from mydocker.linux import mounts, namespaces
from mydocker.runtime import ending, entries, mounting, stubs, users
from mydocker.runtime.rootfs import overlay_fd
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mydocker.runtime.bundle import Bundle
    from mydocker.runtime.record import Container

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_CLONE_FS = 0x200


@contextmanager
def opened(bundle: Bundle, container: Container, *, volumes: bool, writing: bool) -> Iterator[int]:
    """Yield a descriptor of the container's root directory; see `Containers.rootfs_fd`."""
    live = _live(container)
    if live is not None and users.of(bundle.document()) is not None:
        # Its ids are others there; the layers hold those that it sees itself. Two overlays must not write to one upper.
        os.close(live)
        if writing:
            why = "it runs with users of its own"
            raise Busy(f"cannot copy into container {container.name}", why, f"mydocker stop {container.name}")
        with _assembled(bundle, container, running=True) as root:
            yield root
    elif live is not None:
        try:
            yield live
        finally:
            os.close(live)
    elif volumes:
        try:
            with _assembled(bundle, container) as root:
                yield root
        finally:
            stubs.take_back(bundle.file("stubs"), bundle.file("upper"))
    else:
        layers = (container.rootfs,) if container.rootfs else container.lower
        above = () if container.rootfs else (bundle.file("upper"), bundle.file("work"))
        with overlay_fd(layers, *above) as merged:
            yield merged


def _live(container: Container) -> int | None:
    """Return the root of the container's process, None when it does not run."""
    process = ending.open_process(container.state)
    if process is None:
        return None
    try:
        root = os.open(f"/proc/{container.state.pid}/root", _DIRECTORY)
    except FileNotFoundError:
        return None
    finally:
        os.close(process)
    alive = ending.open_process(container.state)  # it was the very process, if it is still there
    if alive is None:
        os.close(root)
        return None
    os.close(alive)
    return root


@contextmanager
def _assembled(bundle: Bundle, container: Container, *, running: bool = False) -> Iterator[int]:
    found: list[int] = []
    failed: list[OSError] = []

    def assemble() -> None:
        try:
            namespaces.unshare(_CLONE_FS | namespaces.CLONE_NEWNS)
            mounts.mount(None, "/", None, mounts.MS_PRIVATE | mounts.MS_REC)
            found.append(os.open("/proc/thread-self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC))
            found.append(_assemble(bundle, container, running))
        except OSError as err:
            failed.append(err)

    # A mount namespace belongs to a thread, and this one's shall not change.
    thread = threading.Thread(target=assemble)
    thread.start()
    thread.join()
    try:
        if failed:
            raise RuntimeFailure(
                f"cannot look into container {container.name}", f"{failed[0].filename or 'mount'}: {failed[0].strerror}"
            ) from failed[0]
        yield found[-1]
    finally:
        for descriptor in found:
            os.close(descriptor)


def _assemble(bundle: Bundle, container: Container, running: bool) -> int:
    """Attach the root and what is bound into it, here; return the root directory, of a running one to be read only."""
    requests, missing = entries.binds(bundle.document())
    if container.rootfs:
        tree = mounting.directory_root(container.rootfs, missing)
    elif running:
        tree = _layers_to_read(bundle.file("upper"), bundle.file("init"), *container.lower)
    else:
        tree = mounting.overlay_root(
            container.lower, bundle.file("upper"), bundle.file("work"), bundle.file("init"), missing
        )
    # On a directory that nobody looks into now: the files that are bound in lie beside it.
    place = os.open(bundle.file("init"), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        mounts.attach(tree, place, bundle.file("init"))
        for request in requests:
            mounting.mount(tree, request)
        return os.open(".", _DIRECTORY, dir_fd=tree)
    finally:
        os.close(place)
        os.close(tree)


def _layers_to_read(*layers: str) -> int:
    opened = [os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for path in layers]
    try:
        return mounts.overlay(opened, None, None)
    finally:
        for descriptor in opened:
            os.close(descriptor)
