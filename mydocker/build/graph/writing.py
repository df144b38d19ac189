"""Graph files: which form a name asks for, and the file on disk."""

from __future__ import annotations

import os
from contextlib import suppress

from mydocker.errors import MydockerError, UsageError
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mydocker.build.graph import Graph
    from mydocker.build.secrets import Needles

FORMS = (".svg", ".html", ".dot", ".json")


def check(paths: Iterable[str]) -> None:
    """Raise `UsageError` for a name from which no form follows."""
    for path in paths:
        if os.path.splitext(path)[1] not in FORMS:
            raise UsageError(f"--graph {path}", f"its name has to end in one of {', '.join(FORMS)}")


def write(path: str, graph: Graph, secrets: Needles) -> None:
    """Write the graph to a file, in the form that its name asks for; the file appears when it is whole.

    No text of a graph should have a secret in it; what bug reports are made of is searched all the same.
    """
    unfinished = f"{path}.{os.getpid()}.unfinished"
    drawn = secrets.mask(_drawn(path, graph).encode("utf-8", "backslashreplace"))
    try:
        with open(unfinished, "wb") as file:
            file.write(drawn)
        os.rename(unfinished, path)
    except OSError as error:
        with suppress(FileNotFoundError):
            os.unlink(unfinished)
        raise MydockerError(f"cannot write {path}", error.strerror or str(error)) from error


def _drawn(path: str, graph: Graph) -> str:
    match os.path.splitext(path)[1]:
        case ".svg":
            from mydocker.build.graph.picture import svg

            return svg(graph)
        case ".html":
            from mydocker.build.graph.page import html

            return html(graph)
        case ".dot":
            from mydocker.build.graph.dot import dot

            return dot(graph)
        case _:
            from mydocker.build.graph.document import document

            return document(graph)
