"""The verb `shell`: the door to `mydocker.shell`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from mydocker.errors import NotFound, UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from mydocker.cli.main import Context


def shell_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `shell`."""
    parser.epilog = (
        "examples:\n  mydocker shell\n  mydocker shell -c 'build -t app:1 .' -c 'run --rm app:1 --self-test'\n"
        "  mydocker shell release.mydocker\n\n"
        "Lines of -c, of SCRIPT and of a pipe run one after the other up to the first that fails, whose exit status\n"
        "is the shell's own. At a terminal the shell asks for lines; 'help' there tells what it can do."
    )
    parser.add_argument(
        "-c", "--command", action="append", default=[], metavar="LINE", help="run this line and end; may be repeated"
    )
    parser.add_argument("-k", "--keep-going", action="store_true", help="go on after a line that failed")
    parser.add_argument("--no-startup", action="store_true", help="do not read the startup script (help shell)")
    parser.add_argument("script", nargs="?", metavar="SCRIPT", help="run the lines of this file and end; - is stdin")


def shell(args: Namespace, context: Context) -> int:
    """Work in the shell, or run lines in it; return the status of the first line that failed."""
    if args.command and args.script:
        raise UsageError("shell", "either -c LINE or SCRIPT")
    lines = _lines(args)
    from mydocker.shell import open_shell

    return open_shell(context.root, context.debug, lines, keep_going=args.keep_going, startup=not args.no_startup)


def _lines(args: Namespace) -> list[str] | None:
    """Return the lines to run, None for those that a person will type."""
    if args.command:
        return [line for text in args.command for line in text.splitlines()]
    if args.script in (None, "-"):
        if args.script is None and sys.stdin.isatty():
            return None
        return sys.stdin.read().splitlines()
    try:
        with open(args.script) as file:
            return file.read().splitlines()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise NotFound(f"cannot read {args.script}", str(error.strerror).lower()) from None
