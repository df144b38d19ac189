"""`python -m mydocker` and the `mydocker` command."""

from __future__ import annotations

import gc
import os
import sys

# The collector finds nothing among modules that stay loaded, yet looks through them 30 times, for 2 of 40 ms.
_OBJECTS_BETWEEN_COLLECTIONS = 50_000


def main() -> int:
    """Run the command line that this process was given; return its exit status, or end the process with it."""
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    if None in (sys.stdin, sys.stdout, sys.stderr):
        _open_standard_streams()
    from mydocker.cli.main import run_command_line

    status = run_command_line(sys.argv[1:])
    if not {"atexit", "threading"} & sys.modules.keys():
        _end(status)
    return status


def _open_standard_streams() -> None:
    """Begin again with /dev/null where a standard stream is closed (`mydocker images >&-`).

    Otherwise a file of the store would be given the number 0, 1 or 2, and read or written as if it were the stream.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free number: this one
    os.execv(sys.executable, sys.orig_argv)


def _end(status: int) -> None:
    """End this process at once: taking the interpreter apart frees memory that the kernel frees anyway, for 5 ms.

    Only where nothing can have been registered for the end. When the output cannot be written, the interpreter's own
    end tells so.
    """
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except OSError:
        return
    os._exit(status)


if __name__ == "__main__":
    sys.exit(main())
