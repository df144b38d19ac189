"""Keeping a container: start it, carry its bytes, know how it ended, leave nothing behind.

A keeper is the process that is the container's parent: the command itself for a container in the foreground, a shim for
one in the background. It holds the bundle's `keeper` lock as long as it lives; the container dies with it.
"""

from __future__ import annotations

import importlib
import os
import time
from contextlib import ExitStack

from mydocker.errors import RuntimeFailure
from mydocker.linux.process import start_ticks
from mydocker.runtime import hooks, journal, launch, log, sandbox, sharing, stubs
from mydocker.runtime.carrier import Carrier, make_streams
from mydocker.runtime.cgroups.hierarchy import Cgroup, detect
from mydocker.runtime.record import EXITED, RUNNING, Container
from mydocker.runtime.rootfs import Directory, Overlay, RootFs
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any, Protocol

    from mydocker.errors import MydockerError
    from mydocker.runtime.bundle import Bundle
    from mydocker.runtime.carrier import Front, Timer
    from mydocker.runtime.relay import Relay

    class Service(Timer, Protocol):
        """What a hook wants to do while the program runs: it is called by the loop, and never waits."""

        def serve(self, loop: Relay) -> None:
            """Begin: descriptors may be added to the loop."""

        def close(self) -> None:
            """Release what was acquired: the program has ended."""


class Attachments(NamedTuple):
    """The modules that a container's record names, each with its arguments; see `mydocker.runtime.record.Container`."""

    bundle: str
    calls: tuple[tuple[str, ...], ...]

    def load(self) -> None:
        """Load the modules, which may be done while there is nothing else to do."""
        for module, *_ in self.calls:
            importlib.import_module(module)

    def attach(self, pid: int, services: list[Service]) -> None:
        """Do what has to be done between the making of the namespaces and the start of the program.

        What is to be served in the keeper's loop until the program has ended is added to `services`.
        """
        for module, *arguments in self.calls:
            service = importlib.import_module(module).attach(pid, self.bundle, *arguments)
            if service is not None:
                services.append(service)

    def detach(self) -> None:
        """Undo it, as far as it was done; called also when `attach` failed or never came."""
        with ExitStack() as stack:  # each is called, whatever becomes of the others
            for module, *arguments in self.calls:
                stack.callback(importlib.import_module(module).detach, self.bundle, *arguments)


