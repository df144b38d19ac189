"""Is a build reproducible? It is made twice from scratch, under conditions that differ, and compared.

The first build is the user's own. The second one runs in a process of its own with another host name, umask, time zone,
locale, working directory, number of workers, clock since start, and store: that one lies in memory, where directories
are read in another order than on a disk. Both steps of a pair run more than a second apart.
"""

from __future__ import annotations

import marshal
import os
import signal
import socket
import threading
import time
from contextlib import suppress

from mydocker import events
from mydocker.build import causes, differences, inputs
from mydocker.build.builder import build, dockerfile_path
from mydocker.errors import BuildFailed, Busy, MydockerError
from mydocker.events import Notice
from mydocker.image.compression import decompressed, read_chunks
from mydocker.linux import files, mounts, namespaces, process
from mydocker.runtime import sandbox
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, NoReturn

    from mydocker.build.plan import Base
    from mydocker.build.request import BuildRequest, BuildResult, StepOutcome
    from mydocker.engine import Engine
    from mydocker.events import Event

_APART = 1.1  # seconds between the builds: more than what a clock with seconds shows
_HOST_NAME = "elsewhere"
_ENVIRONMENT = {"TZ": "Pacific/Chatham", "LANG": "C", "LC_ALL": "C", "HOME": "/nonexistent", "USER": "somebody"}
_UPTIME = 1_000_000  # seconds that the second build believes the host to have run for longer
_EVENTS = {
    kind.__name__: kind
    for kind in (events.BuildPlanned, events.StepStarted, events.StepOutput, events.StepFinished, events.Notice)
}


class Verified(NamedTuple):
    """What two equal builds gave: `hidden` are the steps that differ though nothing of them is in the image."""

    result: BuildResult
    hidden: tuple[str, ...]


class _Built(NamedTuple):
    """What a build came to: the image's digest, each step's (diff ID, blob digest), and its conditions."""

    digest: str
    steps: dict[str, tuple[str, str]]
    conditions: causes.Conditions


def verify(engine: Engine, request: BuildRequest) -> Verified:
    """Build twice and compare. Raises `BuildFailed` naming the first file that differs, its step, the likely cause.

    Names, outputs and graphs come from a last build, in which every step is in the cache. Only for a process with one
    thread.
    """
    if not sandbox.alone():
        raise Busy("verify a build", "this process has several threads", "verify from a process that has one")
    with inputs.local(request, engine.images) as local, engine.layout.workspace("again") as place:
        bare = local._replace(tags=(), outputs=(), graphs=(), cache_to=(), no_cache=True, dry_run=False)
        with _Elsewhere(engine, _absolute(bare), place) as elsewhere:
            mine, outcomes = _here(engine, bare)
            engine.reporter(Notice("building once more, elsewhere and under other conditions"))
            theirs = elsewhere.build()
            differing = [step for step in outcomes if mine.steps[step.step][0] != theirs.steps[step.step][0]]
            if mine.digest != theirs.digest:
                if not differing:
                    raise BuildFailed("the build is not reproducible", "the images' configurations differ")
                raise _failure(engine, local, differing[0], mine, theirs, elsewhere)
        result = engine.build(local._replace(no_cache=False, no_cache_stages=frozenset()))
        return Verified(result, tuple(step.step for step in differing))


def _absolute(request: BuildRequest) -> BuildRequest:
    """Return the request with paths that mean the same in any directory."""
    contexts = {
        name: value if value.startswith("docker-image://") or not os.path.isdir(value) else os.path.abspath(value)
        for name, value in request.contexts.items()
    }
    return request._replace(
        context=os.path.abspath(request.context),
        dockerfile=os.path.abspath(dockerfile_path(request)),
        contexts=contexts,
    )


def _here(engine: Engine, request: BuildRequest) -> tuple[_Built, tuple[StepOutcome, ...]]:
    began = time.time()
    result = engine.build(request)
    steps = {step.step: (step.diff_id, step.blob) for step in result.steps}
    return _Built(str(result.image.digest), steps, _conditions(engine.layout.root, began)), result.steps


def _conditions(store: str, began: float, uptime: float = 0.0) -> causes.Conditions:
    ended, since_start = time.time(), time.clock_gettime(time.CLOCK_BOOTTIME) + uptime
    marks = (("the host's name", os.uname().nodename), ("a path of the host", store))
    return causes.Conditions((began, ended), (since_start - (ended - began), since_start), marks)


def _failure(
    engine: Engine, request: BuildRequest, step: StepOutcome, mine: _Built, theirs: _Built, elsewhere: _Elsewhere
) -> BuildFailed:
    """Return the error that names what differs first."""

    def ours() -> Iterator[bytes]:
        return _archive(engine, f"{engine.layout.blobs}/{_hex(mine, step)}")

    def others() -> Iterator[bytes]:
        return _archive(engine, f"{elsewhere.blobs}/{_hex(theirs, step)}")

    difference = differences.first_difference(ours, others)
    assert difference is not None, "layers with different digests have the same members"
    cause = causes.likely(difference, mine.conditions, theirs.conditions)
    what = "is in one build only" if difference.kind == "name" else f"differs in its {difference.kind}"
    return BuildFailed(
        f"step {step.step} is not reproducible",
        f"{difference.path} {what}; likely cause: {cause.name} ({cause.reason})",
        cause.hint,
        filename=dockerfile_path(request),
        line=step.line,
        column=1,
        end_column=len(step.text) + 1,
        source=step.text,
    )


