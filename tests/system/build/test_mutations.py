"""Three hundred changes: what a dry run foretells, what is explained and what then runs say the same, and are right."""

from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING

import pytest

from mydocker.build.request import BuildRequest, BuildResult, StepOutcome
from mydocker.engine import Engine
from tests.system.build.mutations import BASE, CHANGES, STEPS, Project, consequences

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.root

_ROUNDS = 8  # of all kinds of changes: some 300
_PARTS = 4
_NOT_YET = "a step before it runs, and may give another result"


class Bench:
    """Builds a project in one store, in dry runs and for good."""

    def __init__(self, place: Path) -> None:
        (place / "context").mkdir()
        self.project = Project(place / "context")
        self.engine = Engine(str(place / "store"))

    def build(self, **changes: object) -> BuildResult:
        self.project.save()
        request = BuildRequest(str(self.project.context), workers=1, build_args=self.project.args)
        return self.engine.build(request._replace(**changes))  # type: ignore[arg-type]


def steps(result: BuildResult) -> dict[str, StepOutcome]:
    """Return the steps' outcomes under the names that changes call them by."""
    places = {place: name for name, place in STEPS.items()}
    found = {}
    for step in result.steps:
        number = int(step.step.rpartition(" ")[2].partition("/")[0])
        found[places[step.stage, number]] = step
    return found


@pytest.mark.parametrize("part", range(_PARTS))
def test_foretold_explained_and_done_are_the_same(tmp_path: Path, part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path)
    bench.build()
    dice = random.Random(part)
    script = [kind for _ in range(_ROUNDS // _PARTS) for kind in dice.sample(sorted(CHANGES), len(CHANGES))]
    if part == 0:
        script = list(CHANGES) * (_ROUNDS // _PARTS)
    # Half of the time the files are old enough for their stamps to be believed.
    now, later = time.time_ns, [0]
    monkeypatch.setattr(time, "time_ns", lambda: now() + later[0])
    for turn, kind in enumerate(script, 1):
        later[0] = turn // 2 % 2 * 60 * 10**9
        shown = f"turn {turn}: {kind}"
        expected = consequences(CHANGES[kind](bench.project, turn))
        foreseen, done = steps(bench.build(dry_run=True)), steps(bench.build())
        assert {name: step.why for name, step in done.items() if step.outcome == "run"} == expected, shown
        for name, step in done.items():
            before = foreseen[name]
            if step.outcome == "run":
                assert before.outcome == "would run", (shown, name)
                assert before.why in (step.why, _NOT_YET), (shown, name)
            elif before.outcome == "would run":
                assert before.why == _NOT_YET, (shown, name)
        assert all(step.outcome == "hit" for step in steps(bench.build(dry_run=True)).values()), shown


def test_another_base_runs_everything(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.build()
    (tmp_path / "base").mkdir()
    for number in range(3):
        (tmp_path / "base/Dockerfile").write_text(f"FROM base\nRUN echo {number} > /etc/version\n")
        bench.engine.build(BuildRequest(str(tmp_path / "base"), tags=("box:1",)))
        bench.project.base = "box:1"
        expected = {name: "a step before it gave another result" for name in STEPS}
        expected |= dict.fromkeys(("level", "library", "workdir"), BASE)
        foreseen, done = steps(bench.build(dry_run=True)), steps(bench.build())
        told = {name: step.why.partition(" from ")[0] for name, step in done.items()}  # and its digests
        assert told == expected
        assert {step.outcome for step in done.values()} == {"run"}
        assert {step.outcome for step in foreseen.values()} == {"would run"}
    bench.project.base = "base"
    assert {step.outcome for step in steps(bench.build()).values()} == {"hit"}


@pytest.mark.parametrize("seed", range(3))
def test_after_many_changes_the_digest_is_that_of_a_first_build(tmp_path: Path, seed: int) -> None:
    bench = Bench(tmp_path)
    dice = random.Random(seed)
    for turn in range(1, 16):
        CHANGES[dice.choice(sorted(CHANGES))](bench.project, turn)
        image = bench.build().image
    fresh = Bench.__new__(Bench)
    fresh.project, fresh.engine = bench.project, Engine(str(tmp_path / "fresh"))
    assert fresh.build().image.digest == image.digest
    assert os.listdir(tmp_path / "store/tmp") == []
