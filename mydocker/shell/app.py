"""The cmd2 application: the command line's verbs as its commands, and what a prompt adds to them.

cmd2 gives line editing, history, aliases, macros, scripts, pipes and redirection. Added here: completion by
`mydocker.cli.candidates`, the number of running containers in the prompt, background jobs, and exit statuses.

A pipe or redirection moves the process's own descriptor 1 while a command runs, not only `sys.stdout`: containers and
`logs` write to the descriptor.
"""

from __future__ import annotations

import contextlib
import lzma
import os
import shlex
import signal
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import cmd2
from cmd2.history import History

from mydocker.cli import VERBS, Verb, find_verb
from mydocker.cli.candidates import complete
from mydocker.cli.main import Context, answering, run_verb, unknown
from mydocker.cli.output import Output, uses_colour
from mydocker.errors import MydockerError, UsageError
from mydocker.image.locks import locked
from mydocker.shell.jobs import Jobs
from mydocker.shell.places import history_file, startup_script
from mydocker.shell.watch import ENDS, STARTS, Watch, noted_since

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_INTERRUPTED = 128 + signal.SIGINT
_OWN_COMMANDS = "In the shell only"
_INTRO = "'help' lists the commands, TAB completes, Ctrl-R searches in earlier lines, Ctrl-D or 'exit' ends the shell."
_NOT_HERE = frozenset({"shell", "complete", "help"})  # `shell` is cmd2's own here: it runs a command of the host
_DETACHING = frozenset({"start", "restart"})
_ENDING = frozenset({"stop", "kill", "remove", "restart", "prune"})


