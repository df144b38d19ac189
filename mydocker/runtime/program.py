"""The program of a container: where it is, what it may still do, what it finds in its environment.

Runs between clone and exec, after the container's root has become this process's: imports os and stat only.
"""

from __future__ import annotations

import errno
import os
import stat

from mydocker.linux import capabilities, libc, process

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class NotRunnable(OSError):
    """There is no such program (ENOENT) or it cannot be executed (EACCES)."""


def find(name: str, environment: list[str]) -> str:
    """Return the path of program `name`, searched for along PATH where it holds no slash, as execvp(3) does."""
    if not name:
        raise NotRunnable(errno.ENOENT, "the command is empty", name)
    if "/" in name:
        return name
    found_unusable = False
    for folder in _value(environment, "PATH", DEFAULT_PATH).split(":"):
        candidate = os.path.join(folder or ".", name)
        try:
            facts = os.stat(candidate)
        except OSError:
            continue
        if not stat.S_ISREG(facts.st_mode):
            continue
        if os.access(candidate, os.X_OK):
            return candidate
        found_unusable = True
    if found_unusable:
        raise NotRunnable(errno.EACCES, "found in PATH, but without permission to execute it", name)
    raise NotRunnable(errno.ENOENT, "not found in the container's PATH", name)


def complete_environment(env: tuple[str, ...], home: str) -> list[str]:
    """Return the environment with HOME, which docker takes from the container's passwd file."""
    if any(entry.startswith("HOME=") for entry in env):
        return list(env)
    return [*env, f"HOME={home or '/'}"]


def _value(environment: list[str], key: str, default: str) -> str:
    for entry in reversed(environment):
        if entry.startswith(key + "="):
            return entry[len(key) + 1 :]
    return default


def enter_directory(path: str) -> None:
    """Make `path` the working directory, and make sure that it lies inside this root (CVE-2024-21626)."""
    os.chdir(path)
    if not os.getcwd().startswith("/"):
        raise OSError(errno.EPERM, "the working directory is outside of the container", path)


def own_streams(uid: int) -> None:
    """Give those standard streams that are pipes or terminals to the user, so that /dev/stdout can be opened."""
    for stream in (0, 1, 2):
        mode = os.fstat(stream).st_mode
        if stat.S_ISFIFO(mode) or (stat.S_ISCHR(mode) and os.isatty(stream)):
            try:
                os.fchown(stream, uid, -1)
            except PermissionError:  # a pipe of another user namespace keeps its owner, as with runc
                continue


def reduce(uid: int, gid: int, groups: tuple[int, ...], sets: dict[str, int]) -> None:
    """Become the user, with exactly the capability `sets` of the document; there is no way back (capabilities(7))."""
    capabilities.drop_bounding(sets["bounding"])
    process.prctl(process.PR_SET_KEEPCAPS, 1)
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    capabilities.set_sets(sets["effective"], sets["permitted"], sets["inheritable"])
    capabilities.set_ambient(sets["ambient"])
    process.prctl(process.PR_SET_KEEPCAPS, 0)


def set_limit(number: int, soft: int, hard: int) -> None:
    """Set one resource limit (prlimit(2)); without CAP_SYS_RESOURCE, as high as the present hard limit allows."""
    import resource

    try:
        resource.setrlimit(number, (soft, hard))
    except (ValueError, PermissionError):
        _, highest = resource.getrlimit(number)
        if highest != resource.RLIM_INFINITY:
            hard = highest if hard == resource.RLIM_INFINITY else min(hard, highest)
            soft = hard if soft == resource.RLIM_INFINITY else min(soft, hard)
        resource.setrlimit(number, (soft, hard))


def execute(descriptor: int, arguments: list[str], environment: list[str]) -> None:
    """Execute the sealed program with `arguments`; where a filter forbids execveat, by its name in /proc."""
    argv = [os.fsencode(argument) for argument in arguments]
    env = [os.fsencode(entry) for entry in environment]
    try:
        process.execute_descriptor(descriptor, argv, env)
    except PermissionError:
        os.set_inheritable(descriptor, True)
        libc.call("execve", b"/proc/self/fd/%d" % descriptor, *process.vectors(argv, env))
