"""Where the shell keeps what it remembers: the history of lines and the startup script, as XDG has it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def history_file(environ: Mapping[str, str]) -> str:
    """Return the file of the history, made for its owner alone: lines can hold secrets. "" where there is no place."""
    state = environ.get("XDG_STATE_HOME") or _below_home(environ, ".local/state")
    if not state:
        return ""
    path = f"{state}/mydocker/shell-history"
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError:  # a read-only or full home directory: the shell works, and forgets
        return ""
    return path


def startup_script(environ: Mapping[str, str]) -> str:
    """Return the script that every interactive shell runs first, whether it exists or not."""
    config = environ.get("XDG_CONFIG_HOME") or _below_home(environ, ".config")
    return f"{config}/mydocker/shellrc" if config else ""


def _below_home(environ: Mapping[str, str], path: str) -> str:
    return f"{environ['HOME']}/{path}" if environ.get("HOME") else ""
