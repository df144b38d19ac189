"""The verb `network`: networks, and which containers are on them."""

from __future__ import annotations

from mydocker.cli.output import local_time
from mydocker.cli.parser import common_arguments
from mydocker.errors import MydockerError, UsageError
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from mydocker.cli.main import Context
    from mydocker.network.networks import Network

_HEADER = ("NAME", "IpRange", "Driver")


def network_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `network`."""
    parser.epilog = "example: mydocker network create --subnet 10.72.0.0/24 --driver bridge testbridge"
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION", help="what to do")

    def action(name: str, text: str, aliases: tuple[str, ...] = ()) -> ArgumentParser:
        made: ArgumentParser = actions.add_parser(name, help=text, description=text, aliases=list(aliases))
        common_arguments(made)
        return made

    _create_arguments(action("create", "make a network"))
    listing = action("list", "list networks", ("ls",))
    listing.add_argument("-q", "--quiet", action="store_true", help="print names only")
    listing.add_argument("--format", choices=("table", "json"), default="table", help="form of the list")
    listing.add_argument("--filter", action="append", default=[], metavar="KEY=VALUE", help="name, id, driver, label, "
                         "internal (true or false), dangling (true: no container is on it)")  # fmt: skip
    _named(action("inspect", "print everything about networks, as JSON"))
    _named(action("remove", "remove networks that no container is on", ("rm",)))
    prune = action("prune", "remove all networks that no container is on, or is to be on")
    prune.add_argument("-f", "--force", action="store_true", help="accepted; nothing is asked")
    connect = action("connect", "put a container on one more network")
    connect.add_argument("--ip", default="", metavar="ADDRESS", help="its IPv4 address")
    connect.add_argument("--ip6", default="", metavar="ADDRESS", help="its IPv6 address")
    connect.add_argument("--mac-address", default="", metavar="ADDRESS", help="its hardware address")
    connect.add_argument("--alias", action="append", default=[], metavar="NAME", help="one more name on the network")
    disconnect = action("disconnect", "take a container off a network")
    disconnect.add_argument("-f", "--force", action="store_true", help="accepted; a running one is taken off as well")
    for each in (connect, disconnect):
        each.add_argument("network", metavar="NETWORK", help="name or id of a network")
        each.add_argument("container", metavar="CONTAINER", help="name or id of a container")


def _create_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("-d", "--driver", default="bridge", help="bridge")
    for flag, field, text in (
        ("--subnet", "subnets", "its addresses, as in 10.72.0.0/24 (default: chosen); once for each family"),
        ("--gateway", "gateways", "the bridge's own address (default: the first of the subnet)"),
        ("--ip-range", "ip_ranges", "the part of the subnet that containers get addresses from"),
        ("--label", "labels", "KEY=VALUE"),
    ):
        parser.add_argument(flag, dest=field, action="append", default=[], metavar=flag[2:].upper(), help=text)
    parser.add_argument("--ipv6", action="store_true", help="addresses of IPv6 as well (default: below fd00::/8)")
    parser.add_argument("--internal", action="store_true", help="no way out, and nobody with another's address")
    parser.add_argument("--mtu", type=int, default=0, metavar="BYTES", help="largest packet (1500)")
    parser.add_argument("-o", "--opt", action="append", default=[], metavar="KEY=VALUE",
                        help="com.docker.network.driver.mtu=BYTES")  # fmt: skip
    parser.add_argument("name", metavar="NAME", help="what the network is called")


def _named(parser: ArgumentParser) -> None:
    parser.add_argument("network", nargs="+", metavar="NETWORK", help="names or ids, or unique beginnings of ids")


def network(args: Namespace, context: Context) -> int:
    """Do what was asked for with networks."""
    actions: dict[str, Callable[[Namespace, Context], int]] = {
        "create": _create,
        "list": _list,
        "ls": _list,
        "inspect": _inspect,
        "remove": _remove,
        "rm": _remove,
        "prune": _prune,
        "connect": _connect,
        "disconnect": _disconnect,
    }
    return actions[args.action](args, context)


def _create(args: Namespace, context: Context) -> int:
    from mydocker.engine import NetworkRequest

    made = context.engine.networks.create(
        NetworkRequest(
            args.name,
            args.driver,
            tuple(args.subnets),
            tuple(args.gateways),
            tuple(args.ip_ranges),
            args.ipv6,
            args.internal,
            args.mtu or _mtu_option(args.opt),
            tuple(args.labels),
        )
    )
    context.out.line(made.id)
    return 0


def _mtu_option(options: list[str]) -> int:
    found = 0
    for text in options:
        key, _, value = text.partition("=")
        if key != "com.docker.network.driver.mtu" or not (value.isascii() and value.isdecimal()):
            raise UsageError(f"--opt {text}", "unknown", "com.docker.network.driver.mtu=BYTES")
        found = int(value)
    return found


def _list(args: Namespace, context: Context) -> int:
    found = [each for each in context.engine.networks.list() if all(_matches(each, text) for text in args.filter)]
    if args.quiet:
        for network in found:
            context.out.line(network.definition.name)
    elif args.format == "json":
        context.out.json([facts(network) for network in found])
    else:
        context.out.table(_HEADER, [_row(network) for network in found])
    return 0


def _row(network: Network) -> tuple[str, ...]:
    definition = network.definition
    ranges = [f"{each.show(each.gateway)}/{each.subnet.length}" for each in definition.ranges]
    return definition.name, ", ".join(ranges), definition.driver


def _matches(network: Network, text: str) -> bool:
    key, _, value = text.partition("=")
    definition = network.definition
    tests: dict[str, Callable[[], bool]] = {
        "name": lambda: value in definition.name,
        "id": lambda: definition.id.startswith(value),
        "driver": lambda: definition.driver == value,
        "label": lambda: any(value in (name, f"{name}={word}") for name, word in definition.labels),
        "internal": lambda: definition.internal == (value == "true"),
        "dangling": lambda: (not network.leases.endpoints) == (value == "true"),
    }
    if key not in tests:
        raise UsageError(f"--filter {text}", f"unknown key {key}", ", ".join(tests))
    return tests[key]()


def facts(network: Network) -> dict[str, object]:
    """Return everything about a network as JSON values."""
    definition = network.definition
    return {
        **definition.encode(),
        "created": local_time(definition.created),
        "labels": dict(definition.labels),
        "bridge": definition.bridge,
        "containers": [each._asdict() for each in network.leases.endpoints],
    }


def _inspect(args: Namespace, context: Context) -> int:
    context.out.json([facts(context.engine.networks.find(reference)) for reference in args.network])
    return 0


def _remove(args: Namespace, context: Context) -> int:
    status = 0
    networks = context.engine.networks
    for reference in args.network:
        try:
            networks.remove(reference)
            context.out.line(reference)
        except MydockerError as err:
            context.out.error(err)
            status = max(status, err.exit_status)
    return status


def _prune(args: Namespace, context: Context) -> int:
    for name in context.engine.networks.prune():
        context.out.line(name)
    return 0


def _connect(args: Namespace, context: Context) -> int:
    context.engine.networks.connect(
        args.network,
        args.container,
        address=args.ip,
        address6=args.ip6,
        mac=args.mac_address,
        aliases=tuple(args.alias),
    )
    return 0


def _disconnect(args: Namespace, context: Context) -> int:
    context.engine.networks.disconnect(args.network, args.container)
    return 0
