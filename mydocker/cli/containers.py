"""Verbs about containers that exist: list, look at, stop, remove."""

from __future__ import annotations

import os
import time

from mydocker.cli.output import local_time
from mydocker.errors import MydockerError, NotFound, UsageError
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from mydocker.cli.main import Context
    from mydocker.network.membership import Attached
    from mydocker.network.portmap.ports import Published
    from mydocker.runtime.record import Container

_HEADER: tuple[str, ...] = ("ID", "NAME", "PID", "STATUS", "COMMAND", "CREATED")
_LONGEST_COMMAND = 30


def _several(parser: ArgumentParser) -> None:
    parser.add_argument("container", nargs="+", metavar="CONTAINER", help="names or ids, or unique beginnings of ids")


def _each(args: Namespace, context: Context, act: Callable[[str], object]) -> int:
    """Do something with each container named, print its name, go on after a failure; 1 when any failed."""
    status = 0
    for reference in args.container:
        try:
            act(reference)
            context.out.line(reference)
        except MydockerError as err:
            context.out.error(err)
            status = max(status, err.exit_status)
    return status


def ps_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `ps`."""
    parser.epilog = "examples:\n  mydocker ps\n  mydocker ps --running --filter label=tier=front"
    parser.add_argument("-a", "--all", action="store_true", help="all containers (always so)")
    parser.add_argument("--running", action="store_true", help="only those that run")
    parser.add_argument("-q", "--quiet", action="store_true", help="print ids only")
    parser.add_argument("--no-trunc", action="store_true", help="print whole ids and commands")
    parser.add_argument("-n", "--last", type=int, default=0, metavar="N", help="only the last N made")
    parser.add_argument("--filter", action="append", default=[], metavar="KEY=VALUE",
                        help="status, name, label, ancestor, id, exited, volume, network, health")  # fmt: skip
    parser.add_argument("--format", choices=("table", "json"), default="table", help="form of the list")


def ps(args: Namespace, context: Context) -> int:
    """List containers."""
    found = [each for each in context.engine.containers.list() if all(_matches(each, text) for text in args.filter)]
    if args.running:
        found = [each for each in found if each.is_running]
    if args.last > 0:
        found = found[: args.last]
    if args.quiet:
        for container in found:
            context.out.line(container.id if args.no_trunc else container.short_id)
        return 0
    published, attached = context.engine.published(), context.engine.attached()
    if args.format == "json":
        shown = [facts(each, published.get(each.id, ()), attached.get(each.id, ())) for each in found]
        context.out.json(shown)
        return 0
    header, rows = _HEADER, [_row(container, args.no_trunc) for container in found]
    if any(container.id in attached for container in found):
        header = (*header, "ADDRESS")
        for row, each in zip(rows, found, strict=True):
            row.append(", ".join(one.address for one in attached.get(each.id, ())))
    if any(container.id in published for container in found):
        header = (*header, "PORTS")
        for row, each in zip(rows, found, strict=True):
            row.append(", ".join(map(str, published.get(each.id, ()))))
    context.out.table(header, rows)
    return 0


def _matches(container: Container, text: str) -> bool:
    key, _, value = text.partition("=")
    tests: dict[str, Callable[[], bool]] = {
        "status": lambda: container.state.status == value,
        "name": lambda: value in container.name,
        "id": lambda: container.id.startswith(value),
        "ancestor": lambda: container.image == value or container.image_id.removeprefix("sha256:").startswith(value),
        "exited": lambda: container.state.status == "exited" and str(container.state.exit_status) == value,
        "label": lambda: any(value in (name, f"{name}={word}") for name, word in container.labels),
        "volume": lambda: value in container.volumes or any(value in each.split(":") for each in container.mounts),
        "network": lambda: value in container.network.split(","),
        "health": lambda: (container.state.health or "none") == value,
    }
    if key not in tests:
        raise UsageError(f"--filter {text}", f"unknown key {key}", ", ".join(tests))
    return tests[key]()


def _row(container: Container, whole: bool) -> list[str]:
    command = " ".join(container.command)
    if not whole and len(command) > _LONGEST_COMMAND:
        command = command[: _LONGEST_COMMAND - 3] + "..."
    return [
        container.id if whole else container.short_id,
        container.name,
        str(container.state.pid) if container.state.pid else "",
        status_text(container),
        command,
        local_time(container.created),
    ]


def status_text(container: Container) -> str:
    """Return the state for people: `running (healthy)`, `exited (137, out of memory)`."""
    state = container.state
    if state.status == "exited":
        return f"exited ({state.exit_status}, out of memory)" if state.oom_killed else f"exited ({state.exit_status})"
    return f"{state.status} ({state.health})" if state.health and container.is_running else state.status


def facts(
    container: Container, published: tuple[Published, ...] = (), attached: tuple[Attached, ...] = ()
) -> dict[str, object]:
    """Return everything about a container as JSON values: the ports that lead to it now, the networks that it is on."""
    from mydocker.runtime.record import encode

    ports = [port._asdict() for port in published]
    networks = [each._asdict() for each in attached]
    return {**encode(container), "state": container.state._asdict(), "published": ports, "networks": networks}


def inspect_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `inspect`."""
    parser.epilog = "examples:\n  mydocker inspect web\n  mydocker inspect --type image app:1"
    parser.add_argument("--spec", action="store_true", help="the runtime-spec document of containers instead")
    parser.add_argument("--type", choices=("container", "image"), help="only look for this (default: both)")
    parser.add_argument("container", nargs="+", metavar="CONTAINER|IMAGE", help="names or ids of containers or images")


