"""Steps find their result in the cache or make it. One executor serves one build; doit calls it through `Job`s.

For each step, `is_done` computes the key (everything before the step is settled by then) and looks it up; `work` makes
the layer. Two builds that want the same step at once meet at a lock named by the key: the second one finds the first
one's result. A result is written to the cache after its layer is durable, so a killed step leaves nothing.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import ExitStack

from mydocker.build import keys
from mydocker.build.cache import Result
from mydocker.build.request import StepOutcome
from mydocker.build.steps import handler_for
from mydocker.build.trees import Trees
from mydocker.errors import BuildFailed, MydockerError
from mydocker.events import Notice, StepFinished, StepStarted
from mydocker.image.digest import EMPTY, DiffID, chain_ids, chain_on
from mydocker.image.locks import locked
from mydocker.image.manifest import OCI_LAYER_ZSTD, Descriptor, Layer
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from mydocker.build.cache import Cache
    from mydocker.build.keys import Key
    from mydocker.build.plan import Ground, Plan, Step
    from mydocker.build.request import BuildRequest
    from mydocker.build.sharing import SharedResult
    from mydocker.build.sharing.exchange import Imports
    from mydocker.build.trees import Place
    from mydocker.events import Reporter
    from mydocker.image.digest import ChainID, Digest
    from mydocker.image.store import ImageStore


class Settled(NamedTuple):
    """What a step came to: its own layer, the stack with it (without layers that change nothing), its story.

    `chain` is the stack's chain ID: made from the one below it, so that a thousand steps are not hashed a thousand
    times each.
    """

    layer: Layer
    stack: tuple[Layer, ...]
    chain: ChainID | None
    outcome: StepOutcome


class Workshop(NamedTuple):
    """What the steps' handlers work with."""

    store: ImageStore
    trees: Trees
    request: BuildRequest
    reporter: Reporter
    stack: Callable[[Ground], tuple[Layer, ...]]
    downloads: dict[str, Digest]  # what was fetched in this build, by address


