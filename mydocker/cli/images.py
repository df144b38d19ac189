"""The verb `images`."""

from __future__ import annotations

from mydocker.cli.output import local_time
from mydocker.errors import UsageError
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterator

    from mydocker.cli.main import Context
    from mydocker.image.image import Image
    from mydocker.image.reference import Reference
    from mydocker.image.store import ImageStore

_HEADER = ("ID", "NAME", "VERSION", "FROM", "EXPOSE", "CREATED")


def images_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `images`."""
    parser.epilog = (
        "examples:\n  mydocker images\n  mydocker images --tree\n  mydocker images --filter dangling=true -q"
    )
    parser.add_argument("name", nargs="?", metavar="NAME[:TAG]", help="only images of this name")
    parser.add_argument("-q", "--quiet", action="store_true", help="print ids only")
    parser.add_argument("--no-trunc", action="store_true", help="print whole ids")
    parser.add_argument("--digests", action="store_true", help="print the manifests' digests too")
    parser.add_argument("--filter", action="append", default=[], metavar="KEY=VALUE",
                        help="dangling=, reference=PATTERN, label=KEY[=VALUE], before=IMAGE, since=IMAGE")  # fmt: skip
    parser.add_argument("--tree", action="store_true", help="what is built on what, with shared and own size")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="form of the list")


def images(args: Namespace, context: Context) -> int:
    """List images."""
    store = context.engine.images
    tests = [_test(store, text) for text in args.filter]
    found = [image for image in store.images() if _wanted(image, args.name) and all(test(image) for test in tests)]
    if args.quiet:
        for image in dict.fromkeys(str(each.id) if args.no_trunc else each.id.short for each in found):
            context.out.line(image)
    elif args.tree:
        _show_tree(found, args.format, context)
    elif args.format == "json":
        context.out.json([_facts(image) for image in found])
    else:
        header = (*_HEADER, "DIGEST") if args.digests else _HEADER
        rows = [row for image in found for row in _rows(image, args.no_trunc)]
        context.out.table(header, [row if args.digests else row[:-1] for row in rows])
    return 0


def _show_tree(found: list[Image], form: str, context: Context) -> None:
    from mydocker.cli.lineage import HEADER, facts, lineage, rows

    kin = lineage(found)
    if form == "json":
        context.out.json(facts(kin))
    else:
        context.out.table(HEADER, rows(kin))


def _wanted(image: Image, name: str | None) -> bool:
    if name is None:
        return True
    from mydocker.image.reference import Reference

    asked = Reference.parse(name)
    exact = ":" in name.rpartition("/")[2]
    return any(each.name == asked.name and (not exact or each.tag == asked.tag) for each in image.references)


def _test(store: ImageStore, text: str) -> Callable[[Image], bool]:
    """Return what a `--filter` asks of an image."""
    key, _, value = text.partition("=")
    match key:
        case "dangling" if value in ("true", "false"):
            return lambda image: (not image.references) == (value == "true")
        case "label":
            name, equals, word = value.partition("=")
            return lambda image: name in image.config.labels and (not equals or image.config.labels[name] == word)
        case "reference":
            return lambda image: any(_fits(each, value) for each in image.references)
        case "before" | "since":
            moment = store.resolve(value).built
            return lambda image: image.built < moment if key == "before" else image.built > moment
    raise UsageError(f"--filter {text}", "expected dangling=true|false, reference=, label=, before= or since=")


def _fits(reference: Reference, pattern: str) -> bool:
    from fnmatch import fnmatchcase

    return fnmatchcase(reference.familiar, pattern) or fnmatchcase(reference.familiar_name, pattern)


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


def everything(store: ImageStore, image: Image) -> dict[str, object]:
    """Return all that is known about an image: what `images` tells, its layers, its config as it was stored."""
    import json

    layers = [
        {"diff_id": layer.diff_id, "digest": layer.blob.digest, "size": layer.blob.size, "type": layer.blob.media_type}
        for layer in image.layers
    ]
    return {
        **_facts(image),
        "type": image.manifest_type,
        "layers": layers,
        "config": json.loads(store.read_config(image)),
    }
