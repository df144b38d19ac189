"""What needs images and containers at once: remove, commit, compare, prune."""

from __future__ import annotations

import os
from contextlib import ExitStack

from mydocker.errors import Busy, NotFound
from mydocker.image import platforms
from mydocker.image.collect import Freed
from mydocker.image.compare import Difference, diff_trees
from mydocker.image.config import History, ImageConfig, timestamp
from mydocker.image.reference import Reference
from mydocker.image.stack import Stack
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mydocker.engine import Engine
    from mydocker.image.image import Image
    from mydocker.image.usage import Usage
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


def import_rootfs(
    engine: Engine, source: str | int, name: str, message: str, platform: str, changes: Sequence[str] = ()
) -> Image:
    """Make an image of the archive of a root file system (a path or an open descriptor); its command is `sh`.

    `platform` is what the programs in it run on, `os/architecture[/variant]`; empty: this machine's. `changes` are
    instructions that describe it (`CMD ["top"]`, `ENV A=b`).
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
    return engine.images.import_tar(source, _changed(config, changes), reference)


def commit(
    engine: Engine, reference: str, name: Reference, *, author: str = "", message: str = "", changes: Sequence[str] = ()
) -> Image:
    """Make an image of a container's file system: its image's layers and one more, with what the container changed.

    A running container goes on, so files that it is just writing may be caught half-way: pause it for a moment's
    picture. Times are clamped to the image's own epoch, as in a build; `changes` are those of `import_rootfs`. Raises
    `NotFound` when its image is gone.
    """
    container = engine.containers.find(reference)
    store = engine.images
    try:
        image = store.resolve(container.image_id)
    except NotFound as failed:
        raise NotFound(f"commit {reference}", "its image has been removed, and so has its config") from failed
    epoch = image.config.created_seconds
    upper = engine.containers.bundle(reference).file("upper")
    described = _changed(_committed(image.config, container, author, message), changes)
    with store.holding():
        layer = store.layers.commit_copy(upper, container.lower, epoch)
        config = described._replace(diff_ids=(*image.diff_ids, layer.diff_id))
        return store.add(config, (*image.layers, layer), (name,), base=image.base or image.title)


def _changed(config: ImageConfig, changes: Sequence[str]) -> ImageConfig:
    if not changes:
        return config
    from mydocker.build.changes import changed

    return changed(config, changes)


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

    With `dry_run` nothing is removed; the answer is what the same call without it would give.
    """
    ended = _ended(engine) if containers else []
    if not dry_run:
        for container in ended:
            engine.containers.remove(container.id)
    cached = _forget_cache(engine, dry_run) if cache else 0
    store = engine.images
    going = {each.id for each in ended}
    staying = [each for each in engine.containers.list() if each.id not in going]
    used = {each.image_id for each in staying}
    unwanted = [
        image
        for image in (store.images() if images else ())
        if image.id not in used and (everything or not image.references)
    ]
    pins = engine.pins(staying, cached=not cache) if dry_run else None
    freed = store.prune(unwanted, pins=pins, dry_run=dry_run)
    return Pruned(tuple(each.id for each in ended), tuple(image.id for image in unwanted), cached, freed)


def usage(engine: Engine) -> tuple[Usage, ...]:
    """Return what everything in the store takes on the disk, and what of it `prune` with all its choices would free."""
    from mydocker.image.collect import disk_usage
    from mydocker.image.usage import Usage, usage

    layout, listed = engine.layout, engine.containers.list()
    ended = {each.id for each in _ended(engine)}
    pins = engine.pins([each for each in listed if each.id not in ended], cached=False)
    containers = {each.id: disk_usage(f"{layout.containers}/{each.id}") for each in listed}
    cache, failed = disk_usage(layout.cache), disk_usage(layout.failures)
    return (
        *usage(engine.images, pins),
        Usage("containers", len(listed), sum(containers.values()), sum(containers[each] for each in ended)),
        Usage("volumes", len(engine.volumes.list()), disk_usage(engine.volumes.directory), 0),
        Usage("build cache", _forget_cache(engine, dry_run=True), cache, cache),
        Usage("cache mounts", len(_names(layout.cache_mounts)), disk_usage(layout.cache_mounts), 0),
        Usage("failed steps", len(_names(layout.failures)), failed, failed),
    )


def _names(directory: str) -> list[str]:
    return os.listdir(directory) if os.path.isdir(directory) else []


def _ended(engine: Engine) -> list[Container]:
    containers = engine.containers
    return [each for each in containers.list() if not each.is_running and not containers.bundle(each.id).is_kept()]


def _forget_cache(engine: Engine, dry_run: bool) -> int:
    """Empty the build cache, forget failed steps; return how many results there were."""
    path = engine.layout.cache
    if not os.path.exists(path):
        return 0
    from mydocker.build.cache import Cache

    with Cache(path) as cache:
        if dry_run:
            return cache.count()
        from mydocker.build import failures

        failures.forget(engine.layout)
        return cache.clear()
