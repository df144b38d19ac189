"""Verbs about what images are called: tag, rmi."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mydocker.cli.progress import size_text
from mydocker.errors import MydockerError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from mydocker.cli.main import Context


def tag_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `tag`."""
    parser.epilog = "example: mydocker tag app:1 app:stable"
    parser.add_argument("image", metavar="IMAGE", help="name or id")
    parser.add_argument("name", metavar="NAME[:TAG]", nargs="+", help="one more name for it")


def tag(args: Namespace, context: Context) -> int:
    """Give an image more names."""
    from mydocker.image.reference import Reference

    store = context.engine.images
    image = store.resolve(args.image)
    for reference in [Reference.parse(name) for name in args.name]:
        store.tag(image, reference)
    return 0


def rmi_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `rmi`."""
    parser.epilog = "example: mydocker rmi app:1"
    parser.add_argument("image", nargs="+", metavar="IMAGE", help="names (taken away) or ids (with all their names)")
    parser.add_argument("-f", "--force", action="store_true", help="also when a container stands on it")


def rmi(args: Namespace, context: Context) -> int:
    """Remove images."""
    from mydocker.engine.images import remove_image

    status = 0
    for text in args.image:
        try:
            removed = remove_image(context.engine, text, force=args.force)
        except MydockerError as failed:
            context.out.error(failed)
            status = max(status, failed.exit_status)
            continue
        for name in removed.untagged:
            context.out.line(f"untagged {name.familiar}")
        if removed.image:
            context.out.line(f"removed {removed.image.id.short}, {size_text(removed.freed.size)} freed")
    return status