class Shell(cmd2.Cmd):
    """One session. `root` is the store (None: the usual one); `interactive` asks for lines at a terminal."""

    DEFAULT_CATEGORY = _OWN_COMMANDS

    def __init__(
        self, root: str | None = None, *, debug: bool = False, interactive: bool = False, startup: bool = True
    ) -> None:
        self._root = root
        self._traces = debug
        self.last_status = 0
        self._watch: Watch | None = None
        super().__init__(
            allow_cli_args=False,
            allow_clipboard=False,
            complete_in_thread=False,
            intro=_INTRO,
            persistent_history_file=history_file(os.environ) if interactive else "",
            startup_script=startup_script(os.environ) if interactive and startup else "",
            suggest_similar_command=True,
        )
        self.jobs = Jobs(self._tell)
        self.exclude_from_history = ["_eof", "recall"]
        self.hidden_commands += ["run_pyscript", "edit", "shortcuts"]
        self.prompt = self._prompt()
        self.self_in_py = False

    # Lines -----------------------------------------------------------------------------------------------------------

    def work(self) -> int:
        """Ask for lines until the user has had enough; return the status that `exit` was given, else 0."""
        self._watch_store()
        try:
            return self.cmdloop()
        finally:
            for job in self.jobs.close():
                self.perror(f"[{job.number}] was asked to end: {job.line}", style=None)

    def _watch_store(self) -> None:
        """Begin to hear of containers that end, as soon as there is a store."""
        context = self.context()
        if self._watch is None and os.path.isdir(context.store):
            self._watch = Watch(context.engine.layout.containers, self._tell, self._refresh)
            self._watch.start()

    def run_lines(self, lines: Sequence[str], *, keep_going: bool = False) -> int:
        """Run lines up to the first that fails (with `keep_going`: all); return the first status that is not 0."""
        first = 0
        try:
            for line in lines:
                self.last_status = 0
                stop = self.onecmd_plus_hooks(line, add_to_history=False, raise_keyboard_interrupt=True)
                first = first or self.last_status
                if stop or (first and not keep_going):
                    break
            if first and not keep_going:  # the jobs are ended as well
                return first
            of_jobs = self._wait_for_jobs()
            return first or of_jobs
        finally:
            self.jobs.close()

    def _wait_for_jobs(self) -> int:
        """Wait for the lines in the background and print what they wrote; return the first status that is not 0."""
        first = 0
        for job in self.jobs.list():
            job.process.wait()
            self.poutput(job.written(), end="")
            first = first or job.exit_status
        return first

    def runcmds_plus_hooks(self, cmds: Iterable[Any], **how: Any) -> bool:
        """Run the lines of a script: all of them up to Ctrl-C, with the status of the first that failed."""
        first, stop = 0, False
        for line in cmds:
            self.last_status = 0
            stop = super().runcmds_plus_hooks([line], **how)
            first = first or self.last_status
            if stop or self.last_status == _INTERRUPTED:
                break
        self.last_status = first
        return stop

    def context(self) -> Context:
        """Return a context with an engine of its own: what other processes changed meanwhile is seen."""
        return Context(self._root, Output(), self._traces)

    def run_words(self, verb: Verb, statement: cmd2.Statement) -> None:
        """Run a command of the command line with a statement's words; keep its status."""
        words = shlex.split(statement.args)
        if statement.args.endswith("&") and words[-1] == "&":  # not when it stands in quotes
            job = self.jobs.start([verb.name, *words[:-1]], self._root)
            self.pfeedback(f"[{job.number}] {job.process.pid}")
            return
        context = self.context()
        # `history` without an image is what other shells call the lines typed before.
        if verb.name == "history" and not words:
            context.out.error(UsageError("history", "which image?", "'recall' lists the lines that were typed before"))
            self.last_status = UsageError.exit_status
            return
        with self._watched(verb, words, context):
            try:
                with self._redirected():
                    self.last_status = answering(partial(run_verb, verb.name, words, context), context)
            except KeyboardInterrupt:
                self.last_status = _INTERRUPTED
                raise
            finally:
                sys.stdout.flush()

    @contextlib.contextmanager
    def _watched(self, verb: Verb, words: Sequence[str], context: Context) -> Iterator[None]:
        """Hear of the ends of the containers that a command leaves in the background, not of those that it ends."""
        if self._watch is None:
            yield
            return
        began, directory = time.time(), context.engine.layout.containers
        self._watch.hold()
        try:
            yield
        finally:
            self._watch.release(noted_since(directory, began, ENDS) if verb.name in _ENDING else ())
            if verb.name in _DETACHING or {"-d", "--detach", "-detach"} & set(words):
                for identifier in noted_since(directory, began, STARTS):
                    self._watch.want(identifier)

    @contextlib.contextmanager
    def _redirected(self) -> Iterator[None]:
        """Let descriptor 1 be where cmd2's output goes, while the block runs."""
        if not self._redirecting:
            yield
            return
        sys.stdout.flush()
        kept = os.dup(1)
        os.dup2(self.stdout.fileno(), 1)
        try:
            # A stream of its own: what a broken pipe left unwritten must not come out on the terminal afterwards.
            with (
                contextlib.suppress(BrokenPipeError),
                open(1, "w", closefd=False) as stream,
                contextlib.redirect_stdout(stream),
            ):
                yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)

    def _restore_output(self, statement: cmd2.Statement, saved_redir_state: Any) -> None:
        """End a redirection. A pipeline has failed when one of its two sides has.

        A reader that ended before its writer had enough: what the writer says of the broken pipe is no failure.
        """
        reader = self._cur_pipe_proc_reader if saved_redir_state.redirecting else None
        had_enough = reader is not None and reader._proc.poll() is not None
        super()._restore_output(statement, saved_redir_state)
        if reader is not None:
            status = abs(reader._proc.returncode or 0)
            self.last_status = status if had_enough else self.last_status or status

    def perror(self, *objects: Any, **how: Any) -> None:
        """Print a mistake that cmd2 found; the line has failed then. Without a style it is no mistake."""
        if how.get("style", "error") is not None:
            self.last_status = self.last_status or UsageError.exit_status
        super().perror(*objects, **how)

    def default(self, statement: cmd2.Statement) -> bool | None:
        """Answer a command that does not exist; letter case of `buildBase` is forgiven, as on the command line."""
        verb = find_verb(statement.command)
        if verb is not None and verb.name not in _NOT_HERE:
            self.run_words(verb, statement)
            return None
        error = unknown(statement.command)
        self.context().out.error(error)
        self.last_status = error.exit_status
        return None

    def _persist_history(self) -> None:
        """Write the history at the end of the session: what other shells have written meanwhile, then our own lines."""
        path = self.persistent_history_file
        if not path:
            return
        own = self.history[self.history.session_start_index :]
        with locked(path):  # makes the file for its owner alone where `recall --clear` has removed it
            with contextlib.suppress(OSError, ValueError, KeyError, lzma.LZMAError), open(path, "rb") as file:
                self.history = History.from_json(lzma.decompress(file.read()).decode())
                self.history.extend(own)
            super()._persist_history()

    # The prompt ------------------------------------------------------------------------------------------------------

    def pre_prompt(self) -> None:
        """Bring the prompt up to date."""
        self._watch_store()
        self.prompt = self._prompt()

    def _prompt(self) -> str:
        running = self._running()
        text = f"mydocker ({running} running)> " if running else "mydocker> "
        return cmd2.stylize(text, style="bold green" if running else "bold") if uses_colour(sys.stdout) else text

    def _running(self) -> int:
        context = self.context()
        if not os.path.isdir(context.store):
            return 0
        try:
            return sum(each.is_running for each in context.engine.containers.list())
        except (MydockerError, OSError):  # another user's store: its commands will say so, the prompt need not
            return 0

    def _tell(self, text: str) -> None:
        """Show a line above the prompt, at once or when the prompt is next there; from any thread."""
        self.add_alert(msg=text, prompt=self._prompt())

    def _refresh(self) -> None:
        self.add_alert(prompt=self._prompt())

    # Completion ------------------------------------------------------------------------------------------------------

    def complete_words(self, text: str, line: str, begidx: int, endidx: int) -> cmd2.Completions:
        """Complete a word of a command of the command line."""
        tokens, _ = self.tokens_for_completion(line, begidx, endidx)
        context = self.context()
        context.hush()
        answer = complete(tokens, context)
        items = [
            cmd2.CompletionItem(each.text, display=_last_part(each.text), display_meta=each.purpose)
            for each in answer.candidates
        ]
        paths = self.path_complete(text, line, begidx, endidx) if answer.paths else cmd2.Completions()
        unfinished = len(items) == 1 and items[0].text.endswith(("/", ":", "="))
        return cmd2.Completions(
            [*items, *paths], allow_finalization=not unfinished and (bool(items) or paths.allow_finalization)
        )

    # The shell's own commands ----------------------------------------------------------------------------------------

    do_recall = cmd2.Cmd.do_history  # the verb `history` is about images

    def do_help(self, statement: cmd2.Statement | str) -> None:
        """Explain a command or a topic."""
        words = shlex.split(statement.args if isinstance(statement, cmd2.Statement) else statement)
        own = words[0] if words and find_verb(words[0]) is None else ""
        if own in self.get_visible_commands() and own not in ("help",):
            super().do_help(own)
            return
        with self._redirected():
            context = self.context()
            self.last_status = answering(partial(run_verb, "help", list(words), context), context)
            if not words:
                context.out.raw(_own_commands(self))

    complete_help = complete_words

    def do_jobs(self, statement: cmd2.Statement) -> None:
        """List the lines that run in the background (`build -t app . &`); jobs N prints what job N wrote."""
        context = self.context()
        if statement.args:
            self.last_status = answering(lambda: self._print_job(statement.args, context), context)
            return
        with self._redirected():
            rows = [(str(job.number), job.status, job.line) for job in self.jobs.list()]
            context.out.table(("JOB", "STATUS", "COMMAND"), rows)

    def _print_job(self, number: str, context: Context) -> int:
        with self._redirected():
            context.out.raw(self.jobs.find(number).written())
        return 0

    def do_exit(self, statement: cmd2.Statement) -> bool:
        """End the shell, with an exit status if one is given: exit 3."""
        word = statement.args or "0"
        if not word.isdecimal() or int(word) > 255:
            self.context().out.error(UsageError(f"exit {word}", "not an exit status"))
            self.last_status = UsageError.exit_status
            return False
        self.exit_code = self.last_status = int(word)
        return True


def _last_part(text: str) -> str:
    """Return what a list of candidates shows of a path: its last name, as file managers do."""
    head, slash, tail = text.rstrip("/").rpartition("/")
    return tail + "/" * text.endswith("/") if slash and head is not None and "=" not in text else text


def _own_commands(shell: Shell) -> str:
    names = [name for name in shell.get_visible_commands() if find_verb(name) is None]
    width = max(map(len, names)) + 2
    lines = ["", f"{_OWN_COMMANDS}:"]
    for name in names:
        text = (getattr(shell, f"do_{name}").__doc__ or "").partition("\n")[0].rstrip(".")
        lines.append(f"  {name.ljust(width)}{text[:1].lower()}{text[1:]}")
    return "\n".join(lines) + "\n"


def _command(verb: Verb) -> Any:
    """Return the method that runs a verb."""

    def run(self: Shell, statement: cmd2.Statement) -> None:
        self.run_words(verb, statement)

    run.__doc__ = verb.purpose
    return run


for _verb in VERBS:
    if _verb.name not in _NOT_HERE:
        for _name in (_verb.name, *_verb.aliases):
            setattr(Shell, f"do_{_name}", _command(_verb))
            setattr(Shell, f"complete_{_name}", Shell.complete_words)
