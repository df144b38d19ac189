"""Flags and arguments: argparse with the seed's spelling and this project's errors."""

from __future__ import annotations

import argparse
import os
import sys

from mydocker.errors import UsageError
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, NoReturn, TypeVar

    _Action = TypeVar("_Action", bound=argparse.Action)

_USUAL_WIDTH = 80
# Its texts in the user's language, between ours in English, would cost 2 ms: locale is imported, catalogues are read.
argparse._ = str  # type: ignore[attr-defined]


class SingleDash(argparse.ArgumentParser):
    """Accepts each long flag with one dash too: `-name x` is `--name x`, as the seed's commands are printed.

    The second spelling is known to the parser but not shown in the help. It is looked up before bundles of short flags
    are taken apart, so a flag `--ti` would shadow `-t -i`: declare no such flag.
    """

    def _register_single_dash(self, action: argparse.Action) -> None:
        for option in action.option_strings:
            if option.startswith("--") and len(option) > 3:
                self._option_string_actions.setdefault(option[1:], action)

    def _add_action(self, action: _Action) -> _Action:
        added = super()._add_action(action)
        self._register_single_dash(added)
        return added

    def _get_option_tuples(self, option_string: str) -> list[Any]:
        """Leave out abbreviations, which argparse offers for one-dash names whatever `allow_abbrev` says."""
        return [found for found in super()._get_option_tuples(option_string) if found[1] == option_string[:2]]


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Tells the default of every flag that has one and whose text does not; the usage names the arguments alone."""

    def _format_usage(self, usage: str | None, actions: Any, groups: Any, prefix: str | None) -> str:
        if prefix == "":  # argparse asks for the beginning of the names of subcommands
            return super()._format_usage(usage, actions, groups, prefix)
        places = [action for action in actions if not action.option_strings]
        return f"usage: {' '.join((self._prog, '[FLAGS]', *map(self._place, places)))}\n\n"

    def _place(self, action: argparse.Action) -> str:
        if action.nargs == argparse.REMAINDER:
            return str(action.metavar)
        return self._format_args(action, self._get_default_metavar_for_positional(action))

    def _get_help_string(self, action: argparse.Action) -> str | None:
        text = action.help
        if not text or action.default in _NOTHING or "default" in text or f"({action.default})" in text:
            return text
        return f"{text} (default: %(default)s)"


_NOTHING: tuple[object, ...] = (None, "", False, 0, argparse.SUPPRESS, [])


class Parser(SingleDash):
    """The command line's parser: a mistake is raised as `UsageError`, never printed here."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("allow_abbrev", False)
        kwargs.setdefault("formatter_class", _Formatter)
        self._width = _columns() - 2
        super().__init__(*args, **kwargs)

    def _get_formatter(self) -> argparse.HelpFormatter:
        # argparse makes one for each flag that is declared; without a width it imports shutil (2 ms, five libraries).
        return self.formatter_class(prog=self.prog, width=self._width)  # type: ignore[call-arg]

    def error(self, message: str) -> NoReturn:
        """Raise the mistake that argparse found, with the flag that may have been meant."""
        command = self.prog.removeprefix("mydocker").strip()
        raise UsageError(command or message, message if command else "", self._meant(message))

    def _meant(self, message: str) -> str:
        _, found, words = message.partition("arguments are required: ")
        if found:
            missing = words.split(", ")[0]
            for action in self._actions:
                if action.choices is not None and missing in (action.metavar, action.dest):
                    return f"one of {', '.join(map(str, action.choices))}; see '{self.prog} --help'"
        _, found, words = message.partition("unrecognized arguments: ")
        if found and words.startswith("-"):
            import difflib

            flag = words.split()[0].partition("=")[0]
            shown = [option for action in self._actions for option in action.option_strings]
            near = difflib.get_close_matches("--" + flag.lstrip("-"), shown, n=1)
            if near:
                return f"did you mean {near[0]}? See '{self.prog} --help'"
        return f"see '{self.prog} --help'"


def expanded_help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    """Return the text of a flag or an argument as the help shows it, with its default."""
    return parser._get_formatter()._expand_help(action) if action.help else ""


def common_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags that every verb takes, before or after its name."""
    group = parser.add_argument_group("everywhere")
    group.add_argument("--root", default=argparse.SUPPRESS, metavar="DIR", help="the store (default: $MYDOCKER_ROOT, "
                       "else /var/lib/mydocker, else $XDG_DATA_HOME/mydocker)")  # fmt: skip
    group.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show tracebacks and details")


def _columns() -> int:
    """Return the width of the terminal, as `shutil.get_terminal_size` finds it."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        return int(given)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno() if sys.__stdout__ else 1).columns or _USUAL_WIDTH
    except (OSError, ValueError):
        return _USUAL_WIDTH
