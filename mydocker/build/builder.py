"""One build from beginning to end: read the Dockerfile, plan, let doit settle the steps, store the images."""

from __future__ import annotations

import os
import time
from functools import partial

from mydocker.build import inputs
from mydocker.build.cache import Cache
from mydocker.build.executor import Executor
from mydocker.build.keys import digest_of
from mydocker.build.planning import make_plan
from mydocker.build.request import BuildResult
from mydocker.build.trees import Place
from mydocker.dockerfile import parse_cached
from mydocker.dockerfile.lint.finding import INFO
from mydocker.errors import BuildFailed, NotFound
from mydocker.events import BuildPlanned, Notice
from mydocker.image.digest import Digest
from mydocker.image.reference import Reference
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mydocker.build.plan import Base, Plan, Target
    from mydocker.build.request import BuildRequest
    from mydocker.build.sharing.exchange import Imports
    from mydocker.dockerfile.cache import Cached
    from mydocker.events import Reporter
    from mydocker.image.config import History, ImageConfig
    from mydocker.image.image import Image
    from mydocker.image.store import ImageStore

_NAMES = ("Dockerfile", "dockerfile", "Containerfile")
_PATIENCE = 10.0  # seconds that interrupted steps get to end; each one's container is killed at once


def build(
    request: BuildRequest,
    store: ImageStore,
    find_base: Callable[[str, str], Base],
    reporter: Reporter,
    now: int,
    environ: Mapping[str, str],
) -> BuildResult:
    """Carry out a build; `now` (seconds since 1970) is what `images` shows as the time of building.

    `environ` says where credentials for registries are: shared caches may lie there.
    Raises `DockerfileError`, `NotFound`, `BuildFailed` and what the rooms below raise. A failed build names no image;
    the steps that it finished stay in the cache.
    """
    references = [Reference.parse(tag) for tag in request.tags]
    if request.graphs:
        from mydocker.build.graph import writing

        writing.check(request.graphs)
    with inputs.local(request, store) as here:
        path = dockerfile_path(here)
        # What is fetched or unpacked lies in another directory each time; its words stay the same.
        slot = _slot(path, here.context) if here is request else digest_of([request.dockerfile or "", request.context])
        return _build(here, store, find_base, reporter, now, environ, references, Place(slot[:16], _ignore_file(path)))


def _build(
    request: BuildRequest,
    store: ImageStore,
    find_base: Callable[[str, str], Base],
    reporter: Reporter,
    now: int,
    environ: Mapping[str, str],
    references: list[Reference],
    place: Place,
) -> BuildResult:
    path, text = _read_dockerfile(request)
    parsed = parse_cached(text, store.layout.parsed, filename=path)
    _tell_findings(parsed, path, reporter)
    plan = make_plan(parsed.dockerfile, request, find_base)
    reporter(BuildPlanned(len(plan.steps), plan.skipped))
    for warning in plan.warnings:
        reporter(Notice(warning, "warning"))
    with Cache(store.layout.cache) as cache:
        executor = Executor(plan, request, store, cache, reporter, place, _imports(request, store, environ, reporter))
        began = time.monotonic()
        try:
            _settle(plan, executor, request)
        finally:
            executor.close()
            _draw(request, path, plan, executor, time.monotonic() - began)
        images = () if request.dry_run else _images(plan, executor, store, references, now)
        if images and request.outputs:
            _write_outputs(request, images[-1], store, cache)
        if images and request.cache_to:
            from mydocker.build.sharing.exchange import give

            give(executor.results(), request.cache_to, store, environ)
        foreseen = _foreseen(plan, executor) if request.dry_run else ()
        return BuildResult(images, executor.outcomes(), plan.warnings, plan.skipped, foreseen)


def _imports(
    request: BuildRequest, store: ImageStore, environ: Mapping[str, str], reporter: Reporter
) -> Imports | None:
    """Return the shared caches to take from, None where there are none."""
    if not request.cache_from:
        return None
    from mydocker.build.sharing.exchange import Imports

    return Imports(request.cache_from, store, environ, reporter)


def _draw(request: BuildRequest, dockerfile: str, plan: Plan, executor: Executor, seconds: float) -> None:
    """Write the graph files that are asked for: of a failed build too, for whoever has to find out why."""
    if not request.graphs:
        return
    from mydocker.build import graph
    from mydocker.build.graph import writing
    from mydocker.build.secrets import Needles

    drawn = graph.make(plan, executor.outcomes(), f"mydocker build {dockerfile}", seconds)
    for path in request.graphs:
        writing.write(path, drawn, Needles(request.secrets))


