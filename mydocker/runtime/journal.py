"""What happened to containers, one JSON line per event, in `containers/events`: for `mydocker events`.

Lines are appended whole, so any number of processes may write; the file is started anew when it has grown too long.
"""

from __future__ import annotations

import json
import os
import time

from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_LONGEST = 4 << 20
_PAUSE = 0.1


def note(directory: str, action: str, identifier: str, name: str, **facts: Any) -> None:
    """Append an event; `directory` is the folder of all containers."""
    line = json.dumps({"time": time.time(), "action": action, "id": identifier, "name": name, **facts})
    path = f"{directory}/events"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, line.encode() + b"\n")
        if os.fstat(descriptor).st_size > _LONGEST:
            os.replace(path, f"{path}.1")
    finally:
        os.close(descriptor)


def read(directory: str, *, since: float = 0.0, until: float = 0.0, follow: bool = True) -> Iterator[dict[str, Any]]:
    """Yield events from the time `since` on (0: from now on), up to `until` (0: for ever, when following)."""
    begin = since or time.time()
    for path in (f"{directory}/events.1", f"{directory}/events") if since else ():
        yield from _wanted(path, 0, begin, until)
    position = _length(f"{directory}/events")
    while follow and not (until and time.time() > until):
        length = _length(f"{directory}/events")
        if length < position:
            position = 0
        if length == position:
            time.sleep(_PAUSE)
            continue
        yield from _wanted(f"{directory}/events", position, begin, until)
        position = length


def _length(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _wanted(path: str, position: int, since: float, until: float) -> Iterator[dict[str, Any]]:
    try:
        with open(path, "rb") as file:
            file.seek(position)
            lines = file.read().splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        event = json.loads(line)
        if event["time"] >= since and not (until and event["time"] > until):
            yield event
