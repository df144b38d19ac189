"""Image builds as ordinary doit tasks, for a `dodo.py` of your own.

    from mydocker import pipeline

    def task_app():
        return pipeline.image("app:1.0", context="app")

    def task_check():
        return pipeline.run("app:1.0", ["app", "--self-test"], task_dep=["app"])

    def task_release():
        return pipeline.save("app:1.0", "out/app.tar", task_dep=["check"])

    def task_publish():
        return pipeline.push("app:1.0", "registry.example/team/app:1.0", task_dep=["check"])

Each function returns a task as a dict (doit: "Tasks"); keyword arguments that it does not know are put into the dict as
they are (`task_dep`, `file_dep`, `name`, `doc` ...). A task is up to date when doing it again would change nothing: an
image, when each of its steps would be found in the cache and they give what its name means; a run, when the image and
the command are those of the last time; an archive, when it is still as it was written, of the image of that name; a
push, when the registry still has that image under that name. So no `file_dep` has to be listed for a build context.

Values for `getargs`: an image's task has `image` (its id), `digest` (its manifest's) and `name`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from doit.exceptions import TaskFailed
from doit.tools import config_changed

from mydocker.build.request import BuildRequest
from mydocker.engine import Engine
from mydocker.errors import BuildFailed, MydockerError, NotFound, RegistryError
from mydocker.image.digest import Digest
from mydocker.image.reference import Reference

Task = dict[str, Any]
Values = Mapping[str, Any]


def base(name: str = "base", archive: str | None = None, /, *, root: str | None = None, **task: Any) -> Task:
    """Return the task that makes a base image: from `archive`, else from this host; done once, until it is removed."""

    def make() -> dict[str, str]:
        return _values(_engine(root).build_base(archive, name), name)

    return {
        "actions": [_told(make)],
        "uptodate": [_same_image(name, root)],
        "clean": [_remover(name, root)],
        "doc": f"make the base image {name}",
        **({"file_dep": [archive]} if archive else {}),
        **task,
    }


def image(
    name: str,
    /,
    context: str = ".",
    dockerfile: str | None = None,
    *,
    target: str = "",
    build_args: Mapping[str, str] | None = None,
    root: str | None = None,
    **task: Any,
) -> Task:
    """Return the task that builds the image `name` from a Dockerfile; `target` is the stage (default: the last)."""
    request = BuildRequest(
        context=context,
        dockerfile=dockerfile,
        tags=(name,),
        targets=(target,) if target else (),
        build_args=dict(build_args or {}),
    )

    def make() -> dict[str, str]:
        return _values(_engine(root, talk=True).build(request).image, name)

    return {
        "actions": [_told(make)],
        "uptodate": [_same_image(name, root), _same_result(request, root)],
        "clean": [_remover(name, root)],
        "doc": f"build the image {name}",
        **task,
    }


def run(
    name: str, command: Sequence[str] = (), /, *, volumes: Sequence[str] = (), root: str | None = None, **task: Any
) -> Task:
    """Return the task that runs a command in a container of the image `name` and fails unless it ends with 0."""
    words = tuple(command)

    def execute() -> dict[str, str]:
        from mydocker.creation.request import RunRequest

        engine = _engine(root)
        found = engine.images.resolve(name)
        container = engine.create(RunRequest(image=name, command=words, volumes=tuple(volumes), remove=True))
        status = engine.containers.run_attached(container.id)
        if status:
            raise BuildFailed(f"{' '.join(words) or name} ended with exit status {status}")
        return {"image": str(found.id)}

    return {
        "actions": [_told(execute)],
        "uptodate": [_same_image(name, root), config_changed({"command": words, "volumes": tuple(volumes)})],
        "doc": f"run {' '.join(words) or 'its command'} in the image {name}",
        **task,
    }


def save(
    name: str,
    output: str,
    /,
    *,
    form: str = "docker-archive",
    compression: str = "",
    root: str | None = None,
    **task: Any,
) -> Task:
    """Return the task that saves the image `name` to the file `output` (see `Engine.save_images` for the forms)."""

    def write() -> dict[str, str]:
        os.makedirs(os.path.dirname(os.path.abspath(output)), exist_ok=True)
        engine = _engine(root)
        engine.save_images([name], output, form, compression)
        return {"image": str(engine.images.resolve(name).id), "file": _stamp(output)}

    return {
        "actions": [_told(write)],
        "targets": [output],
        "uptodate": [
            _same_image(name, root),
            lambda task, values: values.get("file") == _stamp(output),
            config_changed({"form": form, "compression": compression}),
        ],
        "clean": True,
        "doc": f"save the image {name} as {output}",
        **task,
    }


def push(name: str, destination: str = "", /, *, root: str | None = None, **task: Any) -> Task:
    """Return the task that sends the image `name` to a registry, as `destination` (default: the same name)."""
    from mydocker.image import registry

    reference = Reference.parse(destination or name)

    def send() -> dict[str, str]:
        store = _engine(root).images
        found = store.resolve(name)
        return {"image": str(found.id), "pushed": str(registry.push(store, found, reference, os.environ))}

    def is_there(task: Any, values: Values) -> bool:
        try:
            with registry.connect(_engine(root).images, reference, os.environ) as remote:
                return values.get("pushed") == Digest.of(remote.document())
        except RegistryError:
            return False  # gone, or not to be reached: that is told when the task runs

    return {
        "actions": [_told(send)],
        "uptodate": [_same_image(name, root), is_there],
        "doc": f"push the image {name} to {reference.familiar}",
        **task,
    }


def _engine(root: str | None, *, talk: bool = False) -> Engine:
    if not talk:
        return Engine(root)
    from mydocker.cli.progress import reporter_for

    return Engine(root, reporter=reporter_for())


def _told(action: Callable[[], Values]) -> Callable[[], Values | TaskFailed]:
    """Return the action so that what goes wrong becomes the task's failure in our words, not a traceback."""

    def act() -> Values | TaskFailed:
        try:
            return action()
        except MydockerError as error:
            return TaskFailed("\n".join(error.lines()))

    return act


def _values(made: Any, name: str) -> dict[str, str]:
    return {"image": str(made.id), "digest": str(made.digest), "name": name}


def _same_image(name: str, root: str | None) -> Callable[[Any, Values], bool]:
    """Return the check that the name still means the image that the task's last run had to do with."""

    def check(task: Any, values: Values) -> bool:
        try:
            return values.get("image") == str(_engine(root).images.resolve(name).id)
        except NotFound:
            return False

    return check


def _same_result(request: BuildRequest, root: str | None) -> Callable[[Any, Values], bool]:
    """Return the check that a build would find every step in the cache, and give the image that the last one gave."""

    def check(task: Any, values: Values) -> bool:
        try:
            foreseen = _engine(root).build(request._replace(dry_run=True)).foreseen
        except MydockerError:
            return False  # what is wrong is told when the task runs
        return bool(foreseen) and values.get("image") == str(foreseen[-1])

    return check


def _stamp(path: str) -> str:
    """Return what changes when a file is written or replaced; empty where there is none."""
    try:
        facts = os.stat(path)
    except FileNotFoundError:
        return ""
    return f"{facts.st_ino} {facts.st_size} {facts.st_mtime_ns}"


def _remover(name: str, root: str | None) -> Callable[[], None]:
    """Return the action of `doit clean`: take the name away; what nothing needs any more goes with the next prune."""

    def remove() -> None:
        try:
            _engine(root).images.untag(Reference.parse(name))
        except NotFound:
            return

    return remove
