"""doit runs the graph: jobs become doit tasks, and doit's own control, up-to-date checks and runners do the rest.

What is ours is thin. A job's `is_done` is the task's `uptodate` check; doit calls it when everything before the job has
been settled, which is what early cut-off needs: the key of a step is known only when its parent's content is. doit's
record of past runs is kept in memory: the build cache knows more (content, many processes, no lock on a file).

Threads, not processes: the heavy work of a step is in its container, in zstd or in hashing, all outside the GIL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from doit.action import BaseAction
from doit.control import TaskControl
from doit.dependency import Dependency
from doit.exceptions import TaskFailed
from doit.runner import MThreadRunner, Runner
from doit.task import Task

from mydocker.errors import MydockerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Job(NamedTuple):
    """One node of the graph: its unique name, the names that have to be settled before it, its check and its work.

    `is_done()` and `work()` may raise; the first error stops the run: what is running ends, nothing new begins.
    """

    name: str
    after: tuple[str, ...]
    is_done: Callable[[], bool]
    work: Callable[[], None]


class _Memory:
    """doit's key-value backend for one run: nothing is read before it and nothing remains after it."""

    def __init__(self, name: str, codec: object, module_name: str | None = None) -> None:
        self.name = name
        self._values: dict[str, dict[str, Any]] = {}

    def get(self, task: str, name: str) -> Any:
        return self._values.get(task, {}).get(name)

    def set(self, task: str, name: str, value: Any) -> None:
        self._values.setdefault(task, {})[name] = value

    def in_(self, task: str) -> bool:
        return task in self._values

    def remove(self, task: str) -> None:
        self._values.pop(task, None)

    def remove_all(self) -> None:
        self._values.clear()

    def dump(self) -> None:
        """Keep nothing."""


class _Run:
    """doit's reporter for one run: it collects the errors; progress is told by the jobs themselves."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []
        self.unchecked: set[str] = set()  # jobs whose check failed: they must not run

    def initialize(self, tasks: object, selected: object) -> None: ...
    def get_status(self, task: Task) -> None: ...
    def execute_task(self, task: Task) -> None: ...
    def add_success(self, task: Task) -> None: ...
    def skip_uptodate(self, task: Task) -> None: ...
    def skip_ignore(self, task: Task) -> None: ...
    def teardown_task(self, task: Task) -> None: ...
    def complete_run(self) -> None: ...

    def add_failure(self, task: Task, failure: Any) -> None:
        """Keep what doit found wrong, unless the job's own error is known already."""
        if not self.errors:
            self.errors.append(MydockerError(f"doit could not run {task.name}", str(failure)))

    def cleanup_error(self, failure: Any) -> None:
        self.errors.append(MydockerError("doit could not clean up", str(failure)))

    def runtime_error(self, message: str) -> None:
        self.errors.append(MydockerError("doit cannot run the graph", message))


class _Work(BaseAction):  # type: ignore[misc]  # doit has no type information
    """A job's work as a doit action. Not doit's PythonAction: that one redirects sys.stdout for all threads at once."""

    def __init__(self, job: Job, run: _Run) -> None:
        self._job = job
        self._run = run
        self.out = self.err = self.result = None
        self.values: dict[str, Any] = {}

    def execute(self, out: object = None, err: object = None) -> TaskFailed | None:
        if self._job.name in self._run.unchecked:
            return TaskFailed(f"{self._job.name} could not be checked")
        try:
            self._job.work()
        except BaseException as error:  # a thread's end is no place for an error: `run` raises it again
            self._run.errors.append(error)
            return TaskFailed(f"{self._job.name} failed")
        return None


def run(jobs: Iterable[Job], workers: int, stop: Callable[[], None]) -> None:
    """Run `jobs`, at most `workers` at a time; raise the first error after everything that was running has ended.

    When the waiting thread itself is interrupted (Ctrl-C, SIGTERM), `stop` is called: it has to make running work end.
    """
    state = _Run()
    tasks = [_task(job, state) for job in jobs]
    if not tasks:
        return
    control = TaskControl(tasks)
    control.process(None)
    records = Dependency(_Memory, "")
    parallel = workers > 1 and len(tasks) > 1
    runner = MThreadRunner(records, state, num_process=min(workers, len(tasks))) if parallel else Runner(records, state)
    try:
        runner.run_all(control.task_dispatcher())
    except BaseException:
        stop()
        raise
    if state.errors:
        raise state.errors[0]


def _task(job: Job, state: _Run) -> Task:
    def settled() -> bool:
        try:
            return job.is_done()
        except Exception as error:  # inside doit it would look like a defect of doit's; `run` raises it again
            state.errors.append(error)
            state.unchecked.add(job.name)
            return False

    return Task(job.name, [_Work(job, state)], task_dep=list(job.after), uptodate=[settled])
