"""All containers of a store: make them, find them, start and end them, clear what killed processes left.

Callable from any process at any time; see `mydocker.runtime.bundle` for what guards what.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress

from mydocker.errors import Busy, MydockerError, NotFound
from mydocker.runtime import ending, journal, naming, remains
from mydocker.runtime.bundle import Bundle, bundles, group_of
from mydocker.runtime.record import CREATED, Container, State, write_json
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from mydocker.runtime import log
    from mydocker.runtime.carrier import Front
    from mydocker.runtime.joining import ExecOptions
    from mydocker.runtime.options import ContainerOptions, Limits
    from mydocker.runtime.record import Restart
    from mydocker.runtime.usage import Process, Usage


class Containers(NamedTuple):
    """The containers below `directory` (ROOT/containers)."""

    directory: str

    # Making and finding ----------------------------------------------------------------------------------------------

    def create(
        self,
        facts: Container,
        options: ContainerOptions | Callable[[Bundle], ContainerOptions],
    ) -> Container:
        """Record a new container and return it with its id, name and time.

        `facts` are what `Container` holds; its `id` and `created` are filled in, an empty `name` gets the short id.
        `options` may be a function of the bundle, for files that lie in it. Raise NameTaken, UsageError.
        """
        from mydocker.runtime import spec

        identifier = os.urandom(32).hex()
        name = facts.name or identifier[:12]
        naming.check(name)
        bundle = Bundle(self.directory, identifier)
        bundle.make_top()
        post = self.take_post(bundle)
        try:
            bundle.make()
            container = facts._replace(id=identifier, name=name, created=time.time(), state=State())
            asked = options(bundle) if callable(options) else options
            asked = asked if asked.hostname or asked.uts != "private" else asked._replace(hostname=identifier[:12])
            write_json(bundle.file("config.json"), spec.document(asked, identifier, root=container.rootfs or "merged"))
            bundle.write(container, durable=not container.auto_remove)
            naming.take(self.directory, name, identifier)
        except BaseException:
            bundle.remove()
            raise
        finally:
            bundle.release(post)
        journal.note(self.directory, "create", identifier, name, image=container.image)
        return container

    def bundle(self, reference: str) -> Bundle:
        """Return the bundle of the container that `reference` names: a name, an id, or the unique beginning of one.

        Raise NotFound for none, UsageError for several.
        """
        return naming.find(self.directory, reference)

    def find(self, reference: str) -> Container:
        """Return the container that `reference` names, as it is now; see `bundle`."""
        bundle = self.bundle(reference)
        return self._read(bundle)

    def _read(self, bundle: Bundle) -> Container:
        try:
            return bundle.read()
        except FileNotFoundError:
            raise NotFound(f"no such container: {bundle.id[:12]}", "it has just been removed") from None

    def list(self) -> list[Container]:
        """Return all containers, newest first; those in the making or being removed are left out."""
        found = []
        for bundle in bundles(self.directory):
            try:
                found.append(bundle.read())
            except FileNotFoundError:
                continue
        return sorted(found, key=lambda container: (container.created, container.id), reverse=True)

    def rename(self, reference: str, name: str) -> None:
        """Give a container another name. Raise NameTaken."""
        naming.check(name)
        bundle = self.bundle(reference)
        with bundle.changing():
            container = self._read(bundle)
            if container.name == name:
                return
            naming.take(self.directory, name, bundle.id)
            bundle.write(container._replace(name=name))
            naming.give_back(self.directory, container.name, bundle.id)

    def remove(self, reference: str, *, force: bool = False) -> Container:
        """Remove a container and everything in it; a running one only with `force`, which kills it. Raise Busy."""
        bundle = self.bundle(reference)
        container = self._read(bundle)
        if container.is_running or bundle.is_kept():
            if not force:
                hint = f"`mydocker stop {container.name}` stops it, `remove -f` kills it"
                raise Busy(f"cannot remove {container.name}", "it is running", hint)
            with suppress(FileNotFoundError):  # its keeper removes it, when it was made to be removed at its end
                ending.kill_and_wait(bundle)
            ending.await_keeper(bundle)
        post = self.take_post(bundle)
        try:
            if os.path.exists(bundle.path):
                remains.erase(bundle, container)
        finally:
            bundle.release(post)
        return container

    def discard_unstarted(self, identifier: str) -> None:
        """Remove a container that was made to be removed at its end and never began; any other is left alone."""
        bundle = Bundle(self.directory, identifier)
        try:
            container = bundle.read()
        except FileNotFoundError:
            return
        if container.auto_remove and container.state.status == CREATED and not bundle.is_kept():
            self.remove(identifier)

    # Running ---------------------------------------------------------------------------------------------------------

    def run_attached(
        self,
        reference: str,
        *,
        stdin: int | None = None,
        stdout: int = 1,
        stderr: int = 2,
        pass_signals: bool = True,
    ) -> int:
        """Start a container without a terminal and carry its streams until it ends; return its exit status.

        The container dies with the caller. It is removed when it was made so.
        """
        from mydocker.runtime import sandbox

        if not sandbox.alone():
            from mydocker.runtime import errand

            streams = (stdin, stdout, stderr)
            return errand.run(self, "run_attached", (reference,), streams, pass_signals=pass_signals)
        from mydocker.runtime.foreground import Foreground
        from mydocker.runtime.keeper import Keeper

        bundle = self.bundle(reference)
        with self.at_post(bundle):
            container = self._read(bundle)
            kept = Keeper(bundle, container, Foreground(stdin, stdout, stderr, pass_signals))
            try:
                try:
                    kept.start()
                except MydockerError as err:
                    kept.fail(err)
                    raise
                return kept.run()
            finally:
                kept.close()

    @contextmanager
    def at_post(self, bundle: Bundle) -> Iterator[None]:
        """Be the keeper of a container that is not running, while the block runs. Raise Busy.

        A block that is interrupted was killed, as far as the container goes: what it began is put in order at once.
        """
        post = self.take_post(bundle)
        try:
            yield
        except MydockerError:
            self.leave_post(bundle, post)
            raise
        except BaseException:
            os.close(post)
            self.recover()
            raise
        self.leave_post(bundle, post)

    def take_post(self, bundle: Bundle) -> int:
        """Become the keeper of a container that is not running. Raise Busy."""
        post = bundle.keep()
        if post is None:
            raise Busy(f"container {bundle.id[:12]} is running already", hint="`mydocker exec` runs more in it")
        return post

    def leave_post(self, bundle: Bundle, post: int) -> None:
        """Stop being the keeper; a container made to be removed at its end is removed."""
        try:
            container = bundle.read()
            if container.auto_remove:
                remains.erase(bundle, container)
        except FileNotFoundError:
            pass
        bundle.release(post)

    def start(self, reference: str) -> Container:
        """Start a container in the background and return when its program runs. Raise Busy, or as `launch.start`."""
        from mydocker.runtime import shim

        bundle = self.bundle(reference)
        shim.start(self, bundle)
        return self._read_or(bundle)

    def _read_or(self, bundle: Bundle) -> Container:
        """Return the container; one that ended and removed itself meanwhile, as far as is known."""
        try:
            return bundle.read()
        except FileNotFoundError:
            return Container(bundle.id, "", "", "", (), 0.0)

    def run_interactive(
        self, reference: str, *, stdin: int | None = 0, stdout: int = 1, stderr: int = 2, detach_keys: str = ""
    ) -> int | None:
        """Start a container and stay attached to it; return its exit status, or None when the user detached.

        The container does not outlive this process, unless the user detached. For a process with one thread.
        """
        from mydocker.runtime import attaching, shim, terminal

        bundle = self.bundle(reference)
        container = self._read(bundle)
        ours, theirs = attaching.owner_pair()
        try:
            client = attaching.Client(ours, stdin, stdout, stderr, container.tty, detach_keys or terminal.DETACH_KEYS)
            shim.start(self, bundle, owner=theirs, size=terminal.size(0 if stdin is None else stdin))
        finally:
            theirs.close()
        status = client.run()
        if status is not None:
            ending.await_keeper(bundle)
        return status

    def attach(
        self,
        reference: str,
        *,
        stdin: int | None = 0,
        stdout: int = 1,
        stderr: int = 2,
        detach_keys: str = "",
        pass_signals: bool = True,
    ) -> int | None:
        """Connect to a container that runs in the background; return its exit status, or None when detached."""
        from mydocker.runtime import attaching, terminal

        bundle = self.bundle(reference)
        container = self._read(bundle)
        keys = detach_keys or terminal.DETACH_KEYS
        connection = attaching.dial(bundle)
        return attaching.Client(connection, stdin, stdout, stderr, container.tty, keys, pass_signals).run()

    def exec(
        self,
        reference: str,
        options: ExecOptions,
        *,
        stdin: int | None = None,
        stdout: int = 1,
        stderr: int = 2,
    ) -> int:
        """Run a further process in a running container; return its exit status. Raise Busy, or as `launch.start`.

        `stdin` None gives it none.
        """
        from mydocker.runtime import sandbox

        if not sandbox.alone():
            from mydocker.runtime import errand

            return errand.run(self, "exec", (reference, tuple(options)), (stdin, stdout, stderr))
        from mydocker.runtime import foreground, joining, terminal
        from mydocker.runtime.carrier import Carrier, make_streams

        bundle = self.bundle(reference)
        streams = make_streams(options.tty, stdin is not None)
        try:
            size = terminal.size(stdin) if options.tty and stdin is not None else (0, 0)
            started = joining.start(bundle, options, streams.theirs, size=size)
        except BaseException:
            streams.close()
            raise
        front: Front = (
            foreground.OwnTerminal(stdin, stdout) if options.tty else foreground.Foreground(stdin, stdout, stderr)
        )
        return Carrier(started, streams, front).finish()

    def exec_detached(self, reference: str, options: ExecOptions) -> None:
        """Run a further process in a running container and leave it alone."""
        from mydocker.runtime import sandbox

        if not sandbox.alone():
            from mydocker.runtime import errand

            errand.run(self, "exec_detached", (reference, tuple(options)))
            return
        from mydocker.runtime import joining

        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        try:
            joining.start(self.bundle(reference), options, (null, null, null), die_with_parent=False)
        finally:
            os.close(null)

    # Ending ----------------------------------------------------------------------------------------------------------

    def stop(self, reference: str, *, timeout: float | None = None) -> None:
        """Send the container's stop signal, wait, kill after `timeout` seconds (default: the container's own)."""
        bundle = self.bundle(reference)
        container = self._read(bundle)
        ending.stop(bundle, container.stop_signal, container.stop_timeout if timeout is None else timeout)

    def kill(self, reference: str, number: int = 9) -> None:
        """Send a signal to the container's first process. Raise Busy when it is not running."""
        ending.send(self.bundle(reference), number)

    def wait(self, reference: str) -> int:
        """Wait until a container has ended; return its exit status."""
        return ending.wait(self.bundle(reference))

    def pause(self, reference: str) -> None:
        """Freeze all processes of a container. Raise Busy."""
        from mydocker.runtime import pausing

        pausing.pause(self.bundle(reference))

    def unpause(self, reference: str) -> None:
        """Let a paused container go on. Raise Busy."""
        from mydocker.runtime import pausing

        pausing.resume(self.bundle(reference))

    def update(self, reference: str, limits: Limits, policy: Restart | None = None) -> None:
        """Change limits (those that are not 0 or empty) and restart policy, of a running container at once."""
        from mydocker.runtime import adjusting

        adjusting.adjust(self.bundle(reference), limits, policy)

    # Looking inside --------------------------------------------------------------------------------------------------

    def logs(
        self, reference: str, *, follow: bool = False, tail: int = -1, since: bytes = b"", until: bytes = b""
    ) -> Iterator[log.Entry]:
        """Yield what a container wrote; with `follow`, until it ends. Times are texts of `mydocker.runtime.log`."""
        from mydocker.runtime import log

        bundle = self.bundle(reference)
        return log.read(
            bundle.file("log"), tail=tail, since=since, until=until, follow=bundle.is_kept if follow else None
        )

    def usage(self, reference: str) -> Usage:
        """Return what a running container uses now."""
        from mydocker.runtime import usage

        return usage.measure(group_of(self.bundle(reference)))

    def processes(self, reference: str) -> tuple[Process, ...]:
        """Return the processes of a container, oldest first. Raise Busy when it does not run."""
        from mydocker.runtime import usage

        bundle = self.bundle(reference)
        if not self._read(bundle).is_running:
            raise Busy(f"container {reference} is not running")
        return tuple(usage.processes(group_of(bundle)))

    def rootfs_fd(self, reference: str, *, volumes: bool = False, writing: bool = False) -> AbstractContextManager[int]:
        """Give the container's root directory as a descriptor: its live one when it runs, else its layers merged.

        `volumes` asks for what is mounted into it as well; a running one shows that in any case. One that runs with a
        user namespace can be read only: raise Busy for `writing`.
        """
        from mydocker.runtime import interior

        bundle = self.bundle(reference)
        return interior.opened(bundle, self._read(bundle), volumes=volumes, writing=writing)

    # After a kill -9 -------------------------------------------------------------------------------------------------

    def recover(self) -> tuple[str, ...]:
        """Put in order what killed keepers left; return the ids. Costs two directory reads when there is nothing."""
        return remains.recover(self.directory)
