"""Chores about the pictures of the documents: drawn by the project's own commands, so they show what it does."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path
from typing import Any

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "pictures"
_COLUMNS, _ROWS = 96, 40

DOCKERFILE = """FROM base AS service
COPY main.sh /src/
RUN mkdir /out && cp /src/main.sh /out/service

FROM base AS pages
COPY pages/ /www/
RUN gzip -k /www/index.html

FROM base
COPY --from=service /out/service /usr/bin/
COPY --from=pages /www/ /www/
CMD ["service"]
"""
_FILES = {
    "Dockerfile": DOCKERFILE,
    "main.sh": "#!/bin/sh\nexec httpd -f -p 8080 -h /www\n",
    "pages/index.html": "hello\n",
}

COMMANDS = (
    "mydocker build -q --explain -t web:2 app",
    "mydocker run -d -name web -m 64m web:2 sleep 100",
    "mydocker ps",
    "mydocker images --tree",
    "mydocker layers web:2",
    "mydocker blame web:2 /www",
)


def task_pictures() -> dict[str, Any]:
    """Draw the pictures of the documents anew, from real commands on a store of their own (as root)."""
    return {"actions": [draw], "uptodate": [False]}


def draw(target: Path = PICTURES) -> None:
    """Write build.svg and terminal.svg: a build of which one file has changed, and a terminal with it."""
    target.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pictures-") as name:
        place = Path(name)
        env = {**os.environ, "MYDOCKER_ROOT": f"{place}/store", "TZ": "UTC", "TERM": "xterm-256color"}
        env["PATH"] = f"{os.path.dirname(sys.executable)}:{env['PATH']}"
        env.pop("NO_COLOR", None)
        _make(place / "app")
        _run("mydocker build -q -t web:1 app", place, env)
        (place / "app/pages/index.html").write_text("hello again\n")
        _run(f"mydocker build -q --dry-run --graph {target}/build.svg app", place, env)
        try:
            _draw_terminal([(each, _run(each, place, env)) for each in COMMANDS], target / "terminal.svg")
        finally:
            _run("mydocker remove -f web", place, env)


def _make(context: Path) -> None:
    for name, text in _FILES.items():
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        (context / name).write_text(text)


def _run(line: str, place: Path, env: dict[str, str]) -> str:
    """Run a line on a terminal and return what it wrote there."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    process = subprocess.Popen(line, shell=True, cwd=place, env=env, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    written = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # EIO: the other side is closed
            break
        if not chunk:
            break
        written += chunk
    os.close(ours)
    if process.wait():
        raise RuntimeError(f"{line} failed: {written.decode(errors='replace')}")
    return written.decode().replace("\r\n", "\n")


def _draw_terminal(lines: list[tuple[str, str]], target: Path) -> None:
    from rich.console import Console
    from rich.text import Text

    with open(os.devnull, "w") as nowhere:
        console = Console(file=nowhere, record=True, width=_COLUMNS, force_terminal=True, color_system="truecolor")
        for line, written in lines:
            console.print(Text.assemble(("# ", "bold green"), (line, "bold")))
            console.print(Text.from_ansi(written.rstrip("\n")))
        console.save_svg(str(target), title="mydocker", unique_id="terminal")