def _hex(built: _Built, step: StepOutcome) -> str:
    return built.steps[step.step][1].partition(":")[2]


def _archive(engine: Engine, path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        yield from decompressed(read_chunks(file.fileno()), engine.images.limits)


class _Elsewhere:
    """The process of the second build; it is forked at once, while this one has no threads, and waits for its turn."""

    def __init__(self, engine: Engine, request: BuildRequest, place: str) -> None:
        self._reporter = engine.reporter
        self._place = place
        turn, self._turn = os.pipe2(os.O_CLOEXEC)
        answers, report = os.pipe2(os.O_CLOEXEC)
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._turn)
            os.close(answers)
            _second_build(engine, request, place, turn, report)
        os.close(turn)
        os.close(report)
        self._answers = open(answers, "rb")

    def __enter__(self) -> _Elsewhere:
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self._turn)
        self._answers.close()
        if exc[0] is not None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGTERM)
        os.waitpid(self._pid, 0)

    @property
    def blobs(self) -> str:
        """Where the second build's blobs are, seen from here: its store is mounted for that process alone."""
        return f"/proc/{self._pid}/root{self._place}/store/blobs/sha256"

    def build(self) -> _Built:
        """Let it build, pass its events on, and return what it came to. Raises `BuildFailed`."""
        time.sleep(_APART)
        os.write(self._turn, b"go")
        while True:
            try:
                kind, values = marshal.load(self._answers)
            except EOFError as error:
                raise BuildFailed("the second build ended without a word", "its process was killed") from error
            if kind == "built":
                digest, steps, clock, uptime, marks = values
                return _Built(digest, steps, causes.Conditions(clock, uptime, marks))
            if kind == "failed":
                raise BuildFailed("the build fails under other conditions", *values)
            self._reporter(_EVENTS[kind](*values))


def _second_build(engine: Engine, request: BuildRequest, place: str, turn: int, report: int) -> NoReturn:
    """Be the second process: vary the conditions, wait for the turn, build, tell, stay until nobody asks any more."""
    try:
        process.prctl(process.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.read(turn, 2):
            files.write_all(report, marshal.dumps(_built_elsewhere(engine, request, place, report)))
            os.read(turn, 1)
    finally:
        os._exit(0)


def _built_elsewhere(engine: Engine, request: BuildRequest, place: str, report: int) -> tuple[str, tuple[Any, ...]]:
    """Return the answer: "built" or "failed", with what belongs to it."""
    try:
        _vary()
        began = time.time()
        try:
            mounts.mount("tmpfs", place, "tmpfs", 0, "mode=0700")
            result = _build_in(engine, request, f"{place}/store", report)
        except MydockerError:
            # Perhaps it was too large for the memory. On the disk the order of directories stays as it is.
            mounts.umount(place, mounts.MNT_DETACH)
            result = _build_in(engine, request, f"{place}/store", report)
        steps = {step.step: (step.diff_id, step.blob) for step in result.steps}
        conditions = _conditions("/store/tmp", began, _UPTIME)  # as mount tables show it: its end, on any mount
        return "built", (str(result.image.digest), steps, *map(tuple, conditions))
    except (MydockerError, OSError) as error:
        return "failed", (str(error),)  # what a hint speaks of is gone with its store
    except Exception as error:  # a defect of ours: this process has no other way to tell
        return "failed", (f"{type(error).__name__}: {error}",)


def _vary() -> None:
    """Change everything of this process that a build must not depend on."""
    namespaces.unshare(namespaces.CLONE_NEWNS | namespaces.CLONE_NEWUTS)
    mounts.mount(None, "/", None, mounts.MS_REC | mounts.MS_PRIVATE)
    socket.sethostname(_HOST_NAME)
    with suppress(OSError):  # before Linux 5.6 there is one clock for all
        namespaces.unshare(namespaces.CLONE_NEWTIME)
        with open("/proc/self/timens_offsets", "w") as file:
            file.write(f"monotonic {_UPTIME} 0\nboottime {_UPTIME} 0\n")
    os.umask(0o077 if os.umask(0o022) != 0o077 else 0o002)
    os.environ.update(_ENVIRONMENT)
    time.tzset()
    os.chdir("/")


def _build_in(engine: Engine, request: BuildRequest, root: str, report: int) -> BuildResult:
    """Build in another store, into which base images are copied; events go to the first process."""
    lock = threading.Lock()

    def tell(event: Event) -> None:
        if (name := type(event).__name__) in _EVENTS:
            with lock:
                files.write_all(report, marshal.dumps((name, tuple(event))))

    def find_base(name: str, platform: str) -> Base:
        base = engine.find_base(name, platform)
        for layer in base.layers:
            fd = engine.images.blobs.open(layer.blob.digest)
            try:
                other.images.blobs.put(read_chunks(fd), layer.blob)
            finally:
                os.close(fd)
        return base

    other = type(engine)(root, reporter=tell)
    workers = request.workers or len(os.sched_getaffinity(0))
    varied = request._replace(workers=1 if workers > 1 else 4)
    return build(varied, other.images, find_base, tell, int(time.time()), {})
