"""The shell: every command of the command line at one prompt, in one warm process, by way of cmd2.

It knows how to ask for lines, to complete them, and to tell what happened meanwhile; what a command does is the
business of `mydocker.cli`, whose parsers and functions it calls. cmd2 is loaded here and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def open_shell(
    root: str | None, debug: bool, lines: Sequence[str] | None, *, keep_going: bool = False, startup: bool = True
) -> int:
    """Run `lines` up to the first that fails, or (None) ask for them at the terminal; return the exit status."""
    from mydocker.shell.app import Shell

    shell = Shell(root, debug=debug, interactive=lines is None, startup=startup)
    return shell.work() if lines is None else shell.run_lines(lines, keep_going=keep_going)
