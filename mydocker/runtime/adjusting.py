"""Changing a container that exists: its limits, at once where it runs, and its restart policy."""

from __future__ import annotations

from mydocker.errors import NotFound
from mydocker.runtime import spec
from mydocker.runtime.bundle import group_of
from mydocker.runtime.record import write_json
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.runtime.bundle import Bundle
    from mydocker.runtime.options import Limits
    from mydocker.runtime.record import Restart


def adjust(bundle: Bundle, limits: Limits, policy: Restart | None) -> None:
    """Change limits (those that are not 0 or empty) and, if one is given, the restart policy. Raise NotFound."""
    with bundle.changing():
        try:
            container = bundle.read()
        except FileNotFoundError:
            raise NotFound(f"no such container: {bundle.id[:12]}", "it has just been removed") from None
        document = bundle.document()
        resources = spec.limits(limits)
        if container.is_running:
            group_of(bundle).update(resources)
        for key, values in resources.items():
            document["linux"]["resources"].setdefault(key, {}).update(values)
        write_json(bundle.file("config.json"), document)
        if policy is not None:
            bundle.write(container._replace(restart=policy))
