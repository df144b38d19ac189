"""Item 43 of the published escapes: what is published on 127.0.0.1, and the host's own loopback (docs/runtime.md)."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.system.ports.conftest import Machine, eventually
from tests.system.ports.test_containers import GREETER, greeting, town
from tests.system.runtime.conftest import PYTHON, python_flags

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["town"]
pytestmark = pytest.mark.root

SERVER = """
import socket
server = socket.create_server(("", 80))
while True:
    client, address = server.accept()
    client.sendall(address[0].encode() + b"\\n")
    client.close()
"""


def gateway(town: Machine) -> str:
    """Make a network and return the host's address on it."""
    town("network", "create", "lan")
    return town(
        "run", "--rm", "-net", "lan", "base", "sh", "-c", "ip route | sed -n 's/default via \\([^ ]*\\).*/\\1/p'"
    ).strip()


def attempt(town: Machine, *flags: str, script: str) -> str:
    """Run a script in a container of the network and return what it could read."""
    return town.run("run", "--rm", "-net", "lan", *flags, "base", "sh", "-c", script).stdout


def test_43_what_is_published_on_127_0_0_1_is_not_there_for_others(town: Machine) -> None:
    """CVE-2020-8558: neighbours on the same link reach neither the port nor, by a route of theirs, 127.0.0.1 itself."""
    host = gateway(town)
    town("run", "-d", "-p", "127.0.0.1:8080:80", "-image", "base", *GREETER)
    assert greeting(town, 8080)
    assert attempt(town, script=f"nc -w 2 {host} 8080") == ""
    steal = f"ip address del 127.0.0.1/8 dev lo; ip route add 127.0.0.1 via {host}; nc -w 2 127.0.0.1 8080"
    assert attempt(town, "--cap-add", "NET_ADMIN", script=steal) == ""
    assert greeting(town, 8080), "the port is there all the same"


def test_43_the_hosts_loopback_is_out_of_reach_of_a_network(town: Machine) -> None:
    host = gateway(town)
    with town.inside():
        server = socket.create_server(("127.0.0.1", 7777))
    with closing(server):
        assert attempt(town, script=f"nc -w 2 {host} 7777 && echo reached") == ""
        steal = (
            f"ip address del 127.0.0.1/8 dev lo; ip route add 127.0.0.1 via {host}; nc -w 2 127.0.0.1 7777 && echo ok"
        )
        assert attempt(town, "--cap-add", "NET_ADMIN", script=steal) == ""


def test_43_a_client_of_a_published_port_is_never_127_0_0_1(town: Machine) -> None:
    """CVE-2021-20199: programs trust 127.0.0.1, so nobody from outside may look like it."""
    gateway(town)
    town(
        "run", "-d", "-net", "lan", "-p", "8080:80", *python_flags(), "-image", "base", PYTHON, "-I", "-S", "-c", SERVER
    )
    seen: list[str] = []
    assert eventually(_heard(town, seen))
    assert seen[0] not in ("127.0.0.1", "::1", "::ffff:127.0.0.1")


def _heard(town: Machine, seen: list[str]) -> Callable[[], bool]:
    def heard() -> bool:
        try:
            seen.append(town.said(8080, "10.99.0.1").strip())
        except (ConnectionResetError, ConnectionRefusedError):
            return False
        return bool(seen[-1])

    return heard
