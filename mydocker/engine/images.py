"""What needs images and containers at once: remove, commit, compare, prune."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from mydocker.errors import Busy, NotFound
from mydocker.image import platforms
from mydocker.image.collect import Freed
from mydocker.image.compare import Difference, diff_trees
from mydocker.image.config import History, ImageConfig, timestamp
from mydocker.image.reference import Reference
from mydocker.image.stack import Stack

if TYPE_CHECKING:
    from mydocker.engine import Engine
    from mydocker.image.image import Image
    from mydocker.runtime.record import Container


class Removed(NamedTuple):
    """What `remove_image` did: the names it took away, the image that is gone (if it is), what that freed."""

    untagged: tuple[Reference, ...]
    image: Image | None
    freed: Freed


class Pruned(NamedTuple):
    """What `prune` removed, or would remove: containers, the images' ids, and the bytes on disk."""

    containers: tuple[str, ...]
    images: tuple[str, ...]
    cached: int
    freed: Freed


def remove_image(engine: Engine, text: str, *, force: bool = False) -> Removed:
    """Take away the name `text`, and with its last name the image itself; an id removes the image with all its names.

    Raises `Busy` for an image that a container stands on, unless `force`: then the container keeps its layers.
    """
    store = engine.images
    image = store.resolve(text)
    name = store.name_of(text)
    if name is not None and len(image.references) > 1:
        store.untag(name)
        return Removed((name,), None, Freed())
    users = [each.name for each in engine.containers.list() if each.image_id == image.id]
    if users and not force:
        why = f"container {', '.join(users)} stands on it"
        raise Busy(f"remove image {image.title}", why, "remove the container first, or use --force")
    return Removed(image.references, image, store.remove(image))


def import_rootfs(engine: Engine, source: str | int, name: str, message: str, platform: str) -> Image:
    """Make an image of the archive of a root file system (a path or an open descriptor); its command is `sh`.

    `platform` is what the programs in it run on, `os/architecture[/variant]`; empty: this machine's.
    """
    reference = Reference.parse(name) if name else None
    wanted = platforms.parse(platform) if platform else platforms.host()
    config = ImageConfig(
        architecture=wanted.architecture,
        os=wanted.os,
        variant=wanted.variant if wanted.architecture == "arm" else "",
        created=timestamp(0),
        env=("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",),
        cmd=("sh",),
        history=(History("mydocker import", timestamp(0), comment=message),),
    )
    return engine.images.import_tar(source, config, reference)


def commit(engine: Engine, reference: str, name: Reference, *, author: str = "", message: str = "") -> Image:
    """Make an image of a container's file system: its image's layers and one more, with what the container changed.

    A running container goes on, so files that it is just writing may be caught half-way: pause it for a moment's
    picture. Times are clamped to the image's own epoch, as in a build. Raises `NotFound` when its image is gone.
    """
    container = engine.containers.find(reference)
    store = engine.images
    try:
        image = store.resolve(container.image_id)
    except NotFound as failed:
        raise NotFound(f"commit {reference}", "its image has been removed, and so has its config") from failed
    epoch = image.config.created_seconds
    upper = engine.containers.bundle(reference).file("upper")
    with store.holding():
        layer = store.layers.commit_copy(upper, container.lower, epoch)
        config = _committed(image.config, container, author, message)._replace(
            diff_ids=(*image.diff_ids, layer.diff_id)
        )
        return store.add(config, (*image.layers, layer), (name,), base=image.base or image.title)


def _committed(config: ImageConfig, container: Container, author: str, message: str) -> ImageConfig:
    step = History(" ".join(container.command), config.created, author, message)
    return config._replace(author=author or config.author, history=(*config.history, step))


def diff(engine: Engine, old: str, new: str = "") -> tuple[Difference, ...]:
    """Return the files in which two images or containers differ; with one, a container and its image."""
    with ExitStack() as opened:
        if not new:
            container = engine.containers.find(old)
            before = opened.enter_context(Stack(container.lower))
            return tuple(diff_trees(before, opened.enter_context(Stack(_layers_of(engine, old)))))
        before = opened.enter_context(Stack(_layers_of(engine, old)))
        return tuple(diff_trees(before, opened.enter_context(Stack(_layers_of(engine, new)))))


def _layers_of(engine: Engine, text: str) -> tuple[str, ...]:
    """Return the directories, topmost first, of a container or of an image."""
    try:
        container = engine.containers.find(text)
    except NotFound:
        return engine.images.snapshot_dirs(engine.images.resolve(text))
    return (engine.containers.bundle(text).file("upper"), *container.lower)


def prune(
    engine: Engine,
    *,
    containers: bool = True,
    images: bool = True,
    cache: bool = False,
    everything: bool = False,
    dry_run: bool = False,
) -> Pruned:
    """Free what nothing needs: ended containers, images without a name (`everything`: without a container), the cache.

    With `dry_run` nothing is removed; what would be is told for each kind as if the others stayed.
    """
    ended = _ended(engine) if containers else []
    if not dry_run:
        for container in ended:
            engine.containers.remove(container.id)
    cached = _forget_cache(engine, dry_run) if cache else 0
    store = engine.images
    used = {each.image_id for each in engine.containers.list()}
    unwanted = [
        image
        for image in (store.images() if images else ())
        if image.id not in used and (everything or not image.references)
    ]
    freed = store.prune(unwanted, dry_run=dry_run)
    return Pruned(tuple(each.id for each in ended), tuple(image.id for image in unwanted), cached, freed)


def _ended(engine: Engine) -> list[Container]:
    containers = engine.containers
    return [each for each in containers.list() if not each.is_running and not containers.bundle(each.id).is_kept()]


def _forget_cache(engine: Engine, dry_run: bool) -> int:
    """Empty the build cache; return how many results it had."""
    path = engine.layout.cache
    if not os.path.exists(path):
        return 0
    from mydocker.build.cache import Cache

    with Cache(path) as cache:
        return cache.count() if dry_run else cache.clear()
