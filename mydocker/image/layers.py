"""Layers: made from directories, received from archives, unpacked into snapshots; each in one pass over its bytes."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from mydocker.errors import DigestMismatch
from mydocker.events import Notice, Progress
from mydocker.image.compression import compressor, decompressed, read_chunks
from mydocker.image.digest import EMPTY, DiffID, chain_ids
from mydocker.image.entry import DIRECTORY, Entry
from mydocker.image.layout import store_error
from mydocker.image.locks import locked
from mydocker.image.manifest import OCI_LAYER_ZSTD, Descriptor, Layer
from mydocker.image.normalise import normalise
from mydocker.image.pack import PackRules, pack
from mydocker.image.pipes import Feeder, ahead
from mydocker.image.stack import Stack
from mydocker.image.tar_reader import TarReader
from mydocker.image.tar_writer import TarWriter
from mydocker.image.unpack import UnpackRules, unpack
from mydocker.image.walk import OPEN_DIRECTORY
from mydocker.image.xattrs import read as read_xattrs
from mydocker.image.xattrs import strip_overlay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mydocker.events import Reporter
    from mydocker.image.blobs import Blobs
    from mydocker.image.digest import ChainID
    from mydocker.image.layout import Layout
    from mydocker.image.limits import Limits
    from mydocker.image.snapshots import Snapshots


class Expected(NamedTuple):
    """Where a layer belongs.

    `below` are the snapshots under it, topmost first; `stack` the diff IDs up to and with it, bottom first, empty for a
    layer of which nothing is known yet.
    """

    below: tuple[str, ...] = ()
    stack: tuple[DiffID, ...] = ()


class Filling(NamedTuple):
    """What is still to come into a layer: the content of the directory `place` (a path below the root, or "").

    `write(directory, archive, epoch)` writes it to the open directory, whose descriptor it closes, and to the archive,
    in the order of layers and with no time later than `epoch`.
    """

    place: str
    write: Callable[[int, TarWriter, int], None]


class Layers:
    """Everything that makes or reads layers of one store."""

    def __init__(self, layout: Layout, blobs: Blobs, snapshots: Snapshots, reporter: Reporter, limits: Limits) -> None:
        self._layout = layout
        self._blobs = blobs
        self._snapshots = snapshots
        self._reporter = reporter
        self._limits = limits

    def pack_tree(self, root: int, epoch: int | None, skip: frozenset[bytes] = frozenset()) -> Layer:
        """Make a layer of everything below an open directory, which stays as it is; it gets no snapshot yet."""
        rules = PackRules(epoch=epoch, whiteouts=False, skip=skip, root=_is_unusual(os.fstat(root), root))
        return self._store(lambda put: self._tell_sockets(pack(root, put, rules).sockets))

    def commit_upper(self, upper: str, parents: tuple[str, ...], epoch: int) -> Layer:
        """Make a layer and its snapshot of an overlay upper directory that nobody uses any more.

        `parents` are the snapshots below it, topmost first. The directory is normalised (see `normalise`), packed, and
        moved: afterwards it is gone. It has to lie in this store. Equal changes give equal layers; a step that changed
        nothing gives `EMPTY`, which has no snapshot, and leaves an empty directory.
        """
        fd = os.open(upper, OPEN_DIRECTORY)
        try:
            with Stack(parents) as stack:
                self._tell_sockets(normalise(fd, stack, epoch))
                rules = PackRules(epoch=epoch, root=_root_changed(fd, stack))
            if not rules.root and not os.listdir(fd):
                return self._nothing()
            layer = self._store(lambda put: pack(fd, put, rules))
        finally:
            os.close(fd)
        return self._adopt(upper, layer)

    def commit_filled(self, upper: str, parents: tuple[str, ...], epoch: int, filling: Filling) -> Layer:
        """Make a layer and its snapshot as `commit_upper` does, of an upper that only has the directories to a filling.

        The bytes are written once, as they come, and not read again.
        """
        fd = os.open(upper, OPEN_DIRECTORY)
        try:
            with Stack(parents) as stack:
                whole = _root_changed(fd, stack)
            layer = self._store(lambda put: _fill(fd, put, epoch, filling, whole))
        finally:
            os.close(fd)
        return self._adopt(upper, layer)

    def _adopt(self, upper: str, layer: Layer) -> Layer:
        with self._layout.workspace("commit") as place:
            os.rename(upper, f"{place}/fs")
            self._snapshots.adopt(f"{place}/fs", layer.diff_id)
        return layer

    def commit_copy(self, upper: str, parents: tuple[str, ...], epoch: int) -> Layer:
        """Make a layer and its snapshot of an upper directory that somebody still uses: a copy is taken first."""
        from mydocker.image.copy import copy_tree

        with self._layout.workspace("copy") as place:
            os.mkdir(f"{place}/upper", 0o755)
            source, target = os.open(upper, OPEN_DIRECTORY), os.open(f"{place}/upper", OPEN_DIRECTORY)
            try:
                copy_tree(source, target)
            finally:
                os.close(source)
                os.close(target)
            return self.commit_upper(f"{place}/upper", parents, epoch)

    def receive_tar(
        self, chunks: Iterator[bytes], what: str, total: int = 0, expected: Expected | None = None
    ) -> Layer:
        """Make a layer and its snapshot of a tar archive, possibly compressed, kept byte by byte as it came.

        The diff ID is the digest of the uncompressed archive. An archive that is cut short, unsafe, or not what is
        `expected` leaves nothing.
        """
        wanted = expected or Expected()
        counted = self._reported(chunks, what, total)
        with self._unpacking("import") as (place, root), Stack(wanted.below) as lower:
            rules, leaned = _rules(lower), False

            def produce(put: Callable[[bytes], None]) -> None:
                nonlocal leaned
                with closing(ahead(decompressed(counted, self._limits))) as plain:
                    reader = TarReader(_tee(plain, put), self._limits, strict_end=not wanted.stack)
                    leaned = unpack(reader, root, rules).leaned

            layer = self._store(produce, wanted.stack[-1] if wanted.stack else None)
            self._snapshots.adopt(place, _key(layer.diff_id, wanted, leaned))
        return layer

    def unpack_blob(self, layer: Layer, expected: Expected) -> str:
        """Unpack a layer's blob into its snapshot and return the snapshot's path; nothing happens when it is there.

        Raises `DigestMismatch` when the blob's content is not what the diff ID says; then nothing is left.
        """
        with locked(self._layout.lock(f"unpack-{layer.diff_id.hex[0]}")):
            if there := self._snapshots.find(expected.stack)[-1]:
                return there
            with self._unpacking("unpack") as (place, root), Stack(expected.below) as lower:
                leaned = self._unpack_verified(layer, root, _rules(lower))
                return self._snapshots.adopt(place, _key(layer.diff_id, expected, leaned))

    def damage(self, layer: Layer, expected: Expected, path: str) -> bytes | None:
        """Unpack a layer's blob anew and return the first path in which its snapshot at `path` differs, or None."""
        from mydocker.image.compare import first_difference

        with self._unpacking("check") as (_, root), Stack(expected.below) as lower:
            self._unpack_verified(layer, root, _rules(lower))
            there = os.open(path, OPEN_DIRECTORY)
            try:
                return first_difference(root, there)
            finally:
                os.close(there)

    def entries(self, layer: Layer) -> Iterator[Entry]:
        """Yield the members of a layer's archive, whiteouts among them, in its order; nothing is unpacked."""
        fd = self._blobs.open(layer.blob.digest)
        try:
            yield from TarReader(decompressed(read_chunks(fd), self._limits), self._limits)
        finally:
            os.close(fd)

    def check_blob(self, layer: Layer) -> None:
        """Read a layer's blob to its end and compare its content with the diff ID; raises `DigestMismatch`."""
        running = hashlib.sha256()
        fd = self._blobs.open(layer.blob.digest)
        try:
            for chunk in decompressed(read_chunks(fd), self._limits):
                running.update(chunk)
        finally:
            os.close(fd)
        _compare(layer.diff_id, DiffID.of_hash(running))

    def _unpack_verified(self, layer: Layer, root: int, rules: UnpackRules) -> bool:
        running = hashlib.sha256()
        fd = self._blobs.open(layer.blob.digest)
        try:
            counted = self._reported(read_chunks(fd), f"unpack {layer.diff_id.short}", layer.blob.size)
            with (
                Feeder(running.update) as hashing,
                closing(ahead(_tee(decompressed(counted, self._limits), hashing.put))) as plain,
            ):
                leaned = unpack(TarReader(plain, self._limits), root, rules).leaned
        finally:
            os.close(fd)
        _compare(layer.diff_id, DiffID.of_hash(running))
        return leaned

    @contextmanager
    def _unpacking(self, purpose: str) -> Iterator[tuple[str, int]]:
        """Give a directory to unpack into, with its descriptor, and translate what the disk refuses."""
        with self._layout.workspace(purpose) as place:
            path = f"{place}/fs"
            os.mkdir(path, 0o755)
            root = os.open(path, OPEN_DIRECTORY)
            try:
                os.fchmod(root, 0o755)
                os.utime(root, ns=(0, 0))
                yield path, root
            except OSError as failed:
                raise store_error(f"unpack a layer in {self._layout.root}", failed) from failed
            finally:
                os.close(root)

    def _tell_sockets(self, names: tuple[bytes, ...]) -> None:
        if names:
            shown = ", ".join(os.fsdecode(name) for name in names[:5])
            self._reporter(Notice(f"left out of the layer, which cannot hold sockets: {shown}", "warning"))

    def _store(self, produce: Callable[[Callable[[bytes], None]], object], expected: DiffID | None = None) -> Layer:
        """Store what `produce` puts, chunk by chunk, as a layer: digests and compression run beside it."""
        running = hashlib.sha256()
        machine = compressor().compressobj()
        with self._blobs.writer() as writer:

            def consume(chunk: bytes) -> None:
                running.update(chunk)
                if out := machine.compress(chunk):
                    writer.write(out)

            with Feeder(consume) as feeder:
                produce(feeder.put)
            writer.write(machine.flush())
            diff_id = DiffID.of_hash(running)
            if expected is not None:
                _compare(expected, diff_id)
            digest = writer.commit()
        return Layer(diff_id, Descriptor(OCI_LAYER_ZSTD, digest, writer.size))

    def _nothing(self) -> Layer:
        """Return the layer that changes nothing, made without threads and files where its blob is there."""
        machine = compressor().compressobj()
        data = machine.compress(bytes(1024)) + machine.flush()
        return Layer(EMPTY, Descriptor(OCI_LAYER_ZSTD, self._blobs.put_bytes(data), len(data)))

    def _reported(self, chunks: Iterator[bytes], what: str, total: int) -> Iterator[bytes]:
        done = 0
        for chunk in chunks:
            yield chunk
            done += len(chunk)
            self._reporter(Progress(what, done, total))


