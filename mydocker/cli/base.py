"""The verb `buildBase`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from mydocker.cli.main import Context


def buildbase_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `buildBase`."""
    parser.epilog = (
        "without FILE the image is made of this host's own programs: its static busybox,\n"
        "or a shell and the usual tools with the libraries that they need.\n\n"
        "example: mydocker buildBase busybox.tar"
    )
    parser.add_argument(
        "file", nargs="?", metavar="FILE",
        help="a root file system as tar (plain, gzip, bzip2, xz, zstd), or an archive made by 'docker save'",
    )  # fmt: skip
    parser.add_argument("-n", "--name", default="base", help="name of the image (default: base)")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but the image's id")


def buildbase(args: Namespace, context: Context) -> int:
    """Make the base image."""
    image = context.engine.build_base(args.file, args.name)
    context.out.line(str(image.id) if args.quiet else f"{args.name}: {image.id.short}")
    return 0
