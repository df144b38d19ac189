"""What is built again and what is not, and that the builder can say why."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from mydocker.build.executor import Executor
from mydocker.build.request import BuildRequest, BuildResult
from mydocker.engine import Engine
from mydocker.errors import BuildFailed

if TYPE_CHECKING:
    from pathlib import Path

    from mydocker.build.plan import Step
    from mydocker.image.manifest import Layer

pytestmark = pytest.mark.root


class Bench:
    """A store, a context, and a way to build and look at what happened."""

    def __init__(self, place: Path) -> None:
        self.store = place / "store"
        self.context = place / "context"
        self.context.mkdir()
        self.request = BuildRequest(str(self.context), tags=("app:1",), workers=1)

    def write(self, dockerfile: str, **files: str) -> None:
        (self.context / "Dockerfile").write_text(dockerfile)
        for name, text in files.items():
            (self.context / name).write_text(text)

    def build(self, **changes: object) -> BuildResult:
        return Engine(str(self.store)).build(self.request._replace(**changes))  # type: ignore[arg-type]

    def outcomes(self, **changes: object) -> list[str]:
        return [step.outcome for step in self.build(**changes).steps]

    def why(self, **changes: object) -> list[str]:
        return [step.why for step in self.build(**changes).steps]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_second_build_runs_nothing_and_gives_the_same_image(bench: Bench) -> None:
    bench.write("FROM base\nCOPY a /a\nRUN cat /a > /b\n", a="1")
    first = bench.build()
    second = bench.build()
    assert [step.outcome for step in first.steps] == ["run", "run"]
    assert [step.outcome for step in second.steps] == ["hit", "hit"]
    assert first.image == second.image._replace(built=first.image.built)


def test_copy_of_a_touched_but_equal_file_is_a_hit(bench: Bench) -> None:
    bench.write("FROM base\nCOPY a /a\n", a="1")
    bench.build()
    os.utime(bench.context / "a", (1, 1))
    assert bench.outcomes() == ["hit"]


def test_a_changed_file_is_named(bench: Bench) -> None:
    bench.write("FROM base\nCOPY a b /\nRUN true\n", a="1", b="1")
    bench.build()
    (bench.context / "b").write_text("2")
    result = bench.build()
    assert [step.outcome for step in result.steps] == ["run", "run"]
    assert result.steps[0].why == "file b changed"
    assert result.steps[1].why == "a step before it gave another result"


def test_a_file_that_nothing_copies_changes_nothing(bench: Bench) -> None:
    bench.write("FROM base\nCOPY a /a\n", a="1", other="1")
    bench.build()
    (bench.context / "other").write_text("2")
    assert bench.outcomes() == ["hit"]


def test_an_early_step_that_gives_the_same_bytes_cuts_off_what_follows(bench: Bench) -> None:
    bench.write("FROM base\nRUN echo same > /f\nRUN cat /f > /g\n")
    bench.build()
    bench.write("FROM base\nRUN echo 'same' > /f\nRUN cat /f > /g\n")
    result = bench.build()
    assert [step.outcome for step in result.steps] == ["run", "hit"]
    assert result.steps[0].why == "the instruction itself changed"


def test_a_variable_that_changed_is_named_with_both_values(bench: Bench) -> None:
    bench.write("FROM base\nARG V=1\nENV W=$V\nRUN echo $W > /w\n")
    bench.build()
    assert bench.why(build_args={"V": "2"}) == [
        "argument V changed from '1' to '2', variable W changed from '1' to '2'"
    ]


def test_an_argument_counts_from_its_declaration_on(bench: Bench) -> None:
    bench.write("FROM base\nRUN echo before > /b\nARG V=1\nRUN echo after > /a\n")
    bench.build()
    assert bench.outcomes(build_args={"V": "2"}) == ["hit", "run"]


def test_a_proxy_changes_no_key_and_is_seen_by_run(bench: Bench) -> None:
    bench.write('FROM base\nRUN test -z "$http_proxy" || echo "$http_proxy" > /seen\n')
    bench.build()
    assert bench.outcomes(build_args={"http_proxy": "http://proxy"}) == ["hit"]
    assert bench.outcomes(build_args={"http_proxy": "http://proxy"}, no_cache=True) == ["run"]


def test_no_cache_runs_everything_and_says_so(bench: Bench) -> None:
    bench.write("FROM base\nRUN true\n")
    bench.build()
    result = bench.build(no_cache=True)
    assert [(step.outcome, step.why) for step in result.steps] == [("run", "the cache was not asked (--no-cache)")]


def test_no_cache_for_one_stage_only(bench: Bench) -> None:
    bench.write("FROM base AS one\nRUN echo 1 > /1\nFROM base AS two\nCOPY --from=one /1 /1\nRUN echo 2 > /2\n")
    bench.build()
    assert bench.outcomes(no_cache_stages=frozenset({"one"})) == ["run", "hit", "hit"]


def test_stages_that_nobody_asked_for_do_not_run(bench: Bench) -> None:
    bench.write("FROM base AS broken\nRUN false\nFROM base AS wanted\nRUN true\nFROM broken\n")
    result = bench.build(targets=("wanted",))
    assert [step.stage for step in result.steps] == ["wanted"]


def test_a_dry_run_foretells_what_runs_and_runs_nothing(bench: Bench) -> None:
    bench.write("FROM base\nCOPY a /a\nRUN cat /a\nRUN true\n", a="1")
    bench.build()
    (bench.context / "a").write_text("2")
    foreseen = bench.build(dry_run=True)
    assert [step.outcome for step in foreseen.steps] == ["would run"] * 3
    assert foreseen.steps[0].why == "file a changed"
    assert foreseen.images == ()
    assert [step.outcome for step in bench.build().steps] == ["run", "run", "run"]
    assert bench.outcomes(dry_run=True) == ["hit"] * 3


def test_the_digest_is_the_same_in_another_store_directory_umask_zone_owner_and_worker_count(tmp_path: Path) -> None:
    script = (
        "import os, sys; os.umask(int(sys.argv[4], 8))\n"
        "from mydocker.engine import Engine; from mydocker.build.request import BuildRequest\n"
        "r = BuildRequest(sys.argv[2], workers=int(sys.argv[3]))\n"
        "print(Engine(sys.argv[1]).build(r).image.digest)\n"
    )
    digests = set()
    for number, (workers, umask, zone) in enumerate(
        [("1", "022", "UTC"), ("8", "077", "Asia/Tokyo"), ("2", "000", "UTC")]
    ):
        context = tmp_path / f"context-{number}"
        (context / "d").mkdir(parents=True)
        for name in ("b", "a", "c") if number else ("a", "b", "c"):
            (context / "d" / name).write_text(name)
            (context / "d" / name).chmod(0o644)
        (context / "d").chmod(0o755)
        for path in (context, context / "d", *(context / "d").iterdir()):
            os.chown(path, number * 1000, number * 100)
        (context / "Dockerfile").write_text(
            "FROM base AS one\nRUN date > /dev/null; mkdir -p /x/y; touch /x/y/z; ln /x/y/z /x/hard\n"
            "FROM base\nCOPY d /d\nCOPY --from=one /x /x\nRUN rm -r /usr/share; echo done > /done\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, tmp_path / f"store-{number}", context, workers, umask],
            capture_output=True, text=True, env={**os.environ, "TZ": zone}, check=True,
        )  # fmt: skip
        digests.add(done.stdout)
    assert len(digests) == 1


@pytest.mark.parametrize(
    "step", ["COPY d /d", "COPY d/a d/b /", "RUN --mount=type=bind,source=d,target=/m cat /m/* > /c"]
)
def test_files_that_change_behind_the_key_leave_no_wrong_result(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    (bench.context / "d").mkdir()
    bench.write(f"FROM base\n{step}\n", **{"d/a": "1", "d/b": "1"})
    before = Executor._make

    def make(executor: Executor, step: Step) -> Layer:
        (bench.context / "d/a").write_text("2")
        return before(executor, step)

    monkeypatch.setattr(Executor, "_make", make)
    with pytest.raises(BuildFailed, match="changed meanwhile"):
        bench.build()
    monkeypatch.undo()
    (bench.context / "d/a").write_text("1")
    result = bench.build()
    assert [each.outcome for each in result.steps] == ["run"]
    assert bench.build(no_cache=True).image.digest == result.image.digest


def test_two_builds_at_once_share_the_work(bench: Bench) -> None:
    bench.write("FROM base\nRUN sleep 1; cat /proc/sys/kernel/random/uuid > /id\n")
    Engine(str(bench.store)).build_base()
    script = (
        "import sys; from mydocker.engine import Engine; from mydocker.build.request import BuildRequest\n"
        "r = Engine(sys.argv[1]).build(BuildRequest(sys.argv[2])); print(r.ran, r.image.id)\n"
    )
    words = [sys.executable, "-c", script, str(bench.store), str(bench.context)]
    both = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = sorted(process.communicate(timeout=60)[0].split() for process in both)
    assert [answer[0] for answer in answers] == ["0", "1"]
    assert answers[0][1] == answers[1][1]


def test_a_damaged_cache_is_set_aside_and_nothing_is_lost(bench: Bench) -> None:
    bench.write("FROM base\nRUN true\n")
    first = bench.build().image.id
    (bench.store / "cache.sqlite").write_bytes(b"not a database" * 1000)
    for extra in ("cache.sqlite-wal", "cache.sqlite-shm"):
        (bench.store / extra).unlink(missing_ok=True)
    again = bench.build()
    assert again.image.id == first
    assert again.ran == 1
    assert (bench.store / "cache.sqlite.damaged").exists()


def test_a_result_whose_layer_was_removed_is_made_again(bench: Bench) -> None:
    bench.write("FROM base\nRUN echo x > /x\n")
    layer = bench.build().image.layers[-1]
    (bench.store / "blobs/sha256" / layer.blob.digest.hex).unlink()
    result = bench.build()
    assert result.ran == 1
    assert result.image.layers[-1] == layer


def test_what_only_the_cache_needs_survives_the_removal_of_images(bench: Bench) -> None:
    bench.write("FROM base\nRUN echo kept > /kept\n")
    bench.build()
    engine = Engine(str(bench.store))
    engine.images.remove(engine.images.resolve("app:1"))
    engine.images.prune()
    assert bench.outcomes() == ["hit"]
