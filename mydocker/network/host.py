"""The few settings of the host that a network with a way out needs, and what they were before.

Forwarding has to be on for the whole host: answers come in through other links than the bridge. It is switched on only
where it is off, told to the user, written down before, and switched off again with the last network that needed it.
"""

from __future__ import annotations

import os
from contextlib import suppress

from mydocker.network.folder import locked, read_json, write_json

_SYSCTL = "/proc/sys/net"
_FORWARDING = {32: "ipv4/ip_forward", 128: "ipv6/conf/all/forwarding"}


def let_through(top: str, families: tuple[int, ...]) -> tuple[str, ...]:
    """Switch forwarding on for the families (bits of an address); return what was changed, as sysctl(8) names it."""
    if all(_read(f"{_SYSCTL}/{_FORWARDING[bits]}") != "0" for bits in families):
        return ()
    with locked(f"{top}/host.lock"):
        return _let_through(top, families)


def _let_through(top: str, families: tuple[int, ...]) -> tuple[str, ...]:
    wanted: dict[str, str] = {}
    for bits in families:
        path = f"{_SYSCTL}/{_FORWARDING[bits]}"
        if _read(path) == "0":
            if bits == 128:
                wanted |= _keep_listening()
            wanted[path] = "1"
    before = _recorded(top)
    write_json(f"{top}/host.json", {**{path: _read(path) for path in wanted}, **before}, durable=True)
    for path, value in wanted.items():
        _write(path, value)
    return tuple(path.removeprefix("/proc/sys/").replace("/", ".") for path in wanted)


def put_back(top: str) -> None:
    """Give the settings that `let_through` changed their old values."""
    with locked(f"{top}/host.lock"):
        for path, value in reversed(_recorded(top).items()):
            with suppress(FileNotFoundError):  # a link that is gone took its settings along
                _write(path, value)
        with suppress(FileNotFoundError):
            os.unlink(f"{top}/host.json")


def _keep_listening() -> dict[str, str]:
    """Return the settings by which links still take their routes from routers (accept_ra 2), which forwarding ends."""
    base = f"{_SYSCTL}/ipv6/conf"
    return {
        f"{base}/{name}/accept_ra": "2"
        for name in os.listdir(base)
        if name not in ("all", "default", "lo")
        and not name.startswith("mdk-")
        and _read(f"{base}/{name}/accept_ra") == "1"
    }


def _recorded(top: str) -> dict[str, str]:
    try:
        found: dict[str, str] = read_json(f"{top}/host.json")
    except FileNotFoundError:
        return {}
    return found


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read().strip()
    except FileNotFoundError:  # the kernel has no such family
        return ""


def _write(path: str, value: str) -> None:
    with open(path, "w") as file:
        file.write(value)
