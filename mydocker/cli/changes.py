"""Verbs about what is in images and how it came there: history, diff, commit."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mydocker.cli.progress import size_text

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from mydocker.cli.main import Context
    from mydocker.image.image import Image

_HEADER = ("LAYER", "CREATED", "CREATED BY", "SIZE", "COMMENT")
_LONGEST_STEP = 60


def history_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `history`."""
    parser.epilog = "example: mydocker history app:1"
    parser.add_argument("image", metavar="IMAGE", help="name or id")
    parser.add_argument("--no-trunc", action="store_true", help="print whole instructions and digests")
    parser.add_argument("-q", "--quiet", action="store_true", help="print the layers' diff ids only")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="form of the list")


def history(args: Namespace, context: Context) -> int:
    """Print the steps of an image, newest first."""
    rows = list(_steps(context.engine.images.resolve(args.image)))[::-1]
    if args.quiet:
        for row in rows:
            if row[0]:
                context.out.line(row[0] if args.no_trunc else row[0][7:19])
    elif args.format == "json":
        names = ("layer", "created", "created_by", "size", "comment")
        context.out.json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        shown = [
            (
                layer if args.no_trunc else layer[7:19],
                created,
                step if args.no_trunc else shortened(step),
                size_text(size),
                comment,
            )
            for layer, created, step, size, comment in rows
        ]
        context.out.table(_HEADER, shown)
    return 0


def shortened(step: str) -> str:
    """Return an instruction as tables show it."""
    return step if len(step) <= _LONGEST_STEP else step[: _LONGEST_STEP - 3] + "..."


def _steps(image: Image) -> Iterator[tuple[str, str, str, int, str]]:
    """Yield diff ID, time, instruction, blob size and comment of each step; layers without history have their row."""
    layers = iter(image.layers)
    for step in image.config.history:
        layer = None if step.empty_layer else next(layers, None)
        diff_id, size = (str(layer.diff_id), layer.blob.size) if layer else ("", 0)
        yield diff_id, step.created, step.created_by, size, step.comment
    for layer in layers:
        yield str(layer.diff_id), "", "", layer.blob.size, ""


def diff_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `diff`."""
    parser.epilog = "examples:\n  mydocker diff web\n  mydocker diff app:1.0 app:1.1"
    parser.add_argument("old", metavar="OLD", help="a container (compared with its image), or an image or container")
    parser.add_argument("new", nargs="?", default="", metavar="NEW", help="an image or container to compare OLD with")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="form of the list")


def diff(args: Namespace, context: Context) -> int:
    """Print the files in which two images or containers differ: A added, D deleted, C changed."""
    from mydocker.engine.images import diff as compare

    found = [(each.kind, "/" + os.fsdecode(each.path)) for each in compare(context.engine, args.old, args.new)]
    if args.format == "json":
        context.out.json([{"kind": kind, "path": path} for kind, path in found])
    else:
        for kind, path in found:
            context.out.line(f"{kind} {path}")
    return 0


def commit_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `commit`."""
    parser.epilog = "example: mydocker commit -m 'after the repair' web web:repaired"
    parser.add_argument("container", metavar="CONTAINER", help="name or id")
    parser.add_argument("name", metavar="NAME[:TAG]", help="what to call the image")
    parser.add_argument("-a", "--author", default="", help="who made it")
    parser.add_argument("-m", "--message", default="", help="a comment for the history")
    parser.add_argument(
        "-c", "--change", action="append", default=[], metavar="INSTRUCTION",
        help="describe the image, as in a Dockerfile: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, USER ...",
    )  # fmt: skip


def commit(args: Namespace, context: Context) -> int:
    """Make an image of what a container has become."""
    from mydocker.engine.images import commit as make
    from mydocker.image.reference import Reference

    name = Reference.parse(args.name)
    image = make(context.engine, args.container, name, author=args.author, message=args.message, changes=args.change)
    context.out.line(str(image.id))
    return 0
