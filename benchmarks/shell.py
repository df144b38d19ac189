"""The shell: how soon it is ready, and what a command costs in it beside a process of its own."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from benchmarks._harness import Contender, command, measure, report

_ROUNDS = int(os.environ.get("BENCH_ROUNDS", "10"))
_COMMANDS = 20


def main() -> None:
    """Measure on an empty store."""
    with tempfile.TemporaryDirectory(prefix="bench-shell-") as name:
        env = {"MYDOCKER_ROOT": str(Path(name) / "store")}
        python = [sys.executable, "-c", "pass"]
        mydocker = [sys.executable, "-m", "mydocker"]
        ready = [
            Contender("mydocker shell -c (nothing)", command([*mydocker, "shell", "-c", "# nothing"], env)),
            Contender("python -c pass", command(python)),
            Contender("python -c 'import cmd2'", command([sys.executable, "-c", "import cmd2"])),
        ]
        report("the shell is ready", ready, measure(ready, _ROUNDS))
        lines = [word for _ in range(_COMMANDS) for word in ("-c", "ps")]
        ps = command([*mydocker, "ps"], env)

        def one_by_one() -> None:
            for _ in range(_COMMANDS):
                ps()

        several = [
            Contender("mydocker shell", command([*mydocker, "shell", *lines], env)),
            Contender("mydocker, a process each", one_by_one),
        ]
        report(f"ps, {_COMMANDS} times", several, measure(several, _ROUNDS, warm_up=1))


if __name__ == "__main__":
    main()
