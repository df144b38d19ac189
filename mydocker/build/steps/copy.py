"""COPY and ADD: pick in a source tree, put into the stage's root (Dockerfile reference, "COPY" and "ADD").

Sources are of three kinds: names in a tree (`selection`), here-documents, and, for ADD, things to fetch (`remote`). An
archive that ADD takes from the context is unpacked, unless told otherwise.
"""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING

from mydocker.build import remote
from mydocker.build.contents import Wanted, content_of
from mydocker.build.keys import digest_of
from mydocker.build.modes import ModeChange
from mydocker.build.owners import owner_of
from mydocker.build.placing import Manner, Placer
from mydocker.build.selection import Picked, Rules, pick
from mydocker.build.tree import resolve
from mydocker.dockerfile import globs, ignore
from mydocker.dockerfile import instructions as ins
from mydocker.errors import BuildFailed
from mydocker.image.compression import decompressed, read_chunks
from mydocker.image.tar_reader import TarReader
from mydocker.image.unpack import UnpackRules, unpack
from mydocker.linux.lookup import open_in_root
from mydocker.runtime.rootfs import overlay_fd

if TYPE_CHECKING:
    from mydocker.build.executor import Workshop
    from mydocker.build.plan import Step
    from mydocker.build.tree import Tree

Files = ins.Copy | ins.Add

# As docker's ADD: what a tar's first block says, behind any of the compressions.
_TAR_MAGIC = slice(257, 262)
_AS_DOCKER = UnpackRules(
    whiteouts=False, clamp_parents=True, only_capabilities=True, keeps_root=True, links_describe=True
)


class CopyHandler:
    """Carries out COPY and ADD."""

    def sees_parent(self, step: Step) -> bool:
        """With --link the copy is a layer of its own, whatever it is put upon."""
        return not _files(step).link

    def key_parts(self, step: Step, shop: Workshop) -> dict[str, str]:
        """The destination, the flags, and the content of everything that is taken."""
        one = _files(step)
        parts = {
            "destination": _destination(step),
            "flags": digest_of([one.chown, one.chmod, str(one.link), *one.exclude]),
        }
        for content in one.contents:
            parts[f"here-document {content.name}"] = digest_of([content.data])
        local = tuple(source for source in one.sources if not remote.is_remote(one, source))
        if local:
            parts["content"] = _content(step, shop, local)
        for source in one.sources:
            if remote.is_remote(one, source):
                parts[f"download {source}"] = remote.identity(one, source, shop)
        return parts

    def run(self, step: Step, shop: Workshop, below: tuple[str, ...], place: str) -> None:
        """Copy in the order of the sources: a later one replaces what an earlier one put to the same name."""
        one = _files(step)
        destination = _destination(step)
        with overlay_fd(below, f"{place}/upper", f"{place}/work") as root:
            owner = owner_of(root, one.chown, shop.reporter) if one.chown else None
            manner = Manner(owner, ModeChange.parse(one.chmod) if one.chmod else None)
            placer = Placer(root, manner)
            for content in one.contents:
                data = content.data.encode("utf-8", "surrogateescape")
                placer.write_file(_file_target(placer, destination, content.name), data)
            for source in one.sources:
                if remote.is_remote(one, source):
                    remote.add(one, source, shop, placer, destination, place)
                    continue
                tree = shop.trees.open(step.sources[_from(one)])
                for picked in pick(tree, source, _rules(one)):
                    if _is_unpacked(one, tree, picked):
                        _unpack(tree, picked, placer, root, destination, shop)
                    else:
                        placer.place(tree, picked, destination)


def _files(step: Step) -> Files:
    assert isinstance(step.instruction, Files)
    return step.instruction


def _from(one: Files) -> str:
    return one.from_ if isinstance(one, ins.Copy) else ""


def _destination(step: Step) -> str:
    """Return the destination, absolute; a trailing slash (or a plain `.`) stays one, as it means a directory."""
    text = _files(step).destination
    whole = posixpath.normpath(posixpath.join(step.workdir, text))
    whole = "/" + whole.lstrip("/")
    into = text in ("", ".") or text.endswith(("/", "/."))
    return whole.rstrip("/") + "/" if into else whole


def _file_target(placer: Placer, destination: str, name: str) -> str:
    if destination.endswith("/") or placer.is_directory(destination):
        return posixpath.join(destination, name)
    return destination


def _rules(one: Files) -> Rules:
    excluded = ignore.Matcher(one.exclude)
    return Rules(
        matches=globs.match,
        excludes=excluded.excluded if one.exclude else _nothing,
        includes=lambda pattern, path: ignore.Matcher([pattern]).excluded(path),
        keep_parents=isinstance(one, ins.Copy) and one.parents,
    )


def _nothing(path: str) -> bool:
    return False


def _content(step: Step, shop: Workshop, sources: tuple[str, ...]) -> str:
    one = _files(step)
    tree = shop.trees.open(step.sources[_from(one)])
    parents = "parents" if isinstance(one, ins.Copy) and one.parents else ""
    wanted = Wanted(f"{shop.trees.slot} {step.id}", sources, _rules(one), (parents, *one.exclude))
    return content_of(tree, wanted, shop.trees.cache)


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
