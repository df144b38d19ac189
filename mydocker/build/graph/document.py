"""The graph as JSON, for other programs (schema: docs/build.md)."""

from __future__ import annotations

import json

from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.build.graph import Graph

VERSION = 1


def document(graph: Graph) -> str:
    """Return the graph as a JSON document."""
    whole = {
        "version": VERSION,
        "title": graph.title,
        "targets": list(graph.targets),
        "summary": graph.summary,
        "seconds": round(graph.seconds, 3),
        "skipped": graph.skipped,
        "nodes": [_rounded(node._asdict()) for node in graph.nodes],
        "edges": [edge._asdict() for edge in graph.edges],
    }
    return json.dumps(whole, indent=2) + "\n"


def _rounded(fields: dict[str, object]) -> dict[str, object]:
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in fields.items()}
