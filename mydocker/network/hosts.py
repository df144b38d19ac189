"""The container's own name in its /etc/hosts: the file is mounted, so it is written in place."""

from __future__ import annotations

from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mydocker.network.leases import Endpoint

_LARGEST = 1 << 20  # the container may have written to it
_GATEWAY = "host-gateway\t"
_MARK = "# this container on its networks\n"


def write(bundle: str, endpoints: Iterable[Endpoint], gateway: str) -> None:
    """Write the addresses behind what the file of the container in `bundle` held before its first run.

    A line whose address is the word `host-gateway` (docker's) gets `gateway`, by which the container reaches the host.
    """
    try:
        with open(f"{bundle}/hostname", encoding="utf-8") as file:
            name = file.read().strip()
        with open(f"{bundle}/hosts", encoding="utf-8", errors="surrogateescape") as file:
            kept = file.read(_LARGEST).partition(_MARK)[0]
    except FileNotFoundError:  # something else is mounted there
        return
    if not name:
        return
    lines = [f"{address}\t{name}\n" for each in endpoints for address in (each.address, each.address6) if address]
    with open(f"{bundle}/hosts", "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(kept.replace(_GATEWAY, f"{gateway}\t") + _MARK + "".join(lines))
