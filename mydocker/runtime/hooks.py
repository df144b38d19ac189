"""Hooks of a document: programs of the host's administrator, run at fixed moments of a container's life.

The runtime-spec names six moments (config.md, "POSIX-platform Hooks"): prestart and createRuntime in the runtime's
namespaces, once the container's are there; createContainer in the container's, its root not yet entered;
startContainer inside, as the program's user and with its rights; poststart and poststop again outside. The first four
stop the start when they fail, the others are only noted. Each finds the container's state on its standard input.

Runs between clone and exec as well: imports os and C modules only.
"""

from __future__ import annotations

import errno
import os
import select

from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    import signal as _signal
    from typing import Any
else:
    import _signal  # the C half of `signal`, whose enumerations take 0.5 ms

Entry = tuple[str, tuple[str, ...], tuple[str, ...], int]  # path, args, env, timeout in seconds (0: none)

BEFORE = ("prestart", "createRuntime")
_LONGEST_OUTPUT = 2000
_UMASK = 0o022


def of(document: dict[str, Any], *moments: str) -> tuple[Entry, ...]:
    """Return a document's hooks of some moments, in order."""
    found = document.get("hooks") or {}
    return tuple(
        (
            entry["path"],
            tuple(entry.get("args") or (entry["path"],)),
            tuple(entry.get("env") or ()),
            int(entry.get("timeout") or 0),
        )
        for moment in moments
        for entry in found.get(moment) or ()
    )


def wait_inside(document: dict[str, Any]) -> bool:
    """Tell whether a container has to wait for its parent once: for hooks, or because they need to know its number."""
    return bool(of(document, *BEFORE, "createContainer", "startContainer"))


def state(document: dict[str, Any], identifier: str, status: str, pid: int, bundle: str) -> bytes:
    """Return the state that hooks are told (runtime.md, "State")."""
    import json

    annotations = document.get("annotations") or {}
    facts = {"ociVersion": document["ociVersion"], "id": identifier, "status": status, "bundle": bundle}
    return json.dumps({**facts, **({"pid": pid} if pid else {}), "annotations": annotations}).encode()


def run(entries: tuple[Entry, ...], told: bytes) -> None:
    """Run hooks one after the other; raise OSError at the first that cannot be run, fails or takes too long."""
    for entry in entries:
        _run(entry, told)


def _run(entry: Entry, told: bytes) -> None:
    path, args, env, timeout = entry
    given, output = os.memfd_create("state", os.MFD_CLOEXEC), os.memfd_create("output", os.MFD_CLOEXEC)
    before = os.umask(_UMASK)
    try:
        os.write(given, told)
        os.lseek(given, 0, os.SEEK_SET)
        streams = [(os.POSIX_SPAWN_DUP2, given, 0), (os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, output, 2)]
        environment = dict(word.partition("=")[::2] for word in env)
        pid = os.posix_spawn(path, args, environment, file_actions=streams, setsigdef=[_signal.SIGPIPE])
        code = os.waitstatus_to_exitcode(_wait(pid, timeout, path))
        if code:
            said = os.pread(output, _LONGEST_OUTPUT, 0).decode("utf-8", "replace").strip()
            ended = f"ended with {code}" if code > 0 else f"was killed by signal {-code}"
            raise OSError(errno.ECANCELED, f"the hook {ended}{': ' if said else ''}{said}", path)
    finally:
        os.umask(before)
        os.close(given)
        os.close(output)


def _wait(pid: int, timeout: int, path: str) -> int:
    """Return the wait status; kill a hook that takes more than `timeout` seconds and raise OSError."""
    descriptor = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        ended = poll.poll(timeout * 1000 if timeout else None)
        if not ended:
            os.kill(pid, _signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        if not ended:
            raise OSError(errno.ETIMEDOUT, f"the hook took more than {timeout} s", path)
        return status
    finally:
        os.close(descriptor)
