"""From a list of words to an exit status: find the verb, parse, call, and turn errors into text in this one place."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module

from mydocker.cli import VERBS, Verb, find_verb
from mydocker.cli.output import Output
from mydocker.cli.parser import Parser, common_arguments
from mydocker.errors import MydockerError, UsageError
from mydocker.events import silent
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from mydocker.engine import Engine
    from mydocker.events import Event, Reporter

_INTERNAL_ERROR = 125

# What docker calls otherwise, and hands know by heart.
_DOCKERS = {
    "image": "images",
    "container": "ps",
    "system": "df",
    "info": "df",
    "builder": "build",
    "buildx": "build",
    "compose": "shell",
    "search": "pull",
}
GLOBAL_FLAGS = {
    "--root": "the store",
    "--debug": "show tracebacks and details",
    "--help": "list the commands",
    "--version": "print the version",
}


class Context:
    """What a verb gets besides its arguments: the output, and the engine, which is made when first asked for."""

    def __init__(self, root: str | None = None, out: Output | None = None, debug: bool = False) -> None:
        self.root = root
        self.out = out or Output()
        self.debug = debug
        self.starts_a_container = False
        self._engine: Engine | None = None
        self._quiet = False
        self._reporter: Reporter | None = None

    @property
    def store(self) -> str:
        """The directory of the store, whether it exists or not."""
        from mydocker.image.layout import default_root

        return os.path.abspath(self.root or default_root(os.environ, os.geteuid()))

    def hush(self) -> None:
        """Tell nothing of progress; call it before the engine is first used."""
        self._quiet = True

    def report_to(self, reporter: Reporter) -> None:
        """Tell progress to this reporter instead of the one that fits the terminal."""
        self._reporter = reporter

    @property
    def engine(self) -> Engine:
        """The engine on the store that this command line chose."""
        if self._engine is None:
            from mydocker.engine import Engine

            self._engine = Engine(self.root, reporter=silent if self._quiet else self._report)
        return self._engine

    def _report(self, event: Event) -> None:
        """Hear an event; what shows it is loaded when the first one comes, which for most commands is never."""
        if self._reporter is None:
            from mydocker.cli.progress import reporter_for

            self._reporter = reporter_for(self.out.stderr)
        self._reporter(event)


class Terminated(BaseException):
    """A signal asked this process to end; everything acquired is released while this passes through."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def _terminate(number: int, _frame: object) -> None:
    # A second signal must not interrupt the clearing-up that the first one began.
    for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)
    raise Terminated(number)


def catch_signals() -> None:
    """Let SIGTERM, SIGHUP and Ctrl-C unwind the stack, so that `with` blocks release what they hold."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup and shells' background jobs ignore some
            signal.signal(number, _terminate)


def parser_for(verb: Verb, kind: type[ArgumentParser] = Parser) -> ArgumentParser:
    """Return the parser of `verb`, made by the verb's own module."""
    module = import_module(f"mydocker.cli.{verb.module}")
    parser = kind(prog=f"mydocker {verb.name}", description=verb.purpose)
    getattr(module, f"{verb.function.rstrip('_')}_arguments")(parser)
    common_arguments(parser)
    return parser


def dispatch(verb: Verb, args: Namespace, context: Context) -> int:
    """Call the verb's function."""
    module = import_module(f"mydocker.cli.{verb.module}")
    return int(getattr(module, verb.function)(args, context))


def usage() -> str:
    """Return what `mydocker --help` prints."""
    lines = ["usage: mydocker [--root DIR] [--debug] COMMAND [ARGUMENTS]", ""]
    width = max(len(verb.name) for verb in VERBS) + 2
    for group in dict.fromkeys(verb.group for verb in VERBS):
        lines.append(f"{group}:")
        shown = [verb for verb in VERBS if verb.group == group and not verb.hidden]
        lines += [f"  {verb.name.ljust(width)}{verb.purpose}" for verb in shown]
        lines.append("")
    lines.append("'mydocker COMMAND --help' tells the flags of a command, 'mydocker help TOPIC' explains more.")
    return "\n".join(lines) + "\n"


