"""The verbs about containers that exist: `ps`, `logs`, `stop`, `remove`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from mydocker.cli.output import local_time
from mydocker.errors import MydockerError, UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from mydocker.cli.main import Context
    from mydocker.runtime.record import Container

_HEADER = ("ID", "NAME", "PID", "STATUS", "COMMAND", "CREATED")
_LONGEST_COMMAND = 40


def ps_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `ps`."""
    parser.add_argument("-a", "--all", action="store_true", help="all containers (this is the default)")
    parser.add_argument("--running", action="store_true", help="running containers only")
    parser.add_argument("-q", "--quiet", action="store_true", help="print ids only")
    parser.add_argument("--no-trunc", action="store_true", help="print whole ids and commands")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="form of the list")


def ps(args: Namespace, context: Context) -> int:
    """List containers, newest first."""
    found = [each for each in context.engine.containers.list() if each.is_running or not args.running]
    if args.quiet:
        for each in found:
            context.out.line(each.id if args.no_trunc else each.short_id)
    elif args.format == "json":
        context.out.json([_facts(each) for each in found])
    else:
        context.out.table(_HEADER, [_row(each, args.no_trunc) for each in found])
    return 0


def _row(container: Container, whole: bool) -> tuple[str, ...]:
    command = " ".join(container.command)
    if not whole and len(command) > _LONGEST_COMMAND:
        command = command[: _LONGEST_COMMAND - 1] + "…"
    return (
        container.id if whole else container.short_id,
        container.name,
        str(container.state.pid) if container.is_running else "",
        _status(container),
        command,
        local_time(container.created),
    )


def _status(container: Container) -> str:
    state = container.state
    return f"{state.status} ({state.exit_status})" if state.status == "exited" else state.status


def _facts(container: Container) -> dict[str, object]:
    state = container.state
    return {
        "id": container.id,
        "name": container.name,
        "image": container.image,
        "image_id": container.image_id,
        "command": list(container.command),
        "pid": state.pid if container.is_running else 0,
        "status": state.status,
        "exit_status": state.exit_status,
        "created": container.created,
        "started": state.started,
        "finished": state.finished,
        "labels": dict(container.labels),
        "mounts": list(container.mounts),
        "ports": container.ports,
    }


def logs_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `logs`."""
    parser.add_argument("container", metavar="CONTAINER")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what is written from now on")
    parser.add_argument("-n", "--tail", default="all", metavar="N", help="only the last N lines")
    parser.add_argument("-t", "--timestamps", action="store_true", help="print each line's time before it")


def logs(args: Namespace, context: Context) -> int:
    """Print what a container wrote: its standard output to ours, its standard error to ours."""
    if args.tail != "all" and not args.tail.isdecimal():
        raise UsageError(f"logs --tail {args.tail}", "not a number of lines")
    tail = -1 if args.tail == "all" else int(args.tail)
    sys.stdout.flush()
    for entry in context.engine.containers.logs(args.container, follow=args.follow, tail=tail):
        data = entry.time + b" " + entry.data if args.timestamps else entry.data
        view = memoryview(data)
        while view:
            view = view[os.write(entry.stream, view) :]
    return 0


def stop_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `stop`."""
    parser.add_argument("container", nargs="+", metavar="CONTAINER")
    parser.add_argument(
        "-t", "--time", type=float, metavar="SECONDS", help="how long to wait before killing (default: 10)"
    )


def stop(args: Namespace, context: Context) -> int:
    """Stop containers with their stop signal; those that do not end in time are killed."""
    return _each(args.container, context, lambda name: context.engine.containers.stop(name, timeout=args.time))


def remove_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `remove`."""
    parser.add_argument("container", nargs="+", metavar="CONTAINER")
    parser.add_argument("-f", "--force", action="store_true", help="kill it first when it is running")


def remove(args: Namespace, context: Context) -> int:
    """Remove containers and everything in them."""
    return _each(args.container, context, lambda name: context.engine.containers.remove(name, force=args.force))


def _each(names: list[str], context: Context, action: Callable[[str], object]) -> int:
    """Do something to each container, name those that it was done to, and go on after an error."""
    status = 0
    for name in names:
        try:
            action(name)
        except MydockerError as error:
            context.out.error(error)
            status = error.exit_status
        else:
            context.out.line(name)
    return status
