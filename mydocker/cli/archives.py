"""Verbs that bring images and file systems in and out as files: load, import, export."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from mydocker.errors import UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from mydocker.cli.main import Context

_STDIN, _STDOUT = 0, 1


def load_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `load`."""
    parser.epilog = "examples:\n  mydocker load -i image.tar\n  docker save app | mydocker load"
    parser.add_argument("-i", "--input", metavar="FILE", help="an archive or an OCI layout (default: stdin)")
    parser.add_argument("-q", "--quiet", action="store_true", help="print ids only, no progress")
    parser.add_argument("--platform", metavar="OS/ARCH", help="of an image for several platforms, take this one")
    parser.add_argument("file", nargs="?", metavar="FILE", help="the same as --input")


def load(args: Namespace, context: Context) -> int:
    """Load images that docker, podman, skopeo or mydocker saved, or an OCI layout."""
    from mydocker.image import platforms

    if args.quiet:
        context.hush()
    source = args.input or args.file
    platform = platforms.parse(args.platform) if args.platform else None
    for image in context.engine.images.load(_source(source), platform):
        context.out.line(image.id.short if args.quiet else f"loaded {image.title} ({image.id.short})")
    return 0


def import_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `import`."""
    parser.epilog = "example:\n  mydocker import rootfs.tar.xz debian:12"
    parser.add_argument("file", metavar="FILE", help="the archive of a root file system; - is stdin")
    parser.add_argument("name", nargs="?", metavar="NAME[:TAG]", help="what to call the image")
    parser.add_argument("-m", "--message", default="", help="a comment for the history")
    parser.add_argument("--platform", metavar="OS/ARCH", help="what the programs in it run on (default: this machine)")
    parser.add_argument(
        "-c", "--change", action="append", default=[], metavar="INSTRUCTION",
        help="describe the image, as in a Dockerfile: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, USER ...",
    )  # fmt: skip


def import_(args: Namespace, context: Context) -> int:
    """Make an image of the archive of a root file system."""
    from mydocker.engine.images import import_rootfs

    source = _source(None if args.file == "-" else args.file)
    image = import_rootfs(context.engine, source, args.name or "", args.message, args.platform or "", args.change)
    context.out.line(str(image.id))
    return 0


def export_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `export`."""
    parser.epilog = "example: mydocker export -o rootfs.tar web"
    parser.add_argument("-o", "--output", metavar="FILE", help="write to FILE (default: stdout, unless a terminal)")
    parser.add_argument("container", metavar="CONTAINER", help="name or id")


def export(args: Namespace, context: Context) -> int:
    """Write a container's root file system as a tar."""
    if args.output is None and sys.stdout.isatty():
        raise UsageError("export", "an archive does not belong on a terminal", "give -o FILE")
    context.engine.save_container(args.container, args.output)
    return 0


def _source(path: str | None) -> str | int:
    if path is not None:
        return path
    if sys.stdin.isatty():
        raise UsageError("read an archive", "standard input is a terminal", "name a file")
    return _STDIN