class Executor:
    """Settles the steps of one plan; its methods may be called from several threads."""

    def __init__(
        self,
        plan: Plan,
        request: BuildRequest,
        store: ImageStore,
        cache: Cache,
        reporter: Reporter,
        place: Place,
        imports: Imports | None = None,
    ) -> None:
        self._steps = {step.id: step for step in plan.steps}
        self._store = store
        self._cache = cache
        self._reporter = reporter
        self._slot = place.slot
        self._imports = imports
        self._dry = request.dry_run
        self._trees = Trees(store, cache, self.stack, place)
        self._workshop = Workshop(store, self._trees, request, reporter, self.stack, {})
        self._keys: dict[str, Key] = {}
        self._why: dict[str, str] = {}
        self._settled: dict[str, Settled] = {}
        self._failed: dict[str, StepOutcome] = {}
        self._kept: dict[str, str] = {}
        self._began = time.monotonic()
        self._unknown: set[str] = set()  # in a dry run: steps whose result only a run would tell
        self._idle = threading.Condition()
        self._running = 0
        self._stopping = False

    def stack(self, ground: Ground) -> tuple[Layer, ...]:
        """Return the layers of a ground, bottom first; its step has to be settled."""
        return self._settled[ground.step].stack if ground.step else ground.layers

    def outcomes(self) -> tuple[StepOutcome, ...]:
        """Return what became of each step that was settled or failed, in the plan's order."""
        settled = {step: each.outcome for step, each in self._settled.items()}
        return tuple((settled | self._failed)[step] for step in self._steps if step in settled or step in self._failed)

    def results(self) -> dict[str, SharedResult]:
        """Return what the steps of this build gave, or would have cost, by their keys."""
        from mydocker.build.sharing import SharedResult

        found = {}
        for name, step in self._settled.items():
            seconds = step.outcome.saved if step.outcome.outcome == "hit" else step.outcome.seconds
            found[self._keys[name].digest] = SharedResult(step.layer, seconds)
        return found

    def changed_nothing(self, step: str) -> bool:
        """Tell whether a settled step's layer is the one without entries."""
        return self._settled[step].layer.diff_id == EMPTY

    def close(self) -> None:
        """Remember the keys of this build's steps for explanations, and let go of the trees."""
        self._trees.close()
        if not self._dry:
            self._cache.remember_slots(
                (f"{self._slot} {self._steps[step].slot}", key.digest) for step, key in self._keys.items()
            )

    def is_done(self, step: Step) -> bool:
        """Compute the step's key and look for its result, once; a hit is settled at once."""
        if step.id in self._settled or step.id in self._why:
            return step.id in self._settled
        if self._dry and any(each in self._unknown for each in step.after):
            self._predict(step, "a step before it runs, and may give another result")
            return True
        try:
            key = self._key(step)
        except MydockerError as error:
            self._keep(step, error)
            raise self._placed(step, error) from error
        if step.no_cache:
            self._why[step.id] = "the cache was not asked (--no-cache)"
        elif self._find(step, key):
            return True
        else:
            self._why[step.id] = self._explain(step, key)
        if self._dry:
            self._predict(step, self._why[step.id])
        return self._dry

    def work(self, step: Step) -> None:
        """Run the step and keep its result."""
        with self._idle:
            self._running += 1
        try:
            with locked(self._store.layout.lock(f"step-{self._keys[step.id].digest[:16]}")):
                if self._stopping:
                    raise BuildFailed("the build was interrupted")
                # Another build may have made it while this one waited for the lock.
                if step.no_cache or not self._find(step, self._keys[step.id]):
                    self._run(step)
        finally:
            with self._idle:
                self._running -= 1
                self._idle.notify_all()

    def stop(self, seconds: float) -> None:
        """Begin no step any more, end those at work, and wait for them to clear up, at most so many seconds."""
        from mydocker.runtime import zygote

        self._stopping = True
        zygote.interrupt()
        with self._idle:
            self._idle.wait_for(lambda: self._running == 0, seconds)

    def _key(self, step: Step) -> Key:
        handler = handler_for(step)
        parts = {"instruction": step.text, **handler.key_parts(step, self._workshop)}
        if handler.sees_parent(step):
            parts["parent" if step.ground.step else "base"] = self._chain(step.ground) or "nothing"
            parts["epoch"] = str(step.epoch)
        self._keys[step.id] = keys.make_key(parts)
        return self._keys[step.id]

    def _chain(self, ground: Ground) -> ChainID | None:
        """Return the chain ID of a ground, None where nothing is."""
        if ground.step:
            return self._settled[ground.step].chain
        chain = chain_ids([layer.diff_id for layer in ground.layers])
        return chain[-1] if chain else None

    def _find(self, step: Step, key: Key) -> bool:
        result = self._cache.get(key.digest)
        layer = self._layer_of(result) if result else None
        if result is None or layer is None:
            return self._import(step, key)
        self._settle(step, layer, "hit", "nothing that it sees has changed", 0.0, result.seconds)
        return True

    def _import(self, step: Step, key: Key) -> bool:
        """Take the step's result from a shared cache, if one has it and it is what it says; tell whether."""
        offer = self._imports.find(key.digest) if self._imports else None
        if offer is None or self._imports is None:
            return False
        layer, seconds = offer.result
        below = self.stack(step.ground) if handler_for(step).sees_parent(step) else ()
        with self._store.holding():
            if not self._imports.take(key.digest, offer, below):
                return False
            result = Result(layer.diff_id, layer.blob.digest, layer.blob.size, seconds, key.parts)
            self._cache.put(key.digest, result)
        self._settle(step, layer, "hit", f"the cache at {offer.source} has it", 0.0, seconds)
        return True

    def _layer_of(self, result: Result) -> Layer | None:
        """Return the layer of a result, or None when its blob was pruned."""
        blob = Descriptor(OCI_LAYER_ZSTD, result.digest, result.size)
        return Layer(DiffID(result.diff_id), blob) if self._store.blobs.has(blob) else None

    def _explain(self, step: Step, key: Key) -> str:
        before = self._cache.last_parts(f"{self._slot} {step.slot}")
        if before is None:
            return "it was never built here"
        return keys.explain(key.parts, before, self._cache.selected_files) or "its result is no longer in the store"

    def _run(self, step: Step) -> None:
        self._reporter(StepStarted(step.id, step.text, step.stage, step.line))
        began = time.monotonic()
        try:
            with self._store.holding():
                layer = self._make(step)
            self._trees.insist(step.id)
        except MydockerError as error:
            seconds = time.monotonic() - began
            self._reporter(StepFinished(step.id, step.text, step.stage, step.line, "failed", seconds, "", ""))
            at = began - self._began
            story = StepOutcome(step.id, step.text, step.stage, step.line, "failed", str(error), seconds, began=at)
            self._failed[step.id] = story
            raise self._placed(step, error) from error
        seconds = time.monotonic() - began
        key = self._keys[step.id]
        self._cache.put(key.digest, Result(layer.diff_id, layer.blob.digest, layer.blob.size, seconds, key.parts))
        self._settle(step, layer, "run", self._why[step.id], seconds, 0.0)

    def _make(self, step: Step) -> Layer:
        handler = handler_for(step)
        below = self._store.stack_dirs(self.stack(step.ground)) if handler.sees_parent(step) else ()
        with self._store.layout.workspace("step") as place:
            upper, work = f"{place}/upper", f"{place}/work"
            for directory in (upper, work):
                os.mkdir(directory, 0o755)
                os.chmod(directory, 0o755)
            try:
                filling = handler.run(step, self._workshop, below, place)
            except MydockerError as error:
                self._keep(step, error, place)
                raise
            if filling:
                return self._store.layers.commit_filled(upper, below, step.epoch, filling)
            return self._store.layers.commit_upper(upper, below, step.epoch)

    def _keep(self, step: Step, error: MydockerError, place: str = "") -> None:
        """Keep what a failing step saw and wrote in `place` (nothing: it had not begun), unless it was interrupted."""
        if self._stopping or self._dry:
            return
        from mydocker.build import failures

        layout, request = self._store.layout, self._workshop.request
        try:
            with ExitStack() as stack:
                if not place:
                    place = stack.enter_context(layout.workspace("step"))
                    os.mkdir(f"{place}/upper", 0o755)
                    os.chmod(f"{place}/upper", 0o755)
                self._kept[step.id] = failures.keep(layout, step, request, self.stack, place, str(error))
        except (OSError, MydockerError) as obstacle:  # a full disk, perhaps: what the step says counts for more
            self._reporter(Notice(f"what the step wrote cannot be kept: {obstacle}", "warning"))

    def _placed(self, step: Step, error: MydockerError) -> BuildFailed:
        """Return an error of a step with the line of the Dockerfile that the step is, and where to look further."""
        placed = _placed(step, error)
        placed.kept = self._kept.get(step.id, "")
        if placed.kept and not placed.hint:
            placed.hint = f"`mydocker debug {placed.kept}` opens a shell where it failed"
        return placed

    def _settle(self, step: Step, layer: Layer, outcome: str, why: str, seconds: float, saved: float) -> None:
        below = self.stack(step.ground)
        chain = self._chain(step.ground)
        if layer.diff_id == EMPTY:
            stack = below
        else:
            stack, chain = (*below, layer), chain_on(chain, layer.diff_id)
        began = time.monotonic() - seconds - self._began
        known = (str(layer.diff_id), layer.blob.size, str(layer.blob.digest))
        story = StepOutcome(step.id, step.text, step.stage, step.line, outcome, why, seconds, saved, began, *known)
        self._settled[step.id] = Settled(layer, stack, chain, story)
        self._reporter(
            StepFinished(step.id, step.text, step.stage, step.line, outcome, seconds, why, str(layer.diff_id))
        )

    def _predict(self, step: Step, why: str) -> None:
        self._unknown.add(step.id)
        story = StepOutcome(step.id, step.text, step.stage, step.line, "would run", why, 0.0)
        self._settled[step.id] = Settled(_NOTHING, (), None, story)


_NOTHING = Layer(EMPTY, Descriptor(OCI_LAYER_ZSTD, EMPTY, 0))  # type: ignore[arg-type]  # stands for "not known yet"


def _placed(step: Step, error: MydockerError) -> BuildFailed:
    """Return an error of a step with the line of the Dockerfile that the step is; the whole instruction is marked."""
    span = step.instruction.span
    shown = step.text_of.line(step.line)
    inside = span.line == step.line
    return BuildFailed(
        error.what,
        error.why,
        error.hint,
        filename=step.text_of.filename,
        line=step.line,
        column=span.column if inside else 1,
        end_column=span.end_column if inside and span.end_line == span.line else len(shown) + 1,
        source=shown,
    )
