"""The graph of a build as a value: its stages, its steps with what became of them, and what each needs.

Here it is made from a plan and the steps' outcomes; the modules beside this one write it: `picture` (SVG), `page`
(HTML), `dot`, `document` (JSON). Every text in it comes from a Dockerfile, a file name or an error, so every one of
them escapes what it writes. Schema of the JSON form: docs/build.md.
"""

from __future__ import annotations

from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mydocker.build.plan import Plan, Step
    from mydocker.build.request import StepOutcome

NOT_REACHED = "not reached"


class Node(NamedTuple):
    """A stage's or an image's beginning (`kind` is "from" or "image"), or a step.

    `state` is a step's outcome ("hit", "run", "failed", "would run") or "not reached", "" for the other kinds. Times
    in seconds, `began` since the build's start, `size` in bytes; `reads` names directories of the host that it copies
    from.
    """

    id: str
    kind: str
    stage: str
    text: str
    line: int = 0
    state: str = ""
    why: str = ""
    seconds: float = 0.0
    saved: float = 0.0
    began: float = 0.0
    size: int = 0
    diff_id: str = ""
    reads: tuple[str, ...] = ()


class Edge(NamedTuple):
    """`target` needs `source`: it stands on it ("base"), or copies or mounts files of it ("files")."""

    source: str
    target: str
    kind: str


class Graph(NamedTuple):
    """A build: nodes in an order in which each comes after what it needs, and the edges between them.

    `title` names the Dockerfile, `targets` the stages asked for; `seconds` is what the whole build took, `skipped` how
    many steps belong to stages that no target needs.
    """

    title: str
    targets: tuple[str, ...]
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    seconds: float
    skipped: int

    def count(self, state: str) -> int:
        """Return how many steps are in a state."""
        return sum(node.state == state for node in self.nodes)

    @property
    def summary(self) -> str:
        """The counts in words: `3 run, 2 cached, 1 not needed, 4.2 s, 17.0 s saved`."""
        words = {"run": "run", "hit": "cached", "failed": "failed", "would run": "would run", NOT_REACHED: NOT_REACHED}
        parts = [f"{count} {word}" for state, word in words.items() if (count := self.count(state))]
        if self.skipped:
            parts.append(f"{self.skipped} not needed")
        parts.append(f"{self.seconds:.1f} s")
        if saved := sum(node.saved for node in self.nodes):
            parts.append(f"{saved:.1f} s saved")
        return ", ".join(parts)


def make(plan: Plan, outcomes: Iterable[StepOutcome], title: str, seconds: float) -> Graph:
    """Return the graph of a plan whose steps came to `outcomes`; a step without one was not reached."""
    known = {outcome.step: outcome for outcome in outcomes}
    nodes: dict[str, Node] = {}
    edges: dict[Edge, None] = {}
    ends: dict[str, str] = {}  # of each stage: the node that whoever stands on the stage follows
    steps: dict[str, list[Step]] = {stage.label: [] for stage in plan.stages}
    for step in plan.steps:
        steps[step.stage].append(step)
    for stage in plan.stages:
        head = f"from {stage.label}"
        nodes[head] = Node(head, "from", stage.label, f"FROM {stage.base}")
        ends[stage.label] = steps[stage.label][-1].id if steps[stage.label] else head
    for stage in plan.stages:
        if stage.base in ends and stage.base != stage.label:
            edges[Edge(ends[stage.base], f"from {stage.label}", "base")] = None
    for step in plan.steps:
        below = step.ground.step if step is not steps[step.stage][0] else f"from {step.stage}"
        edges[Edge(below, step.id, "base")] = None
        for node, source in _sources(step, ends):
            nodes.setdefault(source, node)
            edges[Edge(source, step.id, "files")] = None
        nodes[step.id] = _step(step, known.get(step.id))
    targets = tuple(target.stage for target in plan.targets)
    return Graph(title, targets, tuple(nodes.values()), tuple(edges), seconds, plan.skipped)


def _sources(step: Step, ends: dict[str, str]) -> Iterator[tuple[Node, str]]:
    """Yield what a step copies from besides directories: a node to be added where there is none, and its id."""
    for source in step.sources.values():
        if source.ground is None:
            continue
        name = source.ground.step or ends.get(source.stage) or f"image {source.name}"
        yield Node(name, "image", source.name, source.name), name


def _step(step: Step, outcome: StepOutcome | None) -> Node:
    reads = tuple(source.name for source in step.sources.values() if source.ground is None)
    node = Node(step.id, "step", step.stage, step.text, step.line, NOT_REACHED, reads=reads)
    if outcome is None:
        return node
    return node._replace(
        state=outcome.outcome,
        why=outcome.why,
        seconds=outcome.seconds,
        saved=outcome.saved,
        began=outcome.began,
        size=outcome.size,
        diff_id=outcome.diff_id,
    )
