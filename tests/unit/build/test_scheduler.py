"""doit as the scheduler: order, parallel work, early cut-off, errors."""

from __future__ import annotations

import threading

import pytest

from mydocker.build.scheduler import Job, run
from mydocker.errors import BuildFailed


class Record:
    def __init__(self) -> None:
        self.done: list[str] = []
        self.lock = threading.Lock()

    def job(self, name: str, *after: str, is_done: bool = False, fails: bool = False) -> Job:
        def work() -> None:
            with self.lock:
                self.done.append(name)
            if fails:
                raise BuildFailed(f"{name} failed")

        return Job(name, after, lambda: is_done, work)


def nothing() -> None:
    raise AssertionError("nobody interrupted the run")


@pytest.mark.parametrize("workers", [1, 4])
def test_jobs_run_behind_those_that_they_need(workers: int) -> None:
    record = Record()
    run([record.job("c", "b"), record.job("b", "a"), record.job("a")], workers, nothing)
    assert record.done == ["a", "b", "c"]


@pytest.mark.parametrize("workers", [1, 4])
def test_what_is_done_does_not_run_and_what_follows_is_asked(workers: int) -> None:
    record = Record()
    run([record.job("a"), record.job("b", "a", is_done=True), record.job("c", "b")], workers, nothing)
    assert record.done == ["a", "c"]


def test_independent_jobs_run_at_the_same_time() -> None:
    meeting = threading.Barrier(2, timeout=10)
    run([Job(name, (), lambda: False, lambda: bool(meeting.wait())) for name in "ab"], 2, nothing)  # type: ignore[arg-type]


@pytest.mark.parametrize("workers", [1, 4])
def test_the_first_error_is_raised_and_nothing_behind_it_begins(workers: int) -> None:
    record = Record()
    jobs = [record.job("a", fails=True), record.job("b", "a"), record.job("c", "b")]
    with pytest.raises(BuildFailed, match="a failed"):
        run(jobs, workers, nothing)
    assert record.done == ["a"]


def test_an_error_of_the_check_is_raised_as_it_is() -> None:
    def check() -> bool:
        raise BuildFailed("no key")

    with pytest.raises(BuildFailed, match="no key"):
        run([Job("a", (), check, nothing)], 2, nothing)


def test_a_thousand_jobs_in_a_row() -> None:
    record = Record()
    run([record.job(str(n), *([str(n - 1)] if n else [])) for n in range(1000)], 2, nothing)
    assert record.done == [str(n) for n in range(1000)]
