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


def test_addresses_are_shown_by_ps_and_inspect(host: Host) -> None:
    host("run", "-d", "--name", "alone", "base", "sleep", "60")
    assert "ADDRESS" not in host("ps")
    host("network", "create", "--ipv6", "--subnet", "10.72.3.0/24", "one")
    host("network", "create", "--subnet", "10.72.4.0/24", "two")
    flags = ("--ip", "10.72.3.9", "--mac-address", "02:00:00:00:00:09", "--network-alias", "www")
    host("run", "-d", "--name", "a", "-net", "one", "-net", "two", *flags, "base", "sleep", "60")
    listed = {line.split()[1]: line for line in host("ps").splitlines()}
    assert listed["a"].endswith("10.72.3.9, 10.72.4.2")
    one, two = json.loads(host("inspect", "a"))[0]["networks"]
    assert (one["network"], one["address"], one["gateway"]) == ("one", "10.72.3.9", "10.72.3.1")
    assert (one["mac"], one["aliases"]) == ("02:00:00:00:00:09", ["www"])
    assert two["address"] == "10.72.4.2"
    assert json.loads(host("ps", "--format", "json", "--filter", "network=two"))[0]["networks"] == [one, two]
    inside = host("exec", "a", "ip", "-o", "addr")
    assert f"{one['interface']}    inet 10.72.3.9/24" in inside
    assert "02:00:00:00:00:09" in host("exec", "a", "ip", "link")
    assert "default via 10.72.3.1" in host("exec", "a", "ip", "route")


def test_what_cannot_be_is_refused_before_anything_starts(host: Host) -> None:
    host("network", "create", "one")
    for flags, said in (
        ("-net nowhere", "no such network: nowhere"),
        ("-net one -net host", "cannot be combined with a network"),
        ("-net one -net one", "given twice"),
        ("-net one --ip 10.1.1.1", "not an address of the network one"),
        ("-net one --ip6 fd00::9", "not an address of the network one"),
        ("-net one --mac-address x", "not the address of one link"),
        ("-net one --dns nonsense", "not an address"),
        ("--ip 10.72.0.5", "they belong to a network"),
        ("--network-alias x -net host", "they belong to a network"),
    ):
        done = host.run("run", "--rm", *flags.split(), "base", "true")
        assert (done.returncode, done.stdout) == (125, "")
        assert said in done.stderr
    assert host("ps", "-q") == ""


def test_an_address_that_another_has_is_refused(host: Host) -> None:
    host("network", "create", "one")
    host("run", "-d", "--name", "a", "-net", "one", "base", "sleep", "60")
    done = host.run("run", "--rm", "-net", "one", "--ip", "10.72.0.2", "base", "true")
    assert (done.returncode, "cannot have the address 10.72.0.2" in done.stderr) == (125, True)


def test_connect_and_disconnect_last_over_restarts(host: Host) -> None:
    host("network", "create", "one")
    host("network", "create", "two")
    host("create", "--name", "a", "-net", "one", "base", "sleep", "60")
    host("network", "connect", "--ip", "10.72.1.40", "two", "a")
    host("start", "a")
    assert host.address("a", "two") == "10.72.1.40"
    host("network", "disconnect", "one", "a")
    assert "default via 10.72.1.1" in host("exec", "a", "ip", "route")
    host("restart", "-t", "0", "a")
    assert [each["network"] for each in json.loads(host("inspect", "a"))[0]["networks"]] == ["two"]
    assert "already" in host.run("network", "connect", "two", "a").stderr
    assert "is not on the network one" in host.run("network", "disconnect", "one", "a").stderr
    host("run", "-d", "--name", "none", "base", "sleep", "60")
    assert "cannot change the networks of none" in host.run("network", "connect", "one", "none").stderr


def test_lists_are_filtered_and_prune_keeps_what_is_wanted(host: Host) -> None:
    host("network", "create", "--label", "stage=test", "one")
    host("network", "create", "--internal", "two")
    host("network", "create", "three")
    host("create", "--name", "a", "-net", "three", "base", "true")
    assert host("network", "ls", "-q", "--filter", "label=stage=test") == "one\n"
    assert host("network", "ls", "-q", "--filter", "internal=true") == "two\n"
    assert host("network", "ls", "-q", "--filter", "name=o").split() == ["one", "two"]
    assert "unknown key" in host.run("network", "ls", "--filter", "x=y").stderr
    assert host("network", "prune").split() == ["one", "two"]
    assert host("network", "ls", "-q") == "three\n"


def test_a_damaged_network_is_said_so(host: Host) -> None:
    host("network", "create", "one")
    path = host.root / "networks" / "one" / "network.json"
    whole = path.read_text()
    for damaged in ("{", "{}", '{"id": 5}', whole.replace("10.72", "x")):
        path.write_text(damaged)
        done = host.run("network", "inspect", "one")
        assert (done.returncode, "damaged" in done.stderr) == (1, True)
    path.write_text(whole)


def test_an_address_that_moved_is_found_at_once(host: Host) -> None:
    host("network", "create", "--ipv6", "--subnet", "10.72.0.0/24", "--subnet", "fd00:7::/64", "one")
    host("run", "-d", "--name", "asker", "-net", "one", "base", "sleep", "60")
    for number in (1, 2, 3):
        mac = f"02:00:00:00:00:0{number}"
        flags = ("--ip", "10.72.0.50", "--ip6", "fd00:7::50", "--mac-address", mac)
        host("run", "-d", "--name", "moving", "-net", "one", *flags, "base", "sleep", "60")
        for address in ("10.72.0.50", "fd00:7::50"):
            assert reaches(host, "asker", address)
        host("remove", "-f", "moving")
