"""The graph in the language of Graphviz, for those who have it."""

from __future__ import annotations

from mydocker.build.graph.text import facts, plain
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mydocker.build.graph import Graph

_COLOURS = {
    "hit": "#1a7f37", "run": "#0969da", "failed": "#cf222e", "would run": "#9a6700", "not reached": "#818b98"
}  # fmt: skip


def dot(graph: Graph) -> str:
    """Return the graph as a digraph, a cluster for each stage."""
    return "\n".join(_parts(graph)) + "\n"


def _parts(graph: Graph) -> Iterator[str]:
    yield f"digraph build {{\n  label={_quoted(graph.title, graph.summary)}; labelloc=t; node [shape=box];"
    stages: dict[str, list[str]] = {}
    for node in graph.nodes:
        colour = _COLOURS.get(node.state, "#818b98")
        lines = [node.text, facts(node)] if node.state else [node.text]
        drawn = f'    {_quoted(node.id)} [label={_quoted(*lines)}, tooltip={_quoted(node.why)}, color="{colour}"];'
        stages.setdefault(node.stage, []).append(drawn)
    for number, (stage, drawn_nodes) in enumerate(stages.items()):
        yield f"  subgraph cluster_{number} {{\n    label={_quoted(stage)};"
        yield from drawn_nodes
        yield "  }"
    for edge in graph.edges:
        style = " [style=dashed]" if edge.kind == "files" else ""
        yield f"  {_quoted(edge.source)} -> {_quoted(edge.target)}{style};"
    yield "}"


def _quoted(*lines: str) -> str:
    """Return lines as one quoted string: nothing in them is an escape of Graphviz's, or ends the string."""
    return '"' + r"\n".join(plain(line).replace("\\", "\\\\").replace('"', '\\"') for line in lines) + '"'