def _fill(root: int, put: Callable[[bytes], None], epoch: int, filling: Filling, whole: bool) -> None:
    """Write the directories that lead to a filling, then the filling, to `put` as an archive."""
    archive = TarWriter(put)
    names = [b"", *filter(None, os.fsencode(filling.place).split(b"/"))]
    with ExitStack() as stack:
        directory = root
        for depth, name in enumerate(names):
            if depth:
                directory = os.open(name, OPEN_DIRECTORY, dir_fd=directory)
                stack.callback(os.close, directory)
            facts = os.fstat(directory)
            # The last one is changed by what comes into it, now.
            changed = time.time_ns() if depth == len(names) - 1 else facts.st_mtime_ns
            seconds = min(changed // 10**9, epoch)
            strip_overlay(directory)
            if depth or whole:
                path = b"/".join(names[1 : depth + 1])
                attributes = read_xattrs(directory)
                mode = stat.S_IMODE(facts.st_mode)
                archive.add(Entry(path, DIRECTORY, mode, facts.st_uid, facts.st_gid, 0, seconds, xattrs=attributes))
            stack.callback(os.utime, directory, ns=(seconds * 10**9, seconds * 10**9))
        filling.write(os.dup(directory), archive, epoch)
        archive.finish()


def _tee(chunks: Iterator[bytes], put: Callable[[bytes], None]) -> Iterator[bytes]:
    for chunk in chunks:
        put(chunk)
        yield chunk


def _compare(expected: DiffID, found: DiffID) -> None:
    if found != expected:
        raise DigestMismatch("unpack a layer", f"its content is {found} where the config says {expected}")


def _rules(lower: Stack) -> UnpackRules:
    return UnpackRules(implied=lower.implied, below=lower.file_below) if lower.root.members else UnpackRules()


def _key(diff_id: DiffID, expected: Expected, leaned: bool) -> DiffID | ChainID:
    return chain_ids(expected.stack)[-1] if leaned and expected.below else diff_id


def _is_unusual(facts: os.stat_result, fd: int) -> bool:
    """Tell whether a root directory differs from the one that every layer gets: 0755, root's, no xattrs."""
    return (stat.S_IMODE(facts.st_mode), facts.st_uid, facts.st_gid) != (0o755, 0, 0) or bool(read_xattrs(fd))


def _root_changed(fd: int, stack: Stack) -> bool:
    """Tell whether an upper's root has another owner, mode or xattrs than the merged root below it."""
    facts = os.fstat(fd)
    if not stack.root.members:
        return _is_unusual(facts, fd)
    lower = stack.root.members[0]
    old = os.fstat(lower)
    same = (facts.st_mode, facts.st_uid, facts.st_gid) == (old.st_mode, old.st_uid, old.st_gid)
    return not same or read_xattrs(fd) != read_xattrs(lower)
