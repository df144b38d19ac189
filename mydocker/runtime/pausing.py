"""Stopping the clock of a container: all of its processes frozen, and thawed again."""

from __future__ import annotations

from mydocker.errors import Busy
from mydocker.runtime.bundle import group_of
from mydocker.runtime.record import PAUSED, RUNNING
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.runtime.bundle import Bundle


def pause(bundle: Bundle) -> None:
    """Freeze a running container. Raise Busy when it is not running."""
    _change(bundle, RUNNING, PAUSED, True)


def resume(bundle: Bundle) -> None:
    """Thaw a paused container. Raise Busy when it is not paused."""
    _change(bundle, PAUSED, RUNNING, False)


def _change(bundle: Bundle, before: str, after: str, frozen: bool) -> None:
    with bundle.changing():
        state = bundle.read_state()
        if state.status != before:
            raise Busy(f"container {bundle.id[:12]} is not {before}", f"it is {state.status}")
        group_of(bundle).freeze(frozen)
        bundle.write_state(state._replace(status=after))
