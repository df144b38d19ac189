"""The verbs `help` and `man`: what the parsers know, for people. Topics are the text files in `topics/`."""

from __future__ import annotations

import os

from mydocker.cli import VERBS, find_verb
from mydocker.errors import NotFound
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from mydocker.cli.main import Context

_TOPICS = os.path.join(os.path.dirname(__file__), "topics")


def topic_names() -> list[str]:
    """Return the names of the topics, sorted."""
    return sorted(name.removesuffix(".txt") for name in os.listdir(_TOPICS) if name.endswith(".txt"))


def topics() -> list[tuple[str, str]]:
    """Return each topic's name and purpose."""
    return [(name, topic(name).partition("\n")[0].partition(": ")[2]) for name in topic_names()]


def topic(name: str) -> str:
    """Return a topic's text; its first line is `NAME: purpose`. Raise NotFound, naming what may have been meant."""
    if name not in topic_names():
        import difflib

        known = [*topic_names(), *(verb.name for verb in VERBS if not verb.hidden)]
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"the topics are {', '.join(topic_names())}"
        raise NotFound(f"there is no command and no topic '{name}'", hint=hint)
    with open(os.path.join(_TOPICS, f"{name}.txt"), encoding="utf-8") as file:
        return file.read()


def help_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `help`."""
    parser.epilog = "examples:\n  mydocker help run\n  mydocker help networks"
    parser.add_argument(
        "about", nargs="?", metavar="COMMAND|TOPIC", help="what to explain (default: the list of commands)"
    )


def help(args: Namespace, context: Context) -> int:
    """Print the help of a command, or a topic, or the list of both."""
    from mydocker.cli.main import parser_for, usage

    verb = find_verb(args.about) if args.about else None
    if verb is not None:
        context.out.raw(parser_for(verb).format_help())
        if verb.name in topic_names():
            context.out.raw("\n" + topic(verb.name))
    elif args.about and args.about != "topics":
        context.out.raw(topic(args.about))
    else:
        width = max(map(len, topic_names())) + 2
        lines = [f"  {name.ljust(width)}{purpose}\n" for name, purpose in topics()]
        context.out.raw(("" if args.about else usage() + "\n") + "Topics:\n" + "".join(lines))
    return 0


def man_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `man`."""
    parser.epilog = "example: mydocker man > mydocker.1; man -l mydocker.1"


def man(args: Namespace, context: Context) -> int:
    """Print the manual page in the language of troff."""
    from mydocker.cli.manual import manual

    context.out.raw(manual())
    return 0
