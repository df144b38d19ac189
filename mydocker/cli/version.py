"""The verb `version`."""

from __future__ import annotations

import os
import sys

from mydocker import __version__
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from mydocker.cli.main import Context


def version_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `version`."""
    parser.epilog = "example:\n  mydocker version --format json"
    parser.add_argument("--format", choices=("table", "json"), default="table", help="form of the list")


def version(args: Namespace, context: Context) -> int:
    """Print what decides about the bytes of a blob, besides its content: this program and its zstd library."""
    from mydocker.image.compression import zstd_versions

    library, package = zstd_versions()
    facts = {
        "mydocker": __version__,
        "zstd": library,
        "python-zstandard": package,
        "python": ".".join(map(str, sys.version_info[:3])),
        "linux": os.uname().release,
    }
    if args.format == "json":
        context.out.json(facts)
    else:
        context.out.table(("WHAT", "VERSION"), list(facts.items()))
    return 0
