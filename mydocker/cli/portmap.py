"""The verbs `portmap` (the forwarding service, and mappings that are made by hand) and `port`."""

from __future__ import annotations

from contextlib import suppress

from mydocker.errors import NotFound, UsageError
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from mydocker.cli.main import Context
    from mydocker.engine.ports import Forwarded

_HEADER = ("PORT", "TARGET", "POLICY", "STATUS", "CONNECTIONS")


def portmap_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `portmap`."""
    from mydocker.network.forwarding.targets import POLICIES

    parser.epilog = (
        "start    run the forwarding service until Ctrl-C, or in the background with -d\n"
        "forward  send what comes to a port of the host somewhere else; -d undoes that\n"
        "list     print what is forwarded\n"
        "stop     end the service; mappings that were made by hand come back with the next start\n\n"
        "`run -p` starts the service by itself.\n\n"
        "examples:\n"
        "  mydocker portmap forward -p 8080:10.72.0.2:80\n"
        "  mydocker portmap forward -p 8080:10.72.0.3:80 --policy least-connections\n"
        "  mydocker portmap forward -p 8080:10.72.0.2:80 -d"
    )
    parser.add_argument("action", choices=("start", "forward", "list", "ls", "stop"), help="what to do")
    parser.add_argument("-p", "--publish", action="append", default=[], metavar="[ADDRESS:]PORT:TARGET:PORT[/PROTO]",
                        help="forward: a port of the host, and where it leads")  # fmt: skip
    parser.add_argument("-d", "--detach", "--delete", action="store_true",
                        help="start: in the background; forward: take the mapping away")  # fmt: skip
    parser.add_argument("--policy", default="", choices=POLICIES, help="forward: how several targets share")
    parser.add_argument("-q", "--quiet", action="store_true", help="list: print ports only")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="list: form of the list")


def portmap(args: Namespace, context: Context) -> int:
    """Manage forwarded ports."""
    does = {"start": _start, "forward": _forward, "list": _list, "ls": _list, "stop": _stop}
    if args.publish and args.action != "forward":
        raise UsageError(f"portmap {args.action}", "-p goes with forward")
    return does[args.action](args, context)


def _start(args: Namespace, context: Context) -> int:
    ports = context.engine.ports
    if args.detach:
        context.out.line(str(ports.start()))
        return 0
    try:
        for pid in ports.attend():
            context.out.note(f"forwarding ports (process {pid}); Ctrl-C ends it")
    except BaseException:
        with suppress(NotFound):  # it has ended already, or never began
            ports.stop()
        raise
    return 0


def _forward(args: Namespace, context: Context) -> int:
    if not args.publish:
        raise UsageError("portmap forward", "which port?", "mydocker portmap forward -p 8080:10.72.0.2:80")
    ports = context.engine.ports
    for text in args.publish:
        changed = ports.withdraw(text) if args.detach else ports.forward(text, args.policy)
        for mapping in changed:
            context.out.line(str(mapping))
    return 0


def _list(args: Namespace, context: Context) -> int:
    found = context.engine.ports.list()
    if args.quiet:
        for each in found:
            context.out.line(str(each.mapping))
    elif args.format == "json":
        context.out.json([_values(each) for each in found])
    else:
        context.out.table(_HEADER, [row for each in found for row in _rows(each)])
    return 0


def _rows(found: Forwarded) -> list[tuple[str, ...]]:
    mapping = found.mapping
    rows: list[tuple[str, ...]] = []
    for server, load in zip(mapping.servers, found.loads, strict=True):
        if not found.active or mapping.error:
            status = mapping.error or "stopped"
        else:
            status = "active" if load.healthy else "unreachable"
        rows.append((str(mapping), str(server), mapping.policy, status, str(load.open)))
    return rows


def _values(found: Forwarded) -> dict[str, object]:
    mapping = found.mapping
    servers = [
        {**server._asdict(), **load._asdict()} for server, load in zip(mapping.servers, found.loads, strict=True)
    ]
    return {**mapping._asdict(), "active": found.active and not mapping.error, "servers": servers}


def _stop(_args: Namespace, context: Context) -> int:
    context.engine.ports.stop()
    return 0


def port_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `port`."""
    parser.epilog = "examples:\n  mydocker port web\n  mydocker port web 80"
    parser.add_argument("container", metavar="CONTAINER", help="name or id")
    parser.add_argument("port", nargs="?", default="", metavar="PORT[/PROTO]", help="only this port of the container")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="form of the list")


def port(args: Namespace, context: Context) -> int:
    """Print the ports that lead to a container; those of one that does not run are not there."""
    container = context.engine.containers.find(args.container)
    found = context.engine.published().get(container.id, ())
    if args.port:
        wanted = args.port if "/" in args.port else f"{args.port}/tcp"
        found = tuple(each for each in found if each.name == wanted)
        if not found:
            raise NotFound(f"nothing leads to port {wanted} of {container.name}")
    if args.format == "json":
        context.out.json([each._asdict() for each in found])
        return 0
    for each in found:
        context.out.line(each.place if args.port else f"{each.name} -> {each.place}")
    return 0
