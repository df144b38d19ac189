"""kill -9 at any moment, and many at once: nothing is given twice, nothing is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.system.network.conftest import Host

pytestmark = pytest.mark.root

MANY = 50
# Moments of a command's life, in seconds: the interesting ones are towards its end.
MOMENTS = [0.05, 0.08, 0.10, 0.12, 0.15, 0.19]


def killed_at(host: Host, seconds: float, *words: str) -> None:
    with host.start(*words) as process:
        time.sleep(seconds)
        # `nsenter` has become the command itself: there is one process.
        process.kill()


def leases(host: Host, network: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(host("network", "inspect", network))[0]["containers"]
    return found


def test_fifty_at_once_have_fifty_addresses_and_leave_none(host: Host) -> None:
    host("network", "create", "--ipv6", "one")
    starting = [host.start("run", "-d", "-net", "one", "base", "sleep", "100") for _ in range(MANY)]
    identifiers = []
    for process in starting:
        output, errors = process.communicate(timeout=200)
        assert process.returncode == 0, errors
        identifiers.append(output.strip())
    held = leases(host, "one")
    assert {each["container"] for each in held} == set(identifiers)
    for key in ("address", "address6", "mac", "device"):
        assert len({each[key] for each in held}) == MANY
    assert len(host.links()) == MANY + 1
    halves = [host.start("remove", "-f", *identifiers[begin::5]) for begin in range(5)]
    for process in halves:
        _, errors = process.communicate(timeout=200)
        assert process.returncode == 0, errors
    assert leases(host, "one") == []
    assert len(host.links()) == 1


def test_a_killed_keeper_leaves_nothing_to_the_next_command(host: Host) -> None:
    host("network", "create", "--internal", "one")
    host("run", "-d", "--name", "a", "-net", "one", "base", "sleep", "100")
    pid = json.loads(host("inspect", "a"))[0]["state"]["pid"]
    with open(f"/proc/{pid}/status") as file:
        keeper = next(int(line.split()[1]) for line in file if line.startswith("PPid"))
    os.kill(keeper, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while len(host.links()) > 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(host.links()) == 1
    host("ps")
    assert leases(host, "one") == []
    assert (
        "m" + json.loads(host("network", "inspect", "one"))[0]["id"][:6]
        not in host.filters().replace('"m', "", 0).split("elements")[-1].split("chain")[0]
        or "elements" not in host.filters()
    )
    host("start", "a")
    assert len(leases(host, "one")) == 1


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_create_and_a_killed_remove_are_mended(host: Host, moment: float) -> None:
    killed_at(host, moment, "network", "create", "one")
    names = host("network", "ls", "-q").split()
    if not names:
        host("network", "create", "one")
    assert "inet 10.72.0.2/24" in host("run", "--rm", "-net", "one", "base", "ip", "-o", "addr")
    killed_at(host, moment, "network", "rm", "one")
    if host("network", "ls", "-q").split():
        assert "cif-" in host("run", "--rm", "-net", "one", "base", "ip", "-o", "addr")
        host("network", "rm", "one")
    assert host.links() == []


@pytest.mark.parametrize("moment", MOMENTS[2:])
def test_a_killed_connect_and_a_killed_disconnect_are_mended(host: Host, moment: float) -> None:
    host("network", "create", "one")
    host("network", "create", "two")
    host("run", "-d", "--name", "a", "-net", "one", "base", "sleep", "100")
    killed_at(host, moment, "network", "connect", "two", "a")
    host.run("network", "disconnect", "two", "a")
    assert leases(host, "two") == []
    host("network", "connect", "two", "a")
    assert host.address("a", "two") in host("exec", "a", "ip", "-o", "addr")
    killed_at(host, moment, "network", "disconnect", "two", "a")
    host.run("network", "disconnect", "two", "a")
    assert leases(host, "two") == []
    assert len(host.links()) == 3
    host("restart", "-t", "0", "a")
    assert len(leases(host, "one")) == 1


@pytest.mark.parametrize("moment", MOMENTS[2:])
def test_a_killed_run_leaves_nothing(host: Host, moment: float) -> None:
    host("network", "create", "one")
    killed_at(host, moment, "run", "--rm", "-net", "one", "base", "sleep", "0.1")
    host("ps")
    assert leases(host, "one") == []


def test_a_bridge_that_went_with_a_reboot_comes_back(host: Host) -> None:
    host("network", "create", "--internal", "one")
    host("run", "--name", "a", "-net", "one", "base", "true")
    bridge = host.links()[0]
    before = host.filters()
    host.do("ip", "link", "delete", bridge)
    host.do("nft", "flush", "ruleset")
    host.do("sh", "-c", "echo 0 > /proc/sys/net/ipv4/ip_forward")
    host("network", "create", "two")
    host("start", "a")
    assert host("wait", "a") == "0\n"
    assert bridge in host.links()
    assert before.splitlines()[0] in host.filters()
    assert subprocess.run(["ip", "link", "show", bridge], capture_output=True).returncode != 0  # here, not there


def test_a_lease_that_nobody_uses_is_taken_back(host: Host) -> None:
    host("network", "create", "one")
    host("run", "-d", "--name", "a", "-net", "one", "base", "sleep", "100")
    path = host.root / "networks" / "one" / "leases.json"
    held = path.read_text()
    host("stop", "-t", "0", "a")
    path.write_text(held)  # as a `connect` that was killed leaves it
    host("start", "a")
    assert len(leases(host, "one")) == 1
    host("stop", "-t", "0", "a")
    path.write_text(held)
    assert leases(host, "one") == []
