"""`python -m mydocker` and the `mydocker` command."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line that this process was given; return its exit status."""
    from mydocker.cli.main import run_command_line

    return run_command_line(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