def unknown(name: str) -> UsageError:
    """Return the error for a command that does not exist, with the one that may have been meant."""
    import difflib

    known = [word for verb in VERBS if not verb.hidden for word in (verb.name, *verb.aliases)]
    near = difflib.get_close_matches(name, known, n=1)
    meant = _DOCKERS.get(name) or (near[0] if near else "")
    hint = f"did you mean '{meant}'?" if meant else "'mydocker --help' lists the commands"
    return UsageError(f"there is no command '{name}'", hint=hint)


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    """Split the words into global flags and the rest, which begins with the verb."""
    i = 0
    while i < len(argv) and argv[i].startswith("-"):
        i += 2 if argv[i] in ("--root", "-root") else 1
    return argv[:i], argv[i:]


def _execute(argv: list[str], context: Context) -> int:
    before, rest = _split(argv)
    top = Parser(prog="mydocker", add_help=False)
    common_arguments(top)
    top.add_argument("-h", "--help", action="store_true")
    top.add_argument("--version", action="store_true")
    options = top.parse_args(before)
    context.debug = getattr(options, "debug", False)
    context.root = getattr(options, "root", None)
    if options.version:
        from mydocker import __version__

        context.out.line(f"mydocker {__version__}")
        return 0
    if options.help:
        context.out.raw(usage())
        return 0
    if not rest:
        raise UsageError("which command?", hint="'mydocker --help' lists the commands")
    return run_verb(rest[0], rest[1:], context)


def run_verb(name: str, words: list[str], context: Context) -> int:
    """Find a verb, parse its words and call it; return its exit status."""
    verb = find_verb(name)
    if verb is None:
        raise unknown(name)
    # Below 125 a status of `run` is the container's own, as with docker and podman.
    context.starts_a_container = verb.name in ("run", "create")
    args = parser_for(verb).parse_args(words)
    context.debug = getattr(args, "debug", context.debug)
    context.root = getattr(args, "root", context.root)
    return dispatch(verb, args, context)


def run_command_line(argv: list[str], out: Output | None = None) -> int:
    """Run one command line; return its exit status (see `mydocker.errors` for the meaning of the numbers)."""
    context = Context(out=out)
    context.debug = "--debug" in argv
    catch_signals()
    try:
        return answering(lambda: _execute(argv, context), context)
    except Terminated as ended:
        return 128 + ended.number


def answering(call: Callable[[], int], context: Context) -> int:
    """Return the status of `call`; an error becomes text and a status here, in one place for all doors."""
    try:
        return call()
    except MydockerError as error:
        if context.debug:
            _traceback()
        context.out.error(error)
        return _INTERNAL_ERROR if context.starts_a_container and error.exit_status == 1 else error.exit_status
    except BrokenPipeError:
        # Whoever read our output has gone; keep the interpreter from complaining when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 128 + signal.SIGPIPE
    except SystemExit as ended:  # argparse, after printing a help text
        return ended.code if isinstance(ended.code, int) else 0
    except Exception as error:
        if context.debug:
            _traceback()
        context.out.error(_unexpected(error))
        return _INTERNAL_ERROR


def _unexpected(error: Exception) -> MydockerError:
    """Say an error that no room translated: the kernel's words with the path, or an honest admission."""
    if isinstance(error, OSError):
        path = error.filename if error.filename is not None else ""
        what = f"{path}: {error.strerror}" if path else str(error.strerror or error)
        hints = {28: "free some space, or choose another store with --root", 13: "are you root?", 1: "are you root?"}
        return MydockerError(what, hint=hints.get(error.errno or 0, "--debug shows where"))
    return MydockerError(f"this is a defect of mydocker: {type(error).__name__}: {error}", hint="--debug shows where")


def _traceback() -> None:
    import traceback

    traceback.print_exc(file=sys.stderr)
