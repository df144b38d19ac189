"""The verb `images`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mydocker.cli.output import local_time

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from mydocker.cli.main import Context
    from mydocker.image.image import Image

_HEADER = ("ID", "NAME", "VERSION", "FROM", "EXPOSE", "CREATED")


def images_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `images`."""
    parser.add_argument("name", nargs="?", metavar="NAME[:TAG]", help="only images of this name")
    parser.add_argument("-q", "--quiet", action="store_true", help="print ids only")
    parser.add_argument("--no-trunc", action="store_true", help="print whole ids")
    parser.add_argument("--digests", action="store_true", help="print the manifests' digests too")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="form of the list")


def images(args: Namespace, context: Context) -> int:
    """List images."""
    found = [image for image in context.engine.images.images() if _wanted(image, args.name)]
    if args.quiet:
        for image in dict.fromkeys(str(each.id) if args.no_trunc else each.id.short for each in found):
            context.out.line(image)
    elif args.format == "json":
        context.out.json([_facts(image) for image in found])
    else:
        header = (*_HEADER, "DIGEST") if args.digests else _HEADER
        rows = [row for image in found for row in _rows(image, args.no_trunc)]
        context.out.table(header, [row if args.digests else row[:-1] for row in rows])
    return 0


def _wanted(image: Image, name: str | None) -> bool:
    if name is None:
        return True
    from mydocker.image.reference import Reference

    asked = Reference.parse(name)
    exact = ":" in name.rpartition("/")[2]
    return any(each.name == asked.name and (not exact or each.tag == asked.tag) for each in image.references)


def _rows(image: Image, whole: bool) -> Iterator[tuple[str, ...]]:
    """Yield a row per name. As the seed has it, `latest` is an empty VERSION, and the image `base` has that as ID."""
    identifier = str(image.id) if whole else image.id.short
    ports = "[" + " ".join(image.config.exposed_ports) + "]"
    created = local_time(image.built)
    if not image.references:
        yield identifier, "", "", image.base, ports, created, str(image.digest)
    for reference in image.references:
        shown = "base" if reference.familiar == "base:latest" and not whole else identifier
        version = "" if reference.tag == "latest" else reference.tag
        yield shown, reference.familiar_name, version, image.base, ports, created, str(image.digest)


def _facts(image: Image) -> dict[str, object]:
    return {
        "id": str(image.id),
        "digest": str(image.digest),
        "names": [each.familiar for each in image.references],
        "from": image.base,
        "exposed": list(image.config.exposed_ports),
        "created": image.built,
        "size": image.size,
    }
