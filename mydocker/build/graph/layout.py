"""Where the nodes of a build's graph go: one lane per stage, from top to bottom, edges between the lanes.

A small layered layout. A node's row is the length of the longest way to it, so what a node needs is always above it;
its lane is its stage's. Lanes stand in the file's order, then neighbours change places as long as edges get shorter.
An edge to another lane leaves its node sideways and runs in the gaps between lanes and rows: it crosses no node.
"""

from __future__ import annotations

from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mydocker.build.graph import Edge, Graph, Node

WIDTH, HEIGHT = 340, 44
_GAP_X, _GAP_Y = 56, 22
_LEFT, _TOP = 24, 104
# More lanes than anybody looks at one by one: they stay in the file's order.
_MOST_SORTED = 60
# Edges in the same gap run beside one another; beyond so many they share their tracks.
_TRACKS = 7
_TRACK = 4


class Spot(NamedTuple):
    """A node and its upper left corner; all lengths in pixels."""

    node: Node
    x: int
    y: int


class Wire(NamedTuple):
    """An edge as a line through points."""

    edge: Edge
    points: tuple[tuple[int, int], ...]


class Lane(NamedTuple):
    """A stage's heading: its name and where its lane begins."""

    name: str
    x: int


class Picture(NamedTuple):
    """A graph laid out."""

    lanes: tuple[Lane, ...]
    spots: tuple[Spot, ...]
    wires: tuple[Wire, ...]
    width: int
    height: int


def place(graph: Graph) -> Picture:
    """Lay a graph out; the same graph gives the same picture."""
    rows = _rows(graph)
    names = _lanes(graph)
    lane_of = {name: at for at, name in enumerate(names)}
    spots = {node.id: Spot(node, _x(lane_of[node.stage]), _y(rows[node.id])) for node in graph.nodes}
    tracks: dict[int, int] = {}
    wires = tuple(_wire(edge, spots[edge.source], spots[edge.target], tracks) for edge in graph.edges)
    width = _x(len(names)) - _GAP_X + _LEFT
    height = _y(max(rows.values(), default=0) + 1) + _LEFT
    lanes = tuple(Lane(name, _x(at)) for at, name in enumerate(names))
    return Picture(lanes, tuple(spots.values()), wires, width, height)


def _x(lane: int) -> int:
    return _LEFT + lane * (WIDTH + _GAP_X)


def _y(row: int) -> int:
    return _TOP + row * (HEIGHT + _GAP_Y)


def _rows(graph: Graph) -> dict[str, int]:
    """Return each node's row: one below the lowest of what it needs. Nothing recurses: chains are long."""
    needs: dict[str, list[str]] = {node.id: [] for node in graph.nodes}
    users: dict[str, list[str]] = {node.id: [] for node in graph.nodes}
    for edge in graph.edges:
        needs[edge.target].append(edge.source)
        users[edge.source].append(edge.target)
    waiting = {name: len(sources) for name, sources in needs.items()}
    ready = [name for name, count in waiting.items() if not count]
    rows: dict[str, int] = {}
    for name in ready:  # grows while it is read
        rows[name] = max((rows[source] + 1 for source in needs[name]), default=0)
        for user in users[name]:
            waiting[user] -= 1
            if not waiting[user]:
                ready.append(user)
    return rows


def _lanes(graph: Graph) -> list[str]:
    """Return the lanes' names from left to right."""
    names = list(dict.fromkeys(node.stage for node in graph.nodes))
    stage_of = {node.id: node.stage for node in graph.nodes}
    pairs = {(stage_of[edge.source], stage_of[edge.target]) for edge in graph.edges}
    pairs = {pair for pair in pairs if pair[0] != pair[1]}
    if len(names) > _MOST_SORTED:
        return names

    def length(order: list[str]) -> int:
        at = {name: place for place, name in enumerate(order)}
        return sum(abs(at[one] - at[other]) for one, other in pairs)

    best = length(names)
    improved = True
    while improved:
        improved = False
        for at in range(len(names) - 1):
            swapped = [*names[:at], names[at + 1], names[at], *names[at + 2 :]]
            if (cost := length(swapped)) < best:
                names, best, improved = swapped, cost, True
    return names


def _wire(edge: Edge, source: Spot, target: Spot, tracks: dict[int, int]) -> Wire:
    middle = WIDTH // 2
    if source.x == target.x:
        return Wire(edge, ((source.x + middle, source.y + HEIGHT), (target.x + middle, target.y)))
    rightwards = source.x < target.x
    leaving = source.x + WIDTH if rightwards else source.x
    arriving = target.x if rightwards else target.x + WIDTH
    direction = 1 if rightwards else -1
    first = leaving + direction * _shift(tracks, leaving, _GAP_X)
    last = arriving - direction * _shift(tracks, arriving, _GAP_X)
    start, end = source.y + HEIGHT // 2, target.y + HEIGHT // 2
    if abs(leaving - arriving) == _GAP_X:
        return Wire(edge, ((leaving, start), (first, start), (first, end), (arriving, end)))
    # Between the lanes lie others: cross them in the gap above the target's row.
    gap = target.y - _shift(tracks, -target.y, _GAP_Y)
    return Wire(edge, ((leaving, start), (first, start), (first, gap), (last, gap), (last, end), (arriving, end)))


def _shift(tracks: dict[int, int], gap: int, room: int) -> int:
    """Return how far from the node an edge runs in a gap: each one a little beside the one before."""
    number = tracks[gap] = tracks.get(gap, -1) + 1
    return room // 2 + (number % _TRACKS - _TRACKS // 2) * min(_TRACK, room // (_TRACKS + 1))
