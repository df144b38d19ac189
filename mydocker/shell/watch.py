"""Hears of containers that end while the shell waits for a line, from the store's journal of events."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from mydocker.runtime import journal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

STARTS, ENDS = ("start",), ("die", "oom")
_REMEMBERED = 256  # ends that nobody has asked for yet: a command asks as soon as it is done


class Watch:
    """Follows the journal in a thread of its own, and tells of the ends of the containers it was asked about.

    `tell` hears a sentence for each; `changed` is called after every start and end of any container of the store.
    """

    def __init__(self, directory: str, tell: Callable[[str], None], changed: Callable[[], None]) -> None:
        self._directory = directory
        self._tell = tell
        self._changed = changed
        self._lock = threading.Lock()
        self._wanted: set[str] = set()
        self._ended: dict[str, dict[str, Any]] = {}
        self._held: list[dict[str, Any]] | None = None

    def start(self) -> None:
        """Begin to follow; the thread ends with the process."""
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        for event in journal.read(self._directory, since=time.time()):
            if event["action"] in ENDS:
                self._hear(event)
            if event["action"] in (*STARTS, *ENDS):
                self._changed()

    def _hear(self, event: dict[str, Any]) -> None:
        with self._lock:
            wanted = event["id"] in self._wanted
            self._wanted.discard(event["id"])
            if not wanted:
                self._ended[event["id"]] = event
                if len(self._ended) > _REMEMBERED:
                    del self._ended[next(iter(self._ended))]
            elif self._held is not None:
                self._held.append(event)
                return
        if wanted:
            self._say(event)

    def hold(self) -> None:
        """Keep what there is to tell until `release`: a command is running."""
        with self._lock:
            self._held = []

    def release(self, ended_by_the_command: Iterable[str] = ()) -> None:
        """Tell what was kept, but nothing of the containers that the command itself has ended."""
        known = set(ended_by_the_command)
        with self._lock:
            held, self._held = self._held or [], None
            self._wanted -= known
        for event in held:
            if event["id"] not in known:
                self._say(event)

    def want(self, identifier: str) -> None:
        """Tell when this container has ended, also when it has already done so."""
        with self._lock:
            event = self._ended.pop(identifier, None)
            if event is None:
                self._wanted.add(identifier)
        if event is not None:
            self._say(event)

    def _say(self, event: dict[str, Any]) -> None:
        why = ", out of memory" if event["action"] == "oom" else ""
        self._tell(f"container {event['name']} has ended ({event.get('exit_status', 0)}{why})")


def noted_since(directory: str, moment: float, actions: tuple[str, ...]) -> list[str]:
    """Return the ids of the containers of which such actions were noted from `moment` (seconds since 1970) on."""
    events = journal.read(directory, since=moment, follow=False)
    return [event["id"] for event in events if event["action"] in actions]
