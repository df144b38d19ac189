"""The child's side: carry out a plan, step by step, then become the container's program.

The plan is a tuple of operations, each a tuple of the operation's name and plain values. The parent made it
(`mydocker.runtime.plan`), so nothing is decided here; what cannot be done is reported over the channel with the name of
the operation. The first half runs with the host's file systems in sight, and everything that will be needed is imported
by then: after `pivot` nothing is ever loaded from the container's root (CVE-2019-14271).

Imports os, sys and ctypes only, directly or through the modules of `mydocker.linux`: this code starts every container.
"""

from __future__ import annotations

import _socket
import fcntl
import os
import select

from mydocker.linux import libc, loopback, mounts, namespaces, process, seccomp
from mydocker.runtime import channel, console, hooks, identity, mounting, program, trampoline
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    import signal as _signal
    from typing import Any, NoReturn

    Options = dict[str, int]
    Plan = tuple[tuple[Any, ...], ...]
else:
    import _signal  # the C half of `signal`, whose enumerations take 0.5 ms to ask for all numbers

# Where the descriptors lie when the program is entered: the trampoline knows the first of them.
_CHANNEL, _PROGRAM, _SLAVE = 3, 4, 5
_OUT_OF_THE_WAY = 64
_FAILED, _DEAD = 1, 137


