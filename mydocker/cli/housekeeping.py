"""Verbs about the store as a whole: df, fsck, prune."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mydocker.cli.progress import size_text

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from mydocker.cli.main import Context
    from mydocker.image.check import Report


def df_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `df`."""
    parser.epilog = "example: mydocker df"
    parser.add_argument("--format", choices=("table", "json"), default="table", help="form of the list")


def df(args: Namespace, context: Context) -> int:
    """Print what the store takes on the disk, and what `prune` would free."""
    from mydocker.engine.images import usage

    rows = usage(context.engine)
    if args.format == "json":
        context.out.json([row._asdict() for row in rows])
    else:
        shown = [(row.kind, str(row.number), size_text(row.size), size_text(row.free)) for row in rows]
        context.out.table(("TYPE", "NUMBER", "SIZE", "RECLAIMABLE"), shown)
    return 0


def fsck_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `fsck`."""
    parser.epilog = "example: mydocker fsck --repair"
    parser.add_argument("--repair", action="store_true", help="remove what cannot be trusted, so that it comes anew")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="form of the report")


def fsck(args: Namespace, context: Context) -> int:
    """Compare everything in the store with its name; 1 when something is wrong and stays so."""
    report = context.engine.images.fsck(repair=args.repair)
    if args.format == "json":
        context.out.json({**report._asdict(), "problems": [each._asdict() for each in report.problems]})
    else:
        _print_report(report, context)
    return 1 if any(not problem.repair for problem in report.problems) else 0


def _print_report(report: Report, context: Context) -> None:
    for problem in report.problems:
        context.out.line(f"{problem.where}: {problem.why}" + (f" ({problem.repair})" if problem.repair else ""))
    looked_at = f"{report.blobs} blobs, {report.images} images, {report.snapshots} snapshots"
    context.out.line(f"{looked_at}: {len(report.problems)} problems")


def prune_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `prune`."""
    parser.epilog = (
        "Without a choice: containers that have ended, images without a name, and layers that nothing needs.\n\n"
        "example: mydocker prune --dry-run"
    )
    parser.add_argument("--containers", action="store_true", help="containers that have ended")
    parser.add_argument("--images", action="store_true", help="images without a name, and layers that nothing needs")
    parser.add_argument("--cache", action="store_true", help="the build cache")
    parser.add_argument(
        "-a", "--all", action="store_true", help="all images that no container stands on; the cache too"
    )
    parser.add_argument("--dry-run", action="store_true", help="remove nothing, tell what would be removed")
    parser.add_argument("-f", "--force", action="store_true", help="accepted; nothing is asked")


def prune(args: Namespace, context: Context) -> int:
    """Free what nothing needs."""
    from mydocker.engine.images import prune as free

    chosen = args.containers or args.images or args.cache
    pruned = free(
        context.engine,
        containers=args.containers or not chosen,
        images=args.images or not chosen,
        cache=args.cache or (args.all and not chosen),
        everything=args.all,
        dry_run=args.dry_run,
    )
    would = "would remove" if args.dry_run else "removed"
    for container in pruned.containers:
        context.out.line(f"{would} container {container[:12]}")
    for image in pruned.images:
        context.out.line(f"{would} image {image[7:19]}")
    if pruned.cached:
        context.out.line(f"{would} {pruned.cached} results of the build cache")
    freed = pruned.freed
    context.out.line(f"{would} {len(freed.blobs)} blobs and {len(freed.snapshots)} snapshots, {size_text(freed.size)}")
    return 0
