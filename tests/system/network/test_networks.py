"""Networks as a user makes and uses them: the seed's commands, addresses, reachability, what stays when all is gone."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.system.network.conftest import Host

pytestmark = pytest.mark.root


def reaches(host: Host, container: str, address: str) -> bool:
    return host.run("exec", container, "ping", "-c", "1", "-W", "2", address).returncode == 0


def test_the_seeds_commands_work_as_printed(host: Host) -> None:
    host("network", "create", "--subnet", "10.72.0.0/24", "--driver", "bridge", "testbridge")
    assert host("network", "list") == (
        "NAME         IpRange        Driver\n"
        "testbridge   10.72.0.1/24   bridge\n"
    )  # fmt: skip
    shown = host.do("ip", "-o", "addr", "show", "testbridge")
    assert "inet 10.72.0.1/24 brd 10.72.0.255" in shown
    host("run", "-d", "-name", "one", "-image", "base", "-net", "testbridge", "sleep", "60")
    inside = host("exec", "one", "ip", "-o", "addr")
    assert "cif-" in inside
    assert "inet 10.72.0.2/24 brd 10.72.0.255" in inside
    assert host("network", "ls", "-q") == "testbridge\n"


def test_the_link_answers_to_eth0_as_well(host: Host) -> None:
    host("network", "create", "one")
    host("run", "-d", "--name", "a", "-net", "one", "base", "sleep", "60")
    pid = json.loads(host("inspect", "a"))[0]["state"]["pid"]
    shown = subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", "ip", "link", "show", "eth0"], capture_output=True)
    assert b"cif-" in shown.stdout


def test_containers_of_a_network_and_the_host_reach_one_another(host: Host) -> None:
    host("network", "create", "--ipv6", "one")
    for name in ("a", "b"):
        host("run", "-d", "--name", name, "-net", "one", "base", "sleep", "60")
    for family in ("address", "address6"):
        assert reaches(host, "a", host.address("b", family=family))
        assert reaches(host, "b", host.address("a", family=family))
        host.do("ping", "-c", "1", "-W", "2", host.address("a", family=family))
    gateway = json.loads(host("network", "inspect", "one"))[0]["ranges"][0]["gateway"]
    assert reaches(host, "a", gateway)


def test_two_networks_are_apart(host: Host) -> None:
    host("network", "create", "one")
    host("network", "create", "two")
    host("run", "-d", "--name", "a", "-net", "one", "base", "sleep", "60")
    host("run", "-d", "--name", "b", "-net", "two", "base", "sleep", "60")
    host("run", "-d", "--name", "both", "-net", "one", "-net", "two", "base", "sleep", "60")
    assert not reaches(host, "a", host.address("b"))
    assert reaches(host, "both", host.address("a"))
    assert reaches(host, "both", host.address("b"))


def test_a_restarted_container_comes_back_to_its_network(host: Host) -> None:
    host("network", "create", "one")
    host("run", "-d", "--name", "a", "-net", "one", "base", "sleep", "60")
    host("run", "-d", "--name", "b", "-net", "one", "base", "sleep", "60")
    host("restart", "-t", "0", "a")
    assert reaches(host, "b", host.address("a"))
    assert len(host.links()) == 3


def test_a_stopped_container_returns_its_address(host: Host) -> None:
    host("network", "create", "--subnet", "10.72.9.0/30", "small")
    for _ in range(3):
        assert "10.72.9.2" in host("run", "--rm", "-net", "small", "base", "ip", "-o", "addr")
    assert json.loads(host("network", "inspect", "small"))[0]["containers"] == []


def test_a_network_in_use_cannot_be_removed(host: Host) -> None:
    host("network", "create", "one")
    host("run", "-d", "--name", "a", "-net", "one", "base", "sleep", "60")
    done = host.run("network", "rm", "one")
    assert done.returncode == 1
    assert "cannot remove the network one: containers are on it" in done.stderr


def test_a_subnet_in_use_is_refused_with_its_user_named(host: Host) -> None:
    host("network", "create", "--subnet", "10.99.0.0/24", "one")
    done = host.run("network", "create", "--subnet", "10.99.0.128/25", "two")
    assert "10.99.0.128/25: it overlaps 10.99.0.0/24, the network one" in done.stderr
    host.do("ip", "link", "add", "uplink", "type", "bridge")
    host.do("ip", "addr", "add", "192.168.50.1/24", "dev", "uplink")
    host.do("ip", "link", "set", "uplink", "up")
    done = host.run("network", "create", "--subnet", "192.168.0.0/16", "three")
    assert "it overlaps 192.168.50.0/24, a route of the host through uplink" in done.stderr
    host.do("ip", "link", "delete", "uplink")
