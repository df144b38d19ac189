"""What a container leaves: taken away when it is removed, found and put in order when its keeper was killed."""

from __future__ import annotations

import os
import time

from mydocker.errors import StoreError
from mydocker.linux.files import remove_tree
from mydocker.runtime import journal, naming, stubs
from mydocker.runtime.bundle import GONE, Bundle, group_of
from mydocker.runtime.record import EXITED, Container

_LOST = 137  # what is recorded for a container whose keeper was killed: it was killed with it


def erase(bundle: Bundle, container: Container) -> None:
    """Remove a container's name, its folder, and what goes with it when it removes itself. For the keeper only."""
    naming.give_back(bundle.top, container.name, bundle.id)
    for path in container.disposable if container.auto_remove else ():
        folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            remove_tree(folder, os.path.basename(path).encode())
        finally:
            os.close(folder)
    bundle.remove()  # last: who is killed before leaves the record that names the rest, and `recover` does it again
    journal.note(bundle.top, "destroy", bundle.id, container.name)


def recover(top: str) -> tuple[str, ...]:
    """Put in order what killed keepers left; return the ids. Costs two directory reads when there is nothing."""
    try:
        kept = os.listdir(f"{top}/kept")
        gone = [entry.removeprefix(GONE) for entry in os.listdir(top) if entry.startswith(GONE)]
    except FileNotFoundError:
        return ()
    done: tuple[str, ...] = ()
    for identifier in {*kept, *gone}:
        bundle = Bundle(top, identifier)
        # What is living is asked only: to try its post would keep out a starter for a moment.
        post = None if bundle.is_kept() else bundle.keep() if identifier in gone else _inherit(bundle)
        if post is None:
            continue
        try:
            _put_right(bundle)
            done += (identifier,)
        finally:
            bundle.release(post)
    return done


def _inherit(bundle: Bundle) -> int | None:
    try:
        return bundle.inherit()
    except FileNotFoundError:  # its keeper has just left, everything in order
        return None


def _put_right(bundle: Bundle) -> None:
    """Clear one bundle whose keeper is dead; its container died with it."""
    try:
        container = bundle.read()
        group = group_of(bundle)
    except (FileNotFoundError, StoreError, KeyError):
        # Never finished, so nobody was told about it; or half removed.
        bundle.remove()
        return
    from mydocker.runtime import keeper as keeping  # loads all that starts a container: not for every `ps`

    keeping.Attachments(bundle.path, container.attachments).detach()
    group.remove()
    stubs.take_back(bundle.file("stubs"), bundle.file("upper"))
    if container.is_running:
        keeping.note_hooks(bundle, container, bundle.document(), "poststop", "stopped", 0)
    if container.auto_remove:
        erase(bundle, container)
    elif container.is_running:
        why = "its keeper was killed"
        state = container.state._replace(
            status=EXITED, pid=0, ticks=0, finished=time.time(), exit_status=_LOST, error=why
        )
        bundle.write_state(state)
