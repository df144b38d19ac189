"""The graph as one HTML page: the picture, and a table with everything known of each step. No script, no link."""

from __future__ import annotations

from html import escape

from mydocker.build.graph.picture import svg
from mydocker.build.graph.text import facts, plain
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mydocker.build.graph import Graph, Node

# Nothing may be loaded and nothing may run, whatever a Dockerfile says.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
body{font:14px system-ui,sans-serif;margin:24px;color:#1f2328;background:#fff}
.wide{overflow-x:auto}table{border-collapse:collapse;margin-top:24px;width:100%}
th,td{text-align:left;padding:4px 12px 4px 0;border-bottom:1px solid #8c959f55;vertical-align:top}
td.code{font-family:ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere}
.track{width:240px}.bar{display:block;height:10px;min-width:2px;background:#0969da;border-radius:2px}
.failed .bar{background:#cf222e}.hit .bar{background:#1a7f37}
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}}
"""
_HEAD = "<tr><th>step<th>line<th>instruction<th>what became of it<th>when<th>why<th>layer</tr>"


def html(graph: Graph) -> str:
    """Return the graph as an HTML page."""
    return "\n".join(_parts(graph)) + "\n"


def _parts(graph: Graph) -> Iterator[str]:
    yield '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield f"<title>{_text(graph.title)}</title><style>{_STYLE}</style></head><body>"
    yield f'<div class="wide">{svg(graph)}</div><table>{_HEAD}'
    for node in graph.nodes:
        if node.kind == "step":
            yield _row(node, graph.seconds)
    yield "</table></body></html>"


def _text(text: str) -> str:
    return escape(plain(text))


def _row(node: Node, total: float) -> str:
    cells = [
        f"<td>{_text(node.id)}",
        f"<td>{node.line}",
        f'<td class="code">{_text(node.text)}',
        f"<td>{_text(facts(node))}",
        f'<td class="track">{_bar(node, total)}',
        f"<td>{_text(node.why)}",
        f'<td class="code">{_text(node.diff_id.removeprefix("sha256:")[:12])}',
    ]
    return f'<tr class="{escape(node.state)}">{"".join(cells)}</tr>'


def _bar(node: Node, total: float) -> str:
    if node.state not in ("run", "failed") or total <= 0:
        return ""
    left, width = 100 * node.began / total, 100 * node.seconds / total
    return f'<span class="bar" style="margin-left:{min(left, 99):.1f}%;width:{min(width, 100 - left):.1f}%"></span>'
