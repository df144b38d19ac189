"""The verbs `completion` and `complete`: scripts for bash, zsh and fish, and the answers that they ask for."""

from __future__ import annotations

import os

from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from mydocker.cli.main import Context

_SCRIPTS = os.path.join(os.path.dirname(__file__), "completions")
_SHELLS = ("bash", "zsh", "fish")
_PATHS = ":paths"


def completion_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `completion`."""
    parser.epilog = (
        "examples:\n"
        '  eval "$(mydocker completion bash)"                     # now; or in ~/.bashrc\n'
        "  mydocker completion zsh > /usr/local/share/zsh/site-functions/_mydocker\n"
        "  mydocker completion fish > ~/.config/fish/completions/mydocker.fish"
    )
    parser.add_argument("shell", choices=_SHELLS, help="the shell that shall complete")


def completion(args: Namespace, context: Context) -> int:
    """Print the script for a shell; it asks `mydocker complete` at each TAB, so it never gets old."""
    with open(os.path.join(_SCRIPTS, f"mydocker.{args.shell}"), encoding="utf-8") as file:
        context.out.raw(file.read())
    return 0


def complete_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `complete`."""
    parser.epilog = "example: mydocker complete -- exec we"
    parser.add_argument(
        "words", nargs="*", metavar="WORD", help="behind --: the words behind 'mydocker', the last to go on"
    )


def complete(args: Namespace, context: Context) -> int:
    """Print the candidates for the last word, one a line, a tab before the purpose; `:paths` where paths fit too."""
    from mydocker.cli.candidates import complete as candidates
    from mydocker.cli.output import visible

    context.hush()
    answer = candidates(args.words or [""], context)
    for each in answer.candidates:
        if each.text.isprintable():  # a name that would break the line of an answer is better typed by hand
            context.out.raw(f"{each.text}\t{visible(each.purpose)}\n")
    if answer.paths:
        context.out.raw(f"{_PATHS}\t\n")
    return 0