class Setup:
    """What the operations of one container share: the channel, the root, its terminal, who the program will run as."""

    def __init__(self, end: _socket.socket) -> None:
        self.end = end
        self.root = -1
        self.slave = -1
        self.made: dict[str, int] = {}  # copies of mounts made in advance, by target
        self.users = -1
        self.root_ids = (0, 0)
        self.program = trampoline.sealed()
        self.identity: identity.Identity = (0, 0, (), "/")
        self.filter = b""
        self.told = b""
        self.last_hooks: tuple[hooks.Entry, ...] = ()

    # Before the root file system -------------------------------------------------------------------------------------

    def cgroups(self, paths: tuple[str, ...]) -> None:
        """Move this process into cgroups: "0" stands for the writer. See `mydocker.runtime.cgroups` for the files."""
        for path in paths:
            descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(descriptor, b"0")
            finally:
                os.close(descriptor)

    def join(self, path: str, flag: int) -> None:
        """Join a namespace that exists."""
        namespaces.join(path, flag)

    def join_process(self, descriptor: int, flags: int) -> None:
        """Join all namespaces of one process at once: of the very process that the inherited pidfd stands for."""
        namespaces.setns(descriptor, flags)
        os.close(descriptor)

    def unshare(self, flags: int) -> None:
        """Make new namespaces."""
        namespaces.unshare(flags)

    def loopback(self) -> None:
        """Switch on the loopback device of a new network namespace."""
        loopback.switch_on()

    def hostname(self, name: str, domain: str) -> None:
        """Set the names of a new UTS namespace; an empty one is left alone."""
        if name:
            libc.call("sethostname", name.encode(), len(name.encode()), path=name)
        if domain:
            libc.call("setdomainname", domain.encode(), len(domain.encode()), path=domain)

    def oom_score(self, value: int) -> None:
        """Set how eagerly the kernel kills this container when memory runs out (proc(5), oom_score_adj)."""
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write(str(value))

    def rlimits(self, limits: tuple[tuple[int, int, int], ...]) -> None:
        """Set resource limits; what this process may not raise is set as high as it may."""
        for number, soft, hard in limits:
            program.set_limit(number, soft, hard)

    def tie(self, target: str, source: str) -> None:
        """Copy a mount while it is a peer of the host's: what is mounted in it later appears on both sides."""
        self.made[target] = mounting.bind(source, True)

    def mapped(self, name: str, *arguments: Any) -> None:
        """Do what only containers with other ids than the host's need."""
        from mydocker.runtime import mapping

        getattr(mapping, name)(self, *arguments)

    def propagation(self, flags: int) -> None:
        """Cut or loosen the tie between the host's mounts and those made here."""
        mounts.mount(None, "/", None, flags)

    # The root file system --------------------------------------------------------------------------------------------

    def overlay(
        self, lower: tuple[str, ...], upper: str, work: str, init: str, missing: tuple[tuple[str, bool], ...]
    ) -> None:
        """Mount the overlay, on its own init layer: a directory that is always there and that nobody looks into now."""
        self.root = mounting.overlay_root(lower, upper, work, init, missing)
        self._attach_root(init)

    def directory(self, path: str, missing: tuple[tuple[str, bool], ...]) -> None:
        """Use a directory as root."""
        self.root = mounting.directory_root(path, missing)
        self._attach_root(path)

    def _attach_root(self, path: str) -> None:
        place = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        mounts.attach(self.root, place, path)
        os.close(place)

    def enter_root(self) -> None:
        """Take the root directory of the namespaces just joined as the container's."""
        self.root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def mount(self, *request: object) -> None:
        """Mount one thing into the root."""
        mounting.mount(self.root, request, self.made)  # type: ignore[arg-type]

    def device(self, path: str, kind: str, major: int, minor: int, mode: int, uid: int, gid: int) -> None:
        """Make a device node."""
        mounting.device(self.root, path, kind, major, minor, mode, uid, gid)

    def restrict(self, path: str, attributes: int) -> None:
        """Add flags to the mount at `path`, once everything inside is in place."""
        mounting.restrict(self.root, path, attributes)

    def link(self, target: str, path: str) -> None:
        """Make a symbolic link in /dev."""
        mounting.link(self.root, target, path)

    def console(self, rows: int, columns: int, on_device: bool) -> None:
        """Make a terminal and hand its master to the parent."""
        master, self.slave = console.open_pair(self.root, rows, columns)
        if on_device:
            console.put_on_console(self.root, self.slave)
        channel.send(self.end, channel.CONSOLE, master)
        os.close(master)

    def sysctl(self, key: str, value: str) -> None:
        """Set a kernel parameter of the new namespaces."""
        mounting.write_sysctl(self.root, key, value)

    def ready(self) -> None:
        """Let the parent run hooks and set up the network; wait for its word."""
        channel.send(self.end, channel.READY)
        message, _ = channel.receive(self.end)
        if message[:1] != channel.READY:
            os._exit(1)
        self.told = message[1:]

    def run_hooks(self, entries: tuple[hooks.Entry, ...]) -> None:
        """Run hooks in the container's namespaces, with the host's files still in sight."""
        hooks.run(entries, self.told)

    def start_hooks(self, entries: tuple[hooks.Entry, ...]) -> None:
        """Keep the hooks that run last of all, inside."""
        self.last_hooks = entries

    def user(self, text: str, groups: tuple[str, ...]) -> None:
        """Find out who the program runs as, in the container's own files."""
        self.identity = identity.resolve(self.root, text, groups)

    def numeric_user(self, uid: int, gid: int, groups: tuple[int, ...]) -> None:
        """Take who the program runs as from the document."""
        self.identity = (uid, gid, groups, identity.home_of(self.root, uid))

    def workdir(self, path: str) -> None:
        """Make the working directory where it is missing, as docker does."""
        os.close(mounting.open_or_make(self.root, path, True))

    def readonly(self, paths: tuple[str, ...]) -> None:
        """Make paths read-only."""
        mounting.make_readonly(self.root, paths)

    def mask(self, paths: tuple[str, ...]) -> None:
        """Hide paths."""
        mounting.mask(self.root, paths)

    def pivot(self, propagation: int, read_only: bool) -> None:
        """Enter the root for good."""
        mounting.pivot(self.root, propagation, read_only)

    # The process -----------------------------------------------------------------------------------------------------

    def seccomp(self, program: bytes) -> None:
        """Keep the filter for the last moment."""
        self.filter = program

    def execute(
        self, argv: tuple[str, ...], env: tuple[str, ...], cwd: str, sets: dict[str, int], options: Options
    ) -> None:
        """Give up everything that the program shall not have, and become it."""
        self._keep_only_needed()
        program.enter_directory(cwd)
        if self.slave >= 0:
            console.take(_SLAVE)
        uid, gid, groups, home = self.identity
        program.own_streams(uid)
        os.umask(options["umask"])
        # Without no_new_privs only CAP_SYS_ADMIN may load a filter, so it comes before the capabilities go.
        if self.filter and not options["no_new_privileges"]:
            seccomp.install(self.filter)
        program.reduce(uid, gid, groups, sets)
        if options["no_new_privileges"]:
            process.prctl(process.PR_SET_NO_NEW_PRIVS, 1)
        self._run_last_hooks()
        if options["die_with_parent"]:
            self._die_with_parent()
        environment = program.complete_environment(env, home)
        path = program.find(argv[0], environment)
        process.close_on_exec_from(_PROGRAM)
        os.set_inheritable(_CHANNEL, True)
        if self.filter and options["no_new_privileges"]:
            seccomp.install(self.filter)
        program.execute(_PROGRAM, ["init" if options["init"] else "enter", path, *argv], environment)

    def _keep_only_needed(self) -> None:
        """Close all descriptors but streams, channel, program and terminal, before the container's paths are entered.

        The root goes with them: a working directory /proc/self/fd/N must not lead anywhere.
        """
        wanted = [self.end.fileno(), self.program] + ([self.slave] if self.slave >= 0 else [])
        moved = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _OUT_OF_THE_WAY) for descriptor in wanted]
        for number, descriptor in enumerate(moved, _CHANNEL):
            os.dup2(descriptor, number, inheritable=False)
        process.close_from(_CHANNEL + len(moved))
        self.end.detach()
        self.end = _socket.socket(fileno=_CHANNEL)

    def _run_last_hooks(self) -> None:
        try:
            hooks.run(self.last_hooks, self.told)
        except OSError as err:
            raise HookFailed(err.errno, err.strerror, err.filename) from err

    def _die_with_parent(self) -> None:
        """Ask to be killed when the parent ends; it may have done so already, then its end of the channel is closed."""
        process.prctl(process.PR_SET_PDEATHSIG, _signal.SIGKILL)
        poll = select.poll()
        poll.register(_CHANNEL, select.POLLHUP)
        if any(event & select.POLLHUP for _, event in poll.poll(0)):
            os._exit(_DEAD)


