"""Failed steps, kept so that `mydocker debug` can go where they failed.

Kept is what the step had written (its overlay upper directory, moved, not copied), what it had mounted from the build
context, and a record of everything else that it saw. Nothing is kept of a step that wrote a secret down. The last
few failures stay; older ones make room for new ones, and `prune --cache` removes all.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import contextmanager, suppress

from mydocker.build import secrets
from mydocker.build.plan import Ground, Source, Step
from mydocker.dockerfile import encoding
from mydocker.dockerfile.scope import PROXY_ARGS
from mydocker.dockerfile.source import Source as TextSource
from mydocker.errors import BuildFailed, NotFound, StoreError
from mydocker.image.digest import DiffID, Digest
from mydocker.image.locks import try_lock
from mydocker.image.manifest import Descriptor, Layer
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from mydocker.build.request import BuildRequest
    from mydocker.image.layout import Layout

_MOST_KEPT = 3
_VERSION = 1


class Failure(NamedTuple):
    """A step that failed. `path` has its `upper` directory and what it had mounted (`bind-N`).

    `step` stands on fixed layers; `why` is the error, `request` has what of the build's words concerned the step.
    """

    id: str
    path: str
    step: Step
    why: str
    request: dict[str, Any]


def keep(
    layout: Layout,
    step: Step,
    request: BuildRequest,
    stack: Callable[[Ground], tuple[Layer, ...]],
    place: str,
    why: str,
) -> str:
    """Keep what a step left in its workspace `place`; return the failure's id, or "" where it wrote a secret down."""
    try:
        secrets.search(place, request.secrets)
    except BuildFailed:
        return ""
    identifier = os.urandom(6).hex()
    with layout.workspace("failure") as unfinished:
        kept = f"{unfinished}/kept"
        os.mkdir(kept, 0o700)
        for name in os.listdir(place):
            # A mount of a stage's files has directories of overlayfs's in it, and is made anew from the layers.
            if name == "upper" or (name.startswith("bind-") and not os.path.isdir(f"{place}/{name}/work")):
                os.rename(f"{place}/{name}", f"{kept}/{name}")
        with open(f"{kept}/record.json", "w", encoding="utf-8") as file:
            json.dump(_record(step, request, stack, why), file)
        os.makedirs(layout.failures, 0o700, exist_ok=True)
        os.rename(kept, f"{layout.failures}/{identifier}")
    forget(layout, _newest_first(layout)[_MOST_KEPT:])
    return identifier


@contextmanager
def held(layout: Layout, reference: str = "") -> Iterator[Failure]:
    """Give the failure with this id (or the beginning of one), the newest without; nobody removes it meanwhile.

    Raises `NotFound`.
    """
    found = [name for name in _newest_first(layout) if name.startswith(reference)]
    if not found:
        what = f"no failed build {reference} is kept" if reference else "no failed build is kept"
        raise NotFound(what, hint="the last failures of `mydocker build` are, until `mydocker prune --cache`")
    if reference and len(found) > 1:
        raise NotFound(f"{reference} may mean {' or '.join(found)}", hint="give more of it")
    path = f"{layout.failures}/{found[0]}"
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise NotFound(f"the failed build {found[0]} was just removed", hint="newer ones took its place") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
        yield _read(found[0], path)
    finally:
        os.close(fd)


def forget(layout: Layout, identifiers: list[str] | None = None) -> None:
    """Remove failures (None: all) that nobody looks into."""
    for identifier in _newest_first(layout) if identifiers is None else identifiers:
        with suppress(FileNotFoundError):
            fd = os.open(f"{layout.failures}/{identifier}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                if try_lock(fd):
                    _remove(layout, identifier)
            finally:
                os.close(fd)


def _remove(layout: Layout, identifier: str) -> None:
    """Remove a failure at once for everybody: a removal that is killed half-way leaves nothing that looks kept."""
    with layout.workspace("forgotten") as place:
        os.rename(f"{layout.failures}/{identifier}", f"{place}/{identifier}")


def _newest_first(layout: Layout) -> list[str]:
    if not os.path.isdir(layout.failures):
        return []
    with os.scandir(layout.failures) as entries:
        return [entry.name for entry in sorted(entries, key=lambda entry: (-_changed(entry), entry.name))]


def _changed(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_ctime_ns
    except FileNotFoundError:  # another build has just removed it
        return 0


def _record(
    step: Step, request: BuildRequest, stack: Callable[[Ground], tuple[Layer, ...]], why: str
) -> dict[str, Any]:
    def layers(ground: Ground) -> list[list[Any]]:
        return [
            [layer.diff_id, layer.blob.media_type, str(layer.blob.digest), layer.blob.size] for layer in stack(ground)
        ]

    return {
        "version": _VERSION,
        "time": time.time(),
        "why": why,
        "step": {
            "id": step.id,
            "stage": step.stage,
            "line": step.line,
            "text": step.text,
            "file": step.text_of.filename,
            "instruction": encoding.encode(step.instruction).decode(),
            "layers": layers(step.ground),
            "sources": {
                name: [source.name, source.directory, source.ground and layers(source.ground)]
                for name, source in step.sources.items()
            },
            "env": step.env,
            "args": step.args,
            "workdir": step.workdir,
            "user": step.user,
            "shell": step.shell,
            "epoch": step.epoch,
        },
        "request": {
            "network": request.network,
            "allow": sorted(request.allow),
            "ssh": dict(request.ssh),
            "build_args": {name: value for name, value in request.build_args.items() if name in PROXY_ARGS},
        },
    }


def _read(identifier: str, path: str) -> Failure:
    try:
        with open(f"{path}/record.json", encoding="utf-8") as file:
            whole = json.load(file)
        if whole["version"] != _VERSION:
            raise ValueError("it is of another version of mydocker")
        return Failure(identifier, path, _step(whole["step"]), whole["why"], whole["request"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"cannot read what is kept of {identifier}", str(error), "build again") from error


def _step(facts: dict[str, Any]) -> Step:
    return Step(
        id=facts["id"],
        stage=facts["stage"],
        line=facts["line"],
        text=facts["text"],
        text_of=TextSource("", facts["file"]),
        instruction=encoding.decode(facts["instruction"].encode()),
        ground=_ground(facts["layers"]),
        sources={
            name: Source(shown, None if layers is None else _ground(layers), directory)
            for name, (shown, directory, layers) in facts["sources"].items()
        },
        env=tuple((name, value) for name, value in facts["env"]),
        args=tuple((name, value) for name, value in facts["args"]),
        workdir=facts["workdir"],
        user=facts["user"],
        shell=tuple(facts["shell"]),
        epoch=facts["epoch"],
        no_cache=False,
    )


def _ground(layers: list[list[Any]]) -> Ground:
    return Ground(
        tuple(
            Layer(DiffID.parse(diff_id), Descriptor(media_type, Digest.parse(digest), size))
            for diff_id, media_type, digest, size in layers
        )
    )
