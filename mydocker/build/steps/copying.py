"""Copying for COPY and ADD: pick in a source tree, put into the stage's root.

Sources are of three kinds: names in a tree (`selection`), here-documents, and, for ADD, things to fetch (`remote`). An
archive that ADD takes from the context is unpacked, unless told otherwise.
"""

from __future__ import annotations

import os
import posixpath
from itertools import chain

from mydocker.build import remote
from mydocker.build.filling import filling
from mydocker.build.modes import ModeChange
from mydocker.build.owners import owner_of
from mydocker.build.placing import Manner, Placer
from mydocker.build.selection import Picked, pick
from mydocker.build.steps.copy import Files, destination_of, instruction, rules_of, source_of
from mydocker.build.tree import resolve
from mydocker.dockerfile import instructions as ins
from mydocker.errors import BuildFailed
from mydocker.image.compression import decompressed, read_chunks
from mydocker.image.tar_reader import TarReader
from mydocker.image.unpack import UnpackRules, unpack
from mydocker.linux.lookup import open_in_root
from mydocker.runtime.rootfs import overlay_fd
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.build.executor import Workshop
    from mydocker.build.plan import Step
    from mydocker.build.tree import Tree
    from mydocker.image.layers import Filling

# As docker's ADD: what a tar's first block says, behind any of the compressions.
_TAR_MAGIC = slice(257, 262)
_AS_DOCKER = UnpackRules(
    whiteouts=False, clamp_parents=True, only_capabilities=True, keeps_root=True, links_describe=True
)


def copy(step: Step, shop: Workshop, below: tuple[str, ...], place: str) -> Filling | None:
    """Copy in the order of the sources: a later one replaces what an earlier one put to the same name.

    A directory that comes alone, to where nothing is, is not copied yet but returned as what fills the layer.
    """
    one = instruction(step)
    destination = destination_of(step)
    with overlay_fd(below, f"{place}/upper", f"{place}/work") as root:
        owner = owner_of(root, one.chown, shop.reporter) if one.chown else None
        manner = Manner(owner, ModeChange.parse(one.chmod) if one.chmod else None)
        placer = Placer(root, manner)
        if alone := _lone_directory(step, shop):
            target = placer.empty_directory(destination)
            if target is not None:
                return filling(*alone, target, manner)
        for content in one.contents:
            data = content.data.encode("utf-8", "surrogateescape")
            placer.write_file(_file_target(placer, destination, content.name), data)
        for source in one.sources:
            if remote.is_remote(one, source):
                remote.add(one, source, shop, placer, destination, place)
                continue
            tree = shop.trees.open(step.sources[source_of(one)])
            for picked in pick(tree, source, rules_of(one)):
                if _is_unpacked(one, tree, picked):
                    _unpack(tree, picked, placer, root, destination, shop)
                else:
                    placer.place(tree, picked, destination)
    return None


def _lone_directory(step: Step, shop: Workshop) -> tuple[Tree, Picked] | None:
    """Return what a step takes when that is the content of one directory, not empty, and nothing else."""
    one = instruction(step)
    if one.contents or len(one.sources) != 1 or remote.is_remote(one, one.sources[0]):
        return None
    tree = shop.trees.open(step.sources[source_of(one)])
    found = pick(tree, one.sources[0], rules_of(one))
    if len(found) != 1 or not found[0].root.is_dir:
        return None
    below = iter(found[0].below)
    first = next(below, None)
    return (tree, found[0]._replace(below=chain([first], below))) if first else None


def _file_target(placer: Placer, destination: str, name: str) -> str:
    if destination.endswith("/") or placer.is_directory(destination):
        return posixpath.join(destination, name)
    return destination


def _is_unpacked(one: Files, tree: Tree, picked: Picked) -> bool:
    if isinstance(one, ins.Copy) or one.unpack is False or not picked.root.is_file:
        return False
    fd = tree.open(picked.root.path)
    try:
        return _looks_like_tar(fd, picked.root.path)
    finally:
        os.close(fd)


def _looks_like_tar(fd: int, name: str) -> bool:
    from mydocker.errors import ImageError
    from mydocker.image.limits import Limits

    head = b""
    try:
        for chunk in decompressed(read_chunks(fd), Limits()):
            head += chunk
            if len(head) >= 512:
                break
    except ImageError:
        return False  # no compression that is known, or a damaged one: then it is a file like any other
    return head[_TAR_MAGIC] == b"ustar"


def _unpack(tree: Tree, picked: Picked, placer: Placer, root: int, destination: str, shop: Workshop) -> None:
    target = resolve(root, destination)
    placer.make_directories(target)
    into = open_in_root(root, target or ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        fd = tree.open(picked.root.path)
        try:
            limits = shop.store.limits
            reader = TarReader(decompressed(read_chunks(fd), limits), limits)
            unpack(reader, into, _AS_DOCKER)
        finally:
            os.close(fd)
    except OSError as error:
        raise BuildFailed(f"cannot unpack {picked.root.path}", error.strerror or str(error)) from error
    finally:
        os.close(into)
