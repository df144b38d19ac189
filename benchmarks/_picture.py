"""A picture of ratios: a line for each peer, a dot where we are, a bar for the spread; left of 1 we are faster."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks._results import Row, Suite

_WIDTH, _LABELS, _ROW = 1060, 560, 20
_LEAST, _MOST = 1 / 32, 32
_TITLE = "our time / theirs: left of 1 we are faster"
_STYLE = """
.bench{font:12px ui-monospace,Menlo,Consolas,monospace;--paper:#fff;--ink:#1f2328;--soft:#59636e;--line:#d1d9e0;
--faster:#1a7f37;--slower:#cf222e}
@media(prefers-color-scheme:dark){.bench{--paper:#0d1117;--ink:#e6edf3;--soft:#9198a1;--line:#3d444d;
--faster:#3fb950;--slower:#f85149}}
.bench text{fill:var(--ink)}.bench .soft{fill:var(--soft)}
"""


def picture(suites: Sequence[Suite]) -> str:
    """Return an SVG of all ratios, on a logarithmic scale."""
    rows = [(f"{suite.name}: {one.title}", row) for suite in suites for one in suite.results for row in one.rows]
    measured = [(title, row) for title, row in rows if row.ratio]
    height = 60 + _ROW * len(measured)
    lines = [line for number, (title, row) in enumerate(measured) for line in _line(title, row, 50 + _ROW * number)]
    size = f'width="{_WIDTH}" height="{height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" class="bench" {size} role="img" aria-label="{_TITLE}">'
    paper = f'<rect {size} fill="var(--paper)"/>'
    return "\n".join([head, f"<style>{_STYLE}</style>", paper, *_scale(height), *lines, "</svg>\n"])


def _scale(height: int) -> Iterator[str]:
    for power in range(-5, 6):
        ratio = 2.0**power
        colour = "var(--ink)" if power == 0 else "var(--line)"
        yield f'<line x1="{_x(ratio):.0f}" x2="{_x(ratio):.0f}" y1="30" y2="{height - 8}" stroke="{colour}"/>'
        name = f"{ratio:g}" if power >= 0 else f"1/{1 / ratio:g}"
        yield f'<text class="soft" x="{_x(ratio):.0f}" y="22" text-anchor="middle">{name}</text>'
    yield f'<text class="soft" x="8" y="22">{_TITLE}</text>'


def _line(title: str, row: Row, y: int) -> Iterator[str]:
    colour = "var(--faster)" if row.ratio <= 1 else "var(--slower)"
    text = f"{title} / {row.name}"
    shown = text if len(text) <= 76 else f"{text[:75]}…"
    yield f'<text x="8" y="{y + 4}">{escape(shown)}</text>'
    yield f'<line x1="{_x(row.low):.1f}" x2="{_x(row.high):.1f}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="3"/>'
    yield f'<circle cx="{_x(row.ratio):.1f}" cy="{y}" r="4.5" fill="{colour}"><title>{row.ratio:.2f}</title></circle>'


def _x(ratio: float) -> float:
    place = math.log(min(max(ratio, _LEAST), _MOST) / _LEAST) / math.log(_MOST / _LEAST)
    return _LABELS + 16 + place * (_WIDTH - _LABELS - 40)