def _tell_findings(parsed: Cached, path: str, reporter: Reporter) -> None:
    """Tell what lint has to say; raise `BuildFailed` where the file itself makes its findings errors.

    Unset variables are left to the planner, which knows the base images' environment; lint has to guess it.
    """
    told = [finding for finding in parsed.findings if finding.rule != "UndefinedVar"]
    for finding in told:
        shown = f"{path}:{finding.span.line}: {finding.message} ({finding.rule})"
        reporter(Notice(shown, "warning"))
    if parsed.findings_fail and any(finding.level != INFO for finding in told):
        raise BuildFailed(
            "the Dockerfile has findings", "it asks for them to be errors (check=error=true)", filename=path
        )


def dockerfile_path(request: BuildRequest) -> str:
    """Return the path of the request's Dockerfile; raise `NotFound` when there is none."""
    if request.dockerfile:
        if os.path.exists(request.dockerfile):
            return request.dockerfile
        raise NotFound(f"there is no file {request.dockerfile}", hint="name the Dockerfile with -f FILE")
    for name in _NAMES:
        path = name if request.context == "." else os.path.join(request.context, name)
        if os.path.exists(path):
            return path
    where = "the current directory" if request.context == "." else request.context
    raise NotFound(
        f"there is no Dockerfile in {where}", hint="name it with -f FILE, or give the directory that has one"
    )


def _read_dockerfile(request: BuildRequest) -> tuple[str, bytes]:
    path = dockerfile_path(request)
    try:
        with open(path, "rb") as file:
            return path, file.read()
    except OSError as error:
        raise NotFound(f"cannot read {path}", error.strerror or str(error)) from error


def _ignore_file(dockerfile: str) -> str:
    """Return the ignore file that belongs to this very Dockerfile, which overrules the context's, or ""."""
    own = f"{dockerfile}.dockerignore"
    return own if os.path.isfile(own) else ""


def _slot(dockerfile: str, context: str) -> str:
    """Name a Dockerfile and its context for explanations: the same words again mean the same place."""
    return digest_of([os.path.abspath(dockerfile), os.path.abspath(context)])


def _settle(plan: Plan, executor: Executor, request: BuildRequest) -> None:
    """Have doit settle the steps. Where the cache has them all there is no graph to run, and doit is not loaded."""
    if all(executor.is_done(step) for step in plan.steps):
        return
    from mydocker.build import scheduler

    jobs = [
        scheduler.Job(step.id, step.after, partial(executor.is_done, step), partial(executor.work, step))
        for step in plan.steps
    ]
    workers = request.workers or len(os.sched_getaffinity(0))
    scheduler.run(jobs, workers, lambda: executor.stop(_PATIENCE))


def _write_outputs(request: BuildRequest, image: Image, store: ImageStore, cache: Cache) -> None:
    from mydocker.build import outputs

    for output in request.outputs:
        outputs.write(output, image, store, cache, request.tags)


def _images(
    plan: Plan, executor: Executor, store: ImageStore, references: list[Reference], now: int
) -> tuple[Image, ...]:
    """Put an image for each target into the store; the names go to the last one."""
    images = []
    with store.holding():
        for number, target in enumerate(plan.targets):
            names = references if number == len(plan.targets) - 1 else []
            layers = executor.stack(target.ground)
            images.append(store.add(_config(target, executor), layers, names, base=target.base, built=now))
    return tuple(images)


def _config(target: Target, executor: Executor) -> ImageConfig:
    """Return the config of a target's image; its steps have to be settled."""
    diff_ids = tuple(layer.diff_id for layer in executor.stack(target.ground))
    return target.config._replace(diff_ids=diff_ids, history=_history(target, executor))


def _foreseen(plan: Plan, executor: Executor) -> tuple[Digest, ...]:
    """Return the ids of the images that a build would give now, where no step would run; nothing where one would."""
    if any(step.outcome != "hit" for step in executor.outcomes()):
        return ()
    return tuple(Digest.of(_config(target, executor).encode()) for target in plan.targets)


def _history(target: Target, executor: Executor) -> tuple[History, ...]:
    """Return the history with the steps that turned out to change nothing marked so: they have no layer."""
    entries = list(target.config.history)
    for at, step in target.step_entries:
        if executor.changed_nothing(step):
            entries[at] = entries[at]._replace(empty_layer=True)
    return tuple(entries)
