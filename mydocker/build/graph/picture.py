"""The graph as SVG: one file without scripts, fonts or links, fit for a bug report and for a README.

Colours follow the reader's choice of a light or dark screen; each state has its word and its sign besides its colour.
"""

from __future__ import annotations

from html import escape

from mydocker.build.graph import layout
from mydocker.build.graph.text import facts, fitted, plain
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mydocker.build.graph import Graph
    from mydocker.build.graph.layout import Spot, Wire

_COLUMNS = 43  # of text in a node: 340 pixels at 7.4 each, less its edges
_CORNER = 8
_SIGNS = {"hit": "=", "run": "▶", "failed": "✗", "would run": "?", "not reached": "·"}
_CLASSES = {"hit": "hit", "run": "run", "failed": "failed", "would run": "would", "not reached": "idle", "": "from"}

STYLE = """
.graph{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;--paper:#fff;--ink:#1f2328;--soft:#59636e;
--line:#8c959f;--lane:#f6f8fa;--hit:#1a7f37;--run:#0969da;--failed:#cf222e;--would:#9a6700;--idle:#818b98}
@media(prefers-color-scheme:dark){.graph{--paper:#0d1117;--ink:#e6edf3;--soft:#9198a1;--line:#656c76;--lane:#151b23;
--hit:#3fb950;--run:#4493f8;--failed:#f85149;--would:#d29922;--idle:#656c76}}
.graph text{fill:var(--ink);white-space:pre}.graph .soft{fill:var(--soft)}.graph .title{font-size:15px;font-weight:600}
.graph .name{font-size:13px;font-weight:600}.graph .paper{fill:var(--paper)}.graph .lane{fill:var(--lane)}
.graph .box{fill:var(--paper);stroke:var(--line)}.graph .wire{fill:none;stroke:var(--line);stroke-width:1.4}
.graph .files{stroke-dasharray:5 3}.graph .tip{fill:var(--line)}
.graph .hit .bar{fill:var(--hit)}.graph .run .bar{fill:var(--run)}.graph .failed .bar{fill:var(--failed)}
.graph .would .bar{fill:var(--would)}.graph .idle .bar,.graph .from .bar{fill:var(--idle)}
.graph .failed .box{stroke:var(--failed);stroke-width:2}
"""


def svg(graph: Graph) -> str:
    """Return the graph as an SVG document."""
    return "\n".join(_parts(graph)) + "\n"


def _parts(graph: Graph) -> Iterator[str]:
    picture = layout.place(graph)
    title, summary = _text(graph.title), _text(graph.summary)
    # Short graphs are narrower than what is written above them.
    width = max(picture.width, 12 * max(len(title), len(summary)), 420)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="graph" width="{width}" height="{picture.height}" '
        f'viewBox="0 0 {width} {picture.height}" role="img" aria-label="{title}: {summary}">'
    )
    yield f"<style>{STYLE}</style>"
    yield (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="tip" d="M0,0 8,4 0,8z"/></marker></defs>'
    )
    yield '<rect class="paper" width="100%" height="100%"/>'
    yield f'<text class="title" x="24" y="32">{title}</text><text class="soft" x="24" y="52">{summary}</text>'
    targets = set(graph.targets)
    for lane in picture.lanes:
        mark = " (target)" if lane.name in targets else ""
        yield (
            f'<rect class="lane" x="{lane.x - 10}" y="68" width="{layout.WIDTH + 20}" '
            f'height="{picture.height - 80}" rx="8"/>'
            f'<text class="name" x="{lane.x}" y="90">{escape(fitted(lane.name + mark, _COLUMNS))}</text>'
        )
    yield from (_wire(wire) for wire in picture.wires)
    yield from (_node(spot) for spot in picture.spots)
    yield "</svg>"


def _text(text: str) -> str:
    return escape(plain(text))


def _node(spot: Spot) -> str:
    node = spot.node
    whole = "\n".join(_text(each) for each in (node.text, facts(node) if node.state else "", node.why) if each)
    group = f'<g class="{_CLASSES[node.state]}" transform="translate({spot.x},{spot.y})"><title>{whole}</title>'
    box = f'<rect class="box" width="{layout.WIDTH}" height="{layout.HEIGHT}" rx="5"/>'
    bar = f'<rect class="bar" width="5" height="{layout.HEIGHT}" rx="2"/>'
    text = escape(fitted(node.text, _COLUMNS))
    if not node.state:
        return f'{group}{box}{bar}<text x="14" y="26">{text}</text></g>'
    below = f"{_SIGNS[node.state]} {facts(node)}"
    if node.why and node.state != "hit":
        below += f": {node.why}"
    small = f'<text class="soft" x="14" y="35">{escape(fitted(below, _COLUMNS))}</text>'
    return f'{group}{box}{bar}<text x="14" y="18">{text}</text>{small}</g>'


def _wire(wire: Wire) -> str:
    kind = " files" if wire.edge.kind == "files" else ""
    return f'<path class="wire{kind}" d="{_path(wire.points)}" marker-end="url(#tip)"/>'


def _path(points: tuple[tuple[int, int], ...]) -> str:
    """Return a line through points, its corners rounded."""
    drawn = [f"M{points[0][0]},{points[0][1]}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        drawn.append(f"L{_towards(corner, before)} Q{corner[0]},{corner[1]} {_towards(corner, after)}")
    drawn.append(f"L{points[-1][0]},{points[-1][1]}")
    return " ".join(drawn)


def _towards(corner: tuple[int, int], other: tuple[int, int]) -> str:
    """Return the point a little away from a corner on the way to another point; ways are level or upright."""
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    far = min(_CORNER, max(abs(dx), abs(dy)) // 2)
    return f"{corner[0] + (far if dx > 0 else -far if dx else 0)},{corner[1] + (far if dy > 0 else -far if dy else 0)}"
