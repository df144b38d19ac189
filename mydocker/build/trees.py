"""The source trees of one build: each stage, image and directory that something is copied from, opened once."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack

from mydocker.build.tree import Tree
from mydocker.errors import BuildFailed, NotFound
from mydocker.image.digest import chain_ids
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from mydocker.build.cache import Cache
    from mydocker.build.plan import Ground, Source
    from mydocker.dockerfile import ignore
    from mydocker.image.manifest import Layer
    from mydocker.image.store import ImageStore

_LARGEST_IGNORE_FILE = 4 << 20


class Place(NamedTuple):
    """Where a build takes place.

    `slot` names its Dockerfile and context for what the cache remembers of the last time; `ignore_file` is the one that
    counts in the context instead of its own `.dockerignore` (the one beside the Dockerfile), "" when there is none.
    """

    slot: str
    ignore_file: str = ""


class Trees:
    """Opens source trees and keeps them until `close`; safe in threads. `stack(ground)` gives a ground's layers."""

    def __init__(
        self, store: ImageStore, cache: Cache, stack: Callable[[Ground], tuple[Layer, ...]], place: Place
    ) -> None:
        self._store = store
        self.cache = cache
        self._stack = stack
        self._open = ExitStack()
        self._trees: dict[tuple[str, str], Tree] = {}
        self._watched: dict[str, list[Callable[[], bool]]] = {}
        self._lock = threading.RLock()
        self.slot = place.slot
        self._ignore_file = place.ignore_file

    def watch(self, step: str, is_same: Callable[[], bool]) -> None:
        """Remember how to tell whether what the key of `step` was made of is still the same."""
        with self._lock:
            self._watched.setdefault(step, []).append(is_same)

    def insist(self, step: str) -> None:
        """Raise `BuildFailed` when what a step has just read is not what its key was made of; asked once.

        Its result would be one of other files than the key tells of, and whoever found it later would be deceived.
        """
        with self._lock:
            watched = self._watched.pop(step, [])
        if not all(is_same() for is_same in watched):
            raise BuildFailed(
                "files that this step reads changed meanwhile",
                "so its result cannot be kept",
                "build again when nothing writes to the context",
            )

    def close(self) -> None:
        """Close every tree."""
        self._open.close()

    def open(self, source: Source) -> Tree:
        """Return the tree of a source; the steps that it depends on have to be settled."""
        with self._lock:
            if source.ground is None:
                key = ("directory", os.path.abspath(source.directory))
                make = self._directory
            else:
                layers = self._stack(source.ground)
                key = ("layers", "+".join(layer.diff_id for layer in layers))
                make = self._layers
            if key not in self._trees:
                self._trees[key] = self._open.enter_context(make(source))
            return self._trees[key]

    def _directory(self, source: Source) -> Tree:
        try:
            fd = os.open(source.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound(
                f"{source.name} is not there", f"{source.directory}: {error.strerror}", "name a directory"
            ) from error
        tree = Tree(fd, source.name, self.cache, owned=False)
        tree.ignore = self._ignore(tree)
        return tree

    def _ignore(self, tree: Tree) -> ignore.Matcher | None:
        data = self._ignore_text(tree)
        if data is None:
            return None
        from mydocker.dockerfile import ignore

        return ignore.Matcher(ignore.read(data))

    def _ignore_text(self, tree: Tree) -> bytes | None:
        if self._ignore_file:
            with open(self._ignore_file, "rb") as file:
                return file.read(_LARGEST_IGNORE_FILE)
        entry = tree.entry(tree.resolve(".dockerignore"))
        if entry is None or not entry.is_file:
            return None
        fd = tree.open(entry.path)
        with open(fd, "rb") as file:
            return file.read(_LARGEST_IGNORE_FILE)

    def _layers(self, source: Source) -> Tree:
        from mydocker.runtime.rootfs import overlay_fd

        assert source.ground is not None
        layers = self._stack(source.ground)
        directories = self._store.stack_dirs(layers) or (self._nothing(),)
        fd = os.dup(self._open.enter_context(overlay_fd(directories)))
        chain = chain_ids([layer.diff_id for layer in layers])
        return Tree(fd, source.name, self.cache, identity=chain[-1] if chain else "nothing")

    def _nothing(self) -> str:
        """Return an empty directory that lives as long as these trees."""
        return self._open.enter_context(self._store.layout.workspace("nothing"))
