"""The verb `save`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from mydocker.errors import NotFound, UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from mydocker.cli.main import Context


def save_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `save`."""
    parser.epilog = "examples:\n  mydocker save -o rootfs.tar -c web\n  mydocker save -o image.tar xx:0.01"
    parser.add_argument("image", nargs="*", metavar="IMAGE", help="images to save, as an archive that others can load")
    parser.add_argument("-o", "--output", metavar="FILE", help="write to FILE (default: stdout, unless a terminal)")
    parser.add_argument("-c", "--container", metavar="CONTAINER", help="save a container's root file system as tar")
    parser.add_argument(
        "--format", choices=("docker-archive", "oci-archive"), default="docker-archive", help="archive for IMAGE"
    )
    parser.add_argument(
        "--compression", choices=("zstd", "gzip", "none"), default="", help="how layers of IMAGE are compressed"
    )


def save(args: Namespace, context: Context) -> int:
    """Save a container or images."""
    if bool(args.container) == bool(args.image):
        raise UsageError("save", "expected either -c CONTAINER or IMAGE...", "see 'mydocker save --help'")
    if args.output is None and sys.stdout.isatty():
        raise UsageError("save", "an archive does not belong on a terminal", "give -o FILE")
    if args.container:
        context.engine.save_container(args.container, args.output)
    else:
        _save_images(args, context)
    return 0


def _save_images(args: Namespace, context: Context) -> None:
    try:
        context.engine.save_images(args.image, args.output, args.format, args.compression)
    except NotFound as error:
        names = {each.name for each in context.engine.containers.list()} & set(args.image)
        if names:
            raise NotFound(error.what, error.why, f"{names.pop()} is a container: save it with -c") from error
        raise