def inspect(args: Namespace, context: Context) -> int:
    """Print everything that is known about containers or images, as JSON."""
    containers = context.engine.containers
    if args.spec:
        context.out.json([containers.bundle(reference).document() for reference in args.container])
    else:
        context.out.json([_everything(context, reference, args.type) for reference in args.container])
    return 0


def _everything(context: Context, reference: str, kind: str | None) -> dict[str, object]:
    """Return what is known about a container or, where there is none of that name, an image."""
    if kind != "image":
        try:
            container = context.engine.containers.find(reference)
            identifier = container.id
            return facts(
                container,
                context.engine.published().get(identifier, ()),
                context.engine.attached().get(identifier, ()),
            )
        except NotFound:
            if kind == "container":
                raise
    from mydocker.cli.images import everything

    return everything(context.engine.images, context.engine.images.resolve(reference))


def logs_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `logs`."""
    parser.epilog = "examples:\n  mydocker logs --tail 20 web\n  mydocker logs -f --since 10m web"
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the container ends")
    parser.add_argument("-n", "--tail", default="all", metavar="N", help="only the last N lines")
    parser.add_argument("-t", "--timestamps", action="store_true", help="put the time before each line")
    parser.add_argument("--since", default="", metavar="TIME", help="from then on: 10m (ago), 2026-01-02T03:04:05")
    parser.add_argument("--until", default="", metavar="TIME", help="up to then")
    parser.add_argument("container", metavar="CONTAINER", help="name or id")


def logs(args: Namespace, context: Context) -> int:
    """Print what a container wrote, each stream to ours."""
    if args.tail != "all" and not args.tail.isdecimal():
        raise UsageError(f"--tail {args.tail}", "neither a number nor all")
    tail = -1 if args.tail == "all" else int(args.tail)
    since, until = _moment(args.since, "--since"), _moment(args.until, "--until")
    entries = context.engine.containers.logs(args.container, follow=args.follow, tail=tail, since=since, until=until)
    begins_line = {1: True, 2: True}
    for entry in entries:
        stamp = entry.time + b" " if args.timestamps and begins_line[entry.stream] else b""
        begins_line[entry.stream] = entry.data.endswith(b"\n")
        _write(entry.stream, stamp + entry.data)
    return 0


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _moment(text: str, flag: str) -> bytes:
    """Return a time as the log has it."""
    if not text:
        return b""
    from mydocker.creation import words
    from mydocker.runtime.log import stamp

    return stamp(words.moment(text, flag, time.time_ns()))


def start_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `start`."""
    parser.epilog = "examples:\n  mydocker start web\n  mydocker start -a job"
    parser.add_argument("-a", "--attach", action="store_true", help="stay attached and return its exit status")
    parser.add_argument("-i", "--interactive", action="store_true", help="pass standard input, too")
    parser.add_argument("--detach-keys", default="", metavar="KEYS", help="keys that detach (ctrl-p,ctrl-q)")
    _several(parser)


def start(args: Namespace, context: Context) -> int:
    """Start containers that are not running."""
    containers = context.engine.containers
    if not args.attach and not args.interactive:
        return _each(args, context, containers.start)
    if len(args.container) > 1:
        raise UsageError("start -a", "more than one container")
    stdin = 0 if args.interactive else None
    status = containers.run_interactive(args.container[0], stdin=stdin, detach_keys=args.detach_keys)
    return 0 if status is None else status


