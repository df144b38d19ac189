"""Verbs that watch or change running containers: top, stats, update, events, cp, and volumes."""

from __future__ import annotations

import time

from mydocker.cli.output import local_time
from mydocker.errors import UsageError
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from mydocker.cli.main import Context
    from mydocker.runtime.usage import Usage

_PROCESSES = ("PID", "PPID", "UID", "TIME", "COMMAND")
_USAGE = ("ID", "NAME", "CPU", "MEMORY", "LIMIT", "READ", "WRITTEN", "PIDS")
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def top_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `top`."""
    parser.add_argument("container", metavar="CONTAINER", help="name or id")


def top(args: Namespace, context: Context) -> int:
    """List the processes of a container, with the host's numbers."""
    rows = [
        (str(each.pid), str(each.parent), str(each.uid), f"{each.cpu:.2f}", each.command)
        for each in context.engine.containers.processes(args.container)
    ]
    context.out.table(_PROCESSES, rows)
    return 0


def stats_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `stats`."""
    parser.add_argument("--no-stream", action="store_true", help="measure once")
    parser.add_argument("--interval", type=float, default=1.0, metavar="SECONDS", help="time between lines (1)")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="form of the answer")
    parser.add_argument("container", nargs="*", metavar="CONTAINER", help="names or ids (default: all that run)")


def stats(args: Namespace, context: Context) -> int:
    """Show what containers use."""
    containers = context.engine.containers
    before: dict[str, Usage] = {}
    while True:
        found = [containers.find(each) for each in args.container] or [c for c in containers.list() if c.is_running]
        now = {each.id: containers.usage(each.id) for each in found if each.is_running}
        if before or not now:
            rows = [(each.short_id, each.name, before.get(each.id), now[each.id]) for each in found if each.id in now]
            if args.format == "json":
                context.out.json([{"id": row[0], "name": row[1], **row[3]._asdict()} for row in rows])
            else:
                context.out.table(_USAGE, [(row[0], row[1], *_cells(row[2], row[3])) for row in rows])
            if args.no_stream or not now:
                return 0
        before = now
        time.sleep(args.interval)


def _cells(before: Usage | None, now: Usage) -> tuple[str, ...]:
    share = 0.0 if before is None else (now.cpu - before.cpu) / max(now.moment - before.moment, 1e-6)
    limit = human(now.memory_limit) if now.memory_limit else "-"
    return f"{share:.1%}", human(now.memory), limit, human(now.read), human(now.written), str(now.processes)


def human(count: int) -> str:
    """Return bytes for people: `1.5MiB`."""
    value = float(count)
    for unit in _UNITS:
        if value < 1024 or unit == _UNITS[-1]:
            break
        value /= 1024
    return f"{value:.0f}B" if unit == "B" else f"{value:.1f}{unit}"


def update_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `update`."""
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
    parser.add_argument("--since", default="", metavar="TIME", help="from then on, as in 10m (default: from now on)")
    parser.add_argument("--no-follow", action="store_true", help="print what there is and end")


def events(args: Namespace, context: Context) -> int:
    """Print what happens to containers, one JSON document per line."""
    import json

    from mydocker.creation import words
    from mydocker.runtime import journal

    since = time.time() - words.seconds(args.since, "--since") if args.since else 0.0
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
    parser.add_argument(
        "action", choices=("create", "ls", "list", "inspect", "rm", "remove", "prune"), help="what to do"
    )
    parser.add_argument("name", nargs="*", metavar="NAME", help="volumes")
    parser.add_argument("--label", action="append", default=[], metavar="KEY=VALUE", help="label of a new volume")
    parser.add_argument("-a", "--all", action="store_true", help="prune: those with names, too")
    parser.add_argument("-f", "--force", action="store_true", help="accepted; nothing is asked")


def volume(args: Namespace, context: Context) -> int:
    """Manage volumes."""
    from mydocker.creation import words

    volumes, out = context.engine.volumes, context.out
    used = [name for each in context.engine.containers.list() for name in each.volumes]
    if args.action == "create":
        for name in args.name or [""]:
            out.line(volumes.create(name, words.pairs(tuple(args.label), "--label")).name)
    elif args.action in ("ls", "list"):
        out.table(
            ("NAME", "USED", "CREATED"),
            [(v.name, str(used.count(v.name)), local_time(v.created)) for v in volumes.list()],
        )
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
