"""Verbs around running containers: update, events, cp, and volumes."""

from __future__ import annotations

import time

from mydocker.cli.output import local_time
from mydocker.errors import UsageError
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from mydocker.cli.main import Context


def update_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `update`."""
    parser.epilog = "example: mydocker update -m 200m --cpus 1.5 web"
    parser.add_argument("-m", "--memory", default="", metavar="SIZE", help="memory limit")
    parser.add_argument("--memory-swap", default="", metavar="SIZE", help="memory and swap together; -1: unlimited")
    parser.add_argument("--memory-reservation", default="", metavar="SIZE", help="soft limit")
    parser.add_argument(
        "--cpushare", "--cpu-shares", dest="cpu_shares", type=int, default=0, metavar="N", help="weight"
    )
    parser.add_argument("--cpus", type=float, default=0.0, metavar="N", help="processors")
    parser.add_argument("--cpuset", "--cpuset-cpus", dest="cpuset", default="", metavar="LIST", help="which processors")
    parser.add_argument("--pids-limit", type=int, default=0, metavar="N", help="most processes")
    parser.add_argument("--restart", default="", metavar="POLICY", help="restart policy")
    parser.add_argument("container", nargs="+", metavar="CONTAINER", help="names or ids")


def update(args: Namespace, context: Context) -> int:
    """Change limits and restart policy of containers, running or not."""
    from mydocker.creation import words
    from mydocker.runtime.options import Limits

    limits = Limits(
        memory=words.memory(args.memory, "-m"),
        memory_swap=words.memory(args.memory_swap, "--memory-swap"),
        memory_reservation=words.memory(args.memory_reservation, "--memory-reservation"),
        cpu_shares=args.cpu_shares,
        cpus=args.cpus,
        cpuset_cpus=args.cpuset,
        pids=args.pids_limit,
    )
    policy = words.restart(args.restart) if args.restart else None
    for reference in args.container:
        context.engine.containers.update(reference, limits, policy)
        context.out.line(reference)
    return 0


def events_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `events`."""
    parser.epilog = "example: mydocker events --since 1h --no-follow"
    parser.add_argument("--since", default="", metavar="TIME", help="from then on: 10m (ago), 2026-01-02T03:04:05")
    parser.add_argument("--no-follow", action="store_true", help="print what there is and end")


def events(args: Namespace, context: Context) -> int:
    """Print what happens to containers, one JSON document per line."""
    import json

    from mydocker.creation import words
    from mydocker.runtime import journal

    since = words.moment(args.since, "--since", time.time_ns()) / 1e9 if args.since else 0.0
    if args.no_follow and not since:
        raise UsageError("events --no-follow", "nothing to print", "say from when on: --since 1h")
    for event in journal.read(context.engine.containers.directory, since=since, follow=not args.no_follow):
        context.out.line(json.dumps(event))
    return 0


def cp_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `cp`."""
    parser.epilog = "examples:\n  mydocker cp web:/etc/hosts .\n  mydocker cp page.html web:/www/"
    parser.add_argument("source", metavar="[CONTAINER:]SOURCE", help="what to copy")
    parser.add_argument("target", metavar="[CONTAINER:]TARGET", help="where to")


def cp(args: Namespace, context: Context) -> int:
    """Copy files between a container and the host."""
    from mydocker.creation import copying

    (from_container, source), (to_container, target) = _place(args.source), _place(args.target)
    if bool(from_container) == bool(to_container):
        raise UsageError("cp", "exactly one side is a container", "mydocker cp CONTAINER:PATH PATH, or the reverse")
    if from_container:
        copying.copy_out(context.engine.containers, from_container, source, target)
    else:
        copying.copy_in(context.engine.containers, source, to_container, target)
    return 0


def _place(text: str) -> tuple[str, str]:
    """Split CONTAINER:PATH; a path that begins with . or / is one of the host."""
    reference, colon, path = text.partition(":")
    if not colon or text.startswith((".", "/")):
        return "", text
    return reference, path or "/"


def volume_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `volume`."""
    parser.epilog = "examples:\n  mydocker volume create data\n  mydocker volume prune"
    parser.add_argument(
        "action", choices=("create", "ls", "list", "inspect", "rm", "remove", "prune"), help="what to do"
    )
    parser.add_argument("name", nargs="*", metavar="VOLUME", help="volumes")
    parser.add_argument("--label", action="append", default=[], metavar="KEY=VALUE", help="label of a new volume")
    parser.add_argument("-a", "--all", action="store_true", help="prune: those with names, too")
    parser.add_argument("-f", "--force", action="store_true", help="accepted; nothing is asked")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="form of the list")


def volume(args: Namespace, context: Context) -> int:
    """Manage volumes."""
    from mydocker.creation import words

    volumes, out = context.engine.volumes, context.out
    used = [name for each in context.engine.containers.list() for name in each.volumes]
    if args.action == "create":
        for name in args.name or [""]:
            out.line(volumes.create(name, words.pairs(tuple(args.label), "--label")).name)
    elif args.action in ("ls", "list"):
        listed = volumes.list()
        if args.format == "json":
            out.json([{**each._asdict(), "used": used.count(each.name)} for each in listed])
        else:
            rows = [(each.name, str(used.count(each.name)), local_time(each.created)) for each in listed]
            out.table(("NAME", "USED", "CREATED"), rows)
    elif args.action == "inspect":
        out.json([volumes.find(name)._asdict() for name in args.name])
    elif args.action in ("rm", "remove"):
        for name in args.name:
            volumes.remove(name, used)
            out.line(name)
    else:
        for found in volumes.list():
            if found.name not in used and (found.anonymous or args.all):
                volumes.remove(found.name, used)
                out.line(found.name)
    return 0