def attach_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `attach`."""
    parser.epilog = "example: mydocker attach --detach-keys ctrl-a,d web"
    parser.add_argument("--no-stdin", action="store_true", help="do not pass standard input")
    parser.add_argument("--detach-keys", default="", metavar="KEYS", help="keys that detach (ctrl-p,ctrl-q)")
    parser.add_argument("--sig-proxy", default="true", choices=("true", "false"), help="pass signals on (true)")
    parser.add_argument("container", metavar="CONTAINER", help="name or id")


def attach(args: Namespace, context: Context) -> int:
    """Connect to a running container; return its exit status."""
    stdin = None if args.no_stdin else 0
    proxy = args.sig_proxy == "true"
    keys = args.detach_keys
    status = context.engine.containers.attach(args.container, stdin=stdin, detach_keys=keys, pass_signals=proxy)
    return 0 if status is None else status


def stop_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `stop`."""
    parser.epilog = "example: mydocker stop --time 2 web"
    parser.add_argument("-t", "--time", type=float, metavar="SECONDS", help="how long to wait before killing (10)")
    _several(parser)


def stop(args: Namespace, context: Context) -> int:
    """Stop running containers."""
    return _each(args, context, lambda reference: context.engine.containers.stop(reference, timeout=args.time))


def restart_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `restart`."""
    stop_arguments(parser)
    parser.epilog = "example: mydocker restart --time 2 web"


def restart(args: Namespace, context: Context) -> int:
    """Stop containers and start them again."""

    def again(reference: str) -> None:
        context.engine.containers.stop(reference, timeout=args.time)
        context.engine.containers.start(reference)

    return _each(args, context, again)


def kill_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `kill`."""
    parser.epilog = "example: mydocker kill --signal HUP web"
    parser.add_argument("-s", "--signal", default="KILL", metavar="SIGNAL", help="what to send (KILL)")
    _several(parser)


def kill(args: Namespace, context: Context) -> int:
    """Send a signal to running containers."""
    from mydocker.runtime.ending import parse_signal

    number = parse_signal(args.signal)
    return _each(args, context, lambda reference: context.engine.containers.kill(reference, number))


def pause_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `pause`."""
    parser.epilog = "example: mydocker pause web"
    _several(parser)


def pause(args: Namespace, context: Context) -> int:
    """Freeze containers."""
    return _each(args, context, context.engine.containers.pause)


def unpause_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `unpause`."""
    parser.epilog = "example: mydocker unpause web"
    _several(parser)


def unpause(args: Namespace, context: Context) -> int:
    """Let frozen containers go on."""
    return _each(args, context, context.engine.containers.unpause)


def wait_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `wait`."""
    parser.epilog = "example: mydocker wait job"
    _several(parser)


def wait(args: Namespace, context: Context) -> int:
    """Wait until containers have ended; print their exit statuses."""
    for reference in args.container:
        context.out.line(str(context.engine.containers.wait(reference)))
    return 0


def remove_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `remove`."""
    parser.epilog = "example: mydocker remove --force web"
    parser.add_argument("-f", "--force", action="store_true", help="kill it first if it runs")
    parser.add_argument("-v", "--volumes", action="store_true", help="remove its anonymous volumes, too")
    _several(parser)


def remove(args: Namespace, context: Context) -> int:
    """Remove containers."""

    def away(reference: str) -> None:
        gone = context.engine.containers.remove(reference, force=args.force)
        if args.volumes or gone.auto_remove:
            _remove_anonymous(context, gone)

    return _each(args, context, away)


def _remove_anonymous(context: Context, gone: Container) -> None:
    volumes = context.engine.volumes
    used = [name for each in context.engine.containers.list() for name in each.volumes]
    for name in gone.volumes:
        if name not in used and volumes.find(name).anonymous:
            volumes.remove(name, used)


def rename_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `rename`."""
    parser.epilog = "example: mydocker rename web web-old"
    parser.add_argument("container", metavar="CONTAINER", help="name or id")
    parser.add_argument("name", metavar="NAME", help="the new name")


def rename(args: Namespace, context: Context) -> int:
    """Give a container another name."""
    context.engine.containers.rename(args.container, args.name)
    return 0
