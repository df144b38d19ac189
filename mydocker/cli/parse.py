"""`mydocker parse`: the syntax tree of a Dockerfile for other tools (docs/dockerfile.md has the schema)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from mydocker.errors import DockerfileError, NotFound

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from mydocker.cli.main import Context

STDIN = "-"


def file_argument(parser: ArgumentParser) -> None:
    """Declare `-f`, which `parse` and `lint` share."""
    parser.add_argument(
        "-f", "--file", default="Dockerfile", metavar="FILE", help="the Dockerfile, - for standard input (Dockerfile)"
    )


def read_file(path: str) -> bytes:
    """Return the bytes of a Dockerfile; raises `NotFound`."""
    if path == STDIN:
        return sys.stdin.buffer.read()
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise NotFound(f"cannot read {path}", str(error.strerror).lower(), "name a Dockerfile with -f FILE") from None


def shown_name(path: str) -> str:
    """Return the name of a Dockerfile in messages."""
    return "<stdin>" if path == STDIN else path


def parse_arguments(parser: ArgumentParser) -> None:
    """Declare the flags of `parse`."""
    parser.epilog = "example: mydocker parse -f app/Dockerfile --typed"
    file_argument(parser)
    parser.add_argument(
        "--format", choices=("json", "text"), default="json", help="json, or the file in its plainest form as text"
    )
    parser.add_argument("--typed", action="store_true", help="typed instructions in stages, and their mistakes")


def parse(args: Namespace, context: Context) -> int:
    """Print the tree; on a mistake print what it is, in the same format, and return 1."""
    from mydocker.dockerfile import parse as parse_stages
    from mydocker.dockerfile import parse_syntax, tree
    from mydocker.dockerfile.printing import print_syntax

    text, name = read_file(args.file), shown_name(args.file)
    try:
        typed = parse_stages(text, name) if args.typed else None
        syntax = parse_syntax(text, name)
    except DockerfileError as error:
        if args.format == "json":
            context.out.json(tree.mistakes_tree(error))
        context.out.error(error)
        return 1
    if args.format == "json":
        context.out.json(tree.typed_tree(typed) if typed else tree.syntax_tree(syntax))
    else:
        context.out.raw(print_syntax(syntax).encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
    return 0
