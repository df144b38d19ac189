"""The verb `debug`."""

from __future__ import annotations

from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from mydocker.cli.main import Context


def debug_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `debug`."""
    from mydocker.cli.build_request import secret_argument

    parser.epilog = (
        "What the shell changes is dropped at its end: every visit finds what the failing step left.\n\n"
        "examples:\n  mydocker debug\n  mydocker debug -c 'ls -l /src'"
    )
    parser.add_argument(
        "build", nargs="?", default="", metavar="BUILD", help="the failed build (default: the last one)"
    )
    parser.add_argument("-c", "--command", default="", metavar="COMMAND", help="run this instead of a shell")
    secret_argument(parser)


def debug(args: Namespace, context: Context) -> int:
    """Open a shell where a step of a build failed; the status is the shell's or the command's."""
    from mydocker.cli.build_request import secrets_given

    return context.engine.debug(args.build, args.command, secrets_given(args))