class Keeper:
    """One run of one container."""

    def __init__(self, bundle: Bundle, container: Container, front: Front) -> None:
        self.bundle = bundle
        self.container = container
        self.carrier: Carrier | None = None
        self._front = front
        self._services: list[Service] = []
        self._attachments = Attachments(bundle.path, container.attachments)
        self._log = log.Writer(bundle.file("log"), container.log_limit.size, container.log_limit.files)
        self._document: dict[str, Any] = bundle.document()
        self._group = Cgroup(detect(), self._document["linux"]["cgroupsPath"].strip("/"))

    def start(self, size: tuple[int, int] = (0, 0)) -> Carrier:
        """Start the container and record that it runs; undo everything and raise when it cannot be."""
        self._document = sharing.refreshed(self._document, self.bundle.top)
        self._group.create(self._document["linux"].get("resources") or {})
        try:
            self.carrier = self._launch(size)
            try:
                self._begin(self.carrier)
            except BaseException:
                self.carrier.abandon()
                raise
        except BaseException:
            self._undo()
            raise
        self._note("start")  # recorded as running from here on: `remains.recover` clears what an interrupt leaves
        self._note_hooks("poststart", "running", self.carrier.pid)
        return self.carrier

    def _launch(self, size: tuple[int, int]) -> Carrier:
        """Start the process; none is left when this raises."""
        streams = make_streams(self.container.tty, self.container.interactive)
        try:
            prepared = sandbox.prepare(
                self._document,
                root_of(self.bundle, self.container),
                self._group,
                wait_for_parent=bool(self._attachments.calls) or hooks.wait_inside(self._document),
                size=size,
            )
            started = launch.start(
                prepared.plan,
                streams.theirs,
                pid_namespace=prepared.pid_namespace,
                on_ready=self._ready,
                meanwhile=self._attachments.load,
            )
            try:
                return Carrier(started, streams, self._front, self._log.write)
            except BaseException:
                launch.abandon(started.pid)
                if started.master >= 0:
                    os.close(started.master)
                raise
        except BaseException:
            streams.close()
            raise

    def _begin(self, carrier: Carrier) -> None:
        """Serve what the container needs, and record that it runs."""
        for service in self._services:
            service.serve(carrier.relay)
            carrier.timers.append(service)
        with self.bundle.changing():
            state = self.bundle.read_state()._replace(
                status=RUNNING, pid=carrier.pid, ticks=start_ticks(carrier.pid), started=time.time(),
                finished=0.0, exit_status=0, error="", oom_killed=False,
            )  # fmt: skip
            self.bundle.write_state(state)

    def _ready(self, pid: int) -> bytes:
        """Do what has to be done when the namespaces are there; return what hooks inside are told."""
        self._attachments.attach(pid, self._services)
        if not self._document.get("hooks"):
            return b""
        told = self._told("creating", pid)
        try:
            hooks.run(hooks.of(self._document, *hooks.BEFORE), told)
        except OSError as err:
            raise RuntimeFailure(f"cannot set up the container: hook {err.filename}", str(err.strerror)) from err
        return told

    def _told(self, status: str, pid: int) -> bytes:
        return hooks.state(self._document, self.bundle.id, status, pid, self.bundle.path)

    def _note_hooks(self, moment: str, status: str, pid: int) -> None:
        note_hooks(self.bundle, self.container, self._document, moment, status, pid)

    def _note(self, action: str, **facts: Any) -> None:
        journal.note(self.bundle.top, action, self.bundle.id, self.container.name, **facts)

    def run(self) -> int:
        """Carry bytes until the container has ended; return its exit status, everything of this run released."""
        assert self.carrier is not None, "started first"
        status = launch.exit_status(self.carrier.run())
        killed = self._group.oom_killed()
        self._undo()
        with self.bundle.changing():
            state = self.bundle.read_state()._replace(
                status=EXITED, pid=0, ticks=0, finished=time.time(), exit_status=status, oom_killed=killed
            )
            self.bundle.write_state(state, durable=not self.container.auto_remove)
        self._note("oom" if killed else "die", exit_status=status)
        self._front.disconnect(status)
        return status

    def fail(self, error: MydockerError) -> None:
        """Record that the container could not be started."""
        with self.bundle.changing():
            state = self.bundle.read_state()._replace(
                status=EXITED, pid=0, ticks=0, finished=time.time(), exit_status=error.exit_status, error=str(error)
            )
            self.bundle.write_state(state)

    def _undo(self) -> None:
        for service in self._services:
            service.close()
        try:
            self._attachments.detach()
        finally:
            self._group.remove()
            stubs.take_back(self.bundle.file("stubs"), self.bundle.file("upper"))
            self._note_hooks("poststop", "stopped", 0)

    def close(self) -> None:
        """Close the log."""
        self._log.close()


def note_hooks(
    bundle: Bundle, container: Container, document: dict[str, Any], moment: str, status: str, pid: int
) -> None:
    """Run the hooks of a moment at which a failure is noted and nothing else (runtime.md, "Lifecycle")."""
    for entry in hooks.of(document, moment):
        try:
            hooks.run((entry,), hooks.state(document, bundle.id, status, pid, bundle.path))
        except OSError as err:
            why = f"{moment} {err.filename}: {err.strerror}"
            journal.note(bundle.top, "hook_failed", bundle.id, container.name, error=why)


def root_of(bundle: Bundle, container: Container) -> RootFs:
    """Return the container's root file system."""
    if container.rootfs:
        return Directory(container.rootfs)
    return Overlay(container.lower, bundle.file("upper"), bundle.file("work"))