def run(plan: Plan, end: _socket.socket, streams: tuple[int, int, int]) -> NoReturn:
    """Carry the plan out in this process, a fresh child with one thread; report what fails over `end`; never return."""
    operation = "start"
    try:
        _prepare(streams)
        setup = Setup(end)
        for operation, *arguments in plan:
            getattr(setup, operation)(*arguments)
    except BaseException as err:
        try:
            channel.send(setup.end if "setup" in locals() else end, channel.encode_failure(_name(operation, err), err))
        finally:
            os._exit(_FAILED)
    os._exit(_FAILED)


class HookFailed(OSError):
    """A hook that runs in the middle of another operation."""


def _name(operation: str, error: BaseException) -> str:
    if isinstance(error, HookFailed):
        return "run_hooks"
    return "exec" if isinstance(error, program.NotRunnable) else operation


def _prepare(streams: tuple[int, int, int]) -> None:
    """Start a session, forget the parent's signal settings, take the streams."""
    os.umask(0)
    os.setsid()
    process.prctl(process.PR_SET_DUMPABLE, 0)
    for number in range(1, _signal.NSIG):
        if _signal.getsignal(number) not in (_signal.SIG_DFL, None):
            _signal.signal(number, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    copies = [fcntl.fcntl(stream, fcntl.F_DUPFD_CLOEXEC, _OUT_OF_THE_WAY) for stream in streams]
    for number, copy in enumerate(copies):
        os.dup2(copy, number)
