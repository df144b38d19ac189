"""Verbs that show what an image is made of: layers, blame."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mydocker.cli.progress import size_text
from mydocker.errors import NotFound

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from mydocker.cli.main import Context
    from mydocker.image.anatomy import Change, Stratum

_LAYERS = ("LAYER", "SIZE", "ADDED", "CHANGED", "DELETED", "HIDDEN", "CREATED BY")
_FILES = ("LAYER", "KIND", "SIZE", "PATH")
_STORY = ("LAYER", "KIND", "SIZE", "CREATED BY")
_DIRECTORY = ("LAYER", "PATH", "CREATED BY")
_KINDS = {"A": "added", "C": "changed", "D": "deleted"}


def layers_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `layers`."""
    parser.epilog = (
        "SIZE is that of the files as they are unpacked. HIDDEN are the bytes of files in lower layers that the layer\n"
        "replaces or deletes: they stay in the image though nobody sees them.\n\n"
        "examples:\n  mydocker layers app:1\n  mydocker layers --files app:1"
    )
    parser.add_argument("image", metavar="IMAGE", help="name or id")
    parser.add_argument("--files", action="store_true", help="list the files of each layer")
    parser.add_argument("--no-trunc", action="store_true", help="print whole instructions")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="form of the list")


def layers(args: Namespace, context: Context) -> int:
    """Show which instruction brought which files, bottom layer first."""
    found = _strata(context, args.image)
    if args.format == "json":
        context.out.json([_facts(each, files=args.files) for each in found])
    elif args.files:
        rows = [
            (str(each.number), _KINDS[change.kind], size_text(change.size), "/" + os.fsdecode(change.path))
            for each in found
            for change in each.changes
        ]
        context.out.table(_FILES, rows)
    else:
        context.out.table(_LAYERS, [_row(each, args.no_trunc) for each in found])
    return 0


def _strata(context: Context, text: str) -> list[Stratum]:
    from mydocker.image.anatomy import strata

    store = context.engine.images
    return list(strata(store.resolve(text), store.layers))


def _row(each: Stratum, whole: bool) -> tuple[str, ...]:
    counts = [str(each.count(kind)) for kind in _KINDS]
    return str(each.number), size_text(each.size), *counts, size_text(each.hidden), _step(each, whole)


def _step(each: Stratum, whole: bool) -> str:
    from mydocker.cli.changes import shortened

    return each.created_by if whole else shortened(each.created_by)


def _facts(each: Stratum, *, files: bool) -> dict[str, object]:
    facts: dict[str, object] = {
        "layer": each.number,
        "diff_id": each.layer.diff_id,
        "created_by": each.created_by,
        "size": each.size,
        "hidden": each.hidden,
        **{name: each.count(kind) for kind, name in _KINDS.items()},
    }
    if files:
        facts["files"] = [
            {"kind": change.kind, "path": "/" + os.fsdecode(change.path), "size": change.size}
            for change in each.changes
        ]
    return facts


def blame_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `blame`."""
    parser.epilog = "examples:\n  mydocker blame app:1 /etc/passwd\n  mydocker blame app:1 /app"
    parser.add_argument("image", metavar="IMAGE", help="name or id")
    parser.add_argument(
        "path", metavar="PATH_IN_IMAGE", help="a file: its whole story; a directory: who wrote what is in it"
    )
    parser.add_argument("--no-trunc", action="store_true", help="print whole instructions")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="form of the list")


def blame(args: Namespace, context: Context) -> int:
    """Tell which instructions wrote a path, the newest first; for a directory, which wrote each thing in it last."""
    wanted = os.fsencode(args.path).strip(b"/")
    found = _strata(context, args.image)
    inside = _inside(found, wanted)
    rows: list[dict[str, object]] = [
        {"layer": each.number, "path": path, "created_by": _step(each, args.no_trunc)} for path, each in inside
    ] or [
        _chapter(each, change, args.no_trunc)
        for each in reversed(found)
        for change in each.changes
        if change.path == wanted
    ]
    if not rows:
        raise NotFound(f"no {args.path} in {args.image}", hint="links are not followed: name the place they lead to")
    if args.format == "json":
        context.out.json(rows)
    else:
        cells = [tuple(_cell(name, value) for name, value in row.items()) for row in rows]
        context.out.table(_DIRECTORY if inside else _STORY, cells)
    return 0


def _chapter(each: Stratum, change: Change, whole: bool) -> dict[str, object]:
    step = _step(each, whole)
    return {"layer": each.number, "kind": _KINDS[change.kind], "size": change.size, "created_by": step}


def _inside(found: list[Stratum], folder: bytes) -> list[tuple[str, Stratum]]:
    """Return what the image shows directly in a directory, each with the last layer that touched it or its content."""
    last: dict[bytes, Stratum] = {}
    shown: dict[bytes, None] = {}
    prefix = folder + b"/" if folder else b""
    for each in found:
        for change in each.changes:
            if not change.path.startswith(prefix):
                continue
            child = prefix + change.path[len(prefix) :].partition(b"/")[0]
            last[child] = each
            if change.kind != "D":
                shown[child] = None
            elif change.path == child:
                shown.pop(child, None)
    return [("/" + os.fsdecode(path), last[path]) for path in sorted(shown)]


def _cell(name: str, value: object) -> str:
    return size_text(value) if name == "size" and isinstance(value, int) else str(value)
