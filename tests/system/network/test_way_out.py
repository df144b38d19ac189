"""The way out and in: a second machine beyond the host, in a namespace of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.system.network.conftest import Host

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root

HERE, THERE = "198.51.100.1", "198.51.100.2"
HERE6, THERE6 = "2001:db8::1", "2001:db8::2"

# Answers each connection and datagram with the address that it came from.
ECHO = """
import socket, threading
def datagrams(end):
    while True:
        _, peer = end.recvfrom(100)
        end.sendto(peer[0].encode() + b"\\n", peer)
def streams(end):
    while True:
        connection, peer = end.accept()
        connection.sendall(peer[0].encode() + b"\\n")
        connection.close()
for address in ("198.51.100.2", "2001:db8::2"):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    end = socket.socket(family, socket.SOCK_DGRAM)
    end.bind((address, 7))
    threading.Thread(target=datagrams, args=(end,)).start()
    threading.Thread(target=streams, args=(socket.create_server((address, 7), family=family),)).start()
print("ready", flush=True)
"""

SERVE = "while :; do echo hello | nc -l -p 80; done"


@pytest.fixture
def world(host: Host, tmp_path: Path) -> Iterator[Host]:
    """A machine that only the host has a link to; it knows no way to the host's containers."""
    made = Host(tmp_path / "none", tmp_path)
    host.do("ip", "link", "add", "uplink", "type", "veth", "peer", "name", "uplink", "netns", made.pid)
    for machine, address, address6 in ((host, HERE, HERE6), (made, THERE, THERE6)):
        machine.do("ip", "addr", "add", f"{address}/24", "dev", "uplink")
        machine.do("ip", "addr", "add", f"{address6}/64", "dev", "uplink", "nodad")
        machine.do("ip", "link", "set", "uplink", "up")
    server = subprocess.Popen(made.enter(sys.executable, "-c", ECHO), text=True, stdout=subprocess.PIPE)
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"
    yield made
    server.kill()
    server.communicate()
    host.do("ip", "link", "delete", "uplink")
    made.close()


def heard(host: Host, container: str, address: str) -> str:
    """Return the address that the server beyond the host sees a container under, "" when they do not meet."""
    script = f"timeout 3 nc -w 2 {address} 7 </dev/null"
    return host.run("exec", container, "sh", "-c", script).stdout.strip()


def heard_by_datagram(host: Host, container: str, address: str) -> str:
    """Return the same for a datagram."""
    pid = json.loads(host("inspect", container))[0]["state"]["pid"]
    script = (
        "import socket; end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); end.settimeout(3);"
        f" end.sendto(b'', ({address!r}, 7)); print(end.recv(100).decode())"
    )
    words = ["nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, "-c", script]
    return subprocess.run(words, capture_output=True, text=True).stdout.strip()


def test_containers_reach_the_world_with_the_hosts_address(host: Host, world: Host) -> None:
    host("network", "create", "--ipv6", "one")
    host("run", "-d", "--name", "a", "-net", "one", "base", "sleep", "60")
    assert heard(host, "a", THERE) == HERE
    assert heard_by_datagram(host, "a", THERE) == HERE
    assert heard(host, "a", THERE6) == HERE6
    host("exec", "a", "ping", "-c", "1", "-W", "2", THERE)


def test_from_outside_only_answers_come_in(host: Host, world: Host) -> None:
    host("network", "create", "one")
    host("run", "-d", "--name", "a", "-net", "one", "base", "sh", "-c", SERVE)
    address = host.address("a")
    deadline = time.monotonic() + 5
    while host.do("nc", "-w", "2", address, "80", check=False) != "hello\n":
        assert time.monotonic() < deadline
    world.do("ip", "route", "add", "10.72.0.0/16", "via", HERE)
    assert world.do("nc", "-w", "1", address, "80", check=False) == ""
    world.do("ping", "-c", "1", "-W", "2", HERE)


def test_there_is_no_way_out_of_an_internal_network(host: Host, world: Host) -> None:
    host("network", "create", "--internal", "--subnet", "10.72.5.0/24", "--subnet", "fd00:5::/64", "in")
    host("run", "-d", "--name", "a", "--cap-add", "NET_ADMIN", "-net", "in", "base", "sleep", "60")
    host("run", "-d", "--name", "b", "-net", "in", "base", "sleep", "60")
    host("exec", "a", "ping", "-c", "1", "-W", "2", host.address("b"))
    host("exec", "a", "ping", "-c", "1", "-W", "2", host.address("b", family="address6"))
    assert heard(host, "a", THERE) == ""
    # Nor when the container makes itself a route, and the world one back.
    host("exec", "a", "ip", "route", "add", "default", "via", "10.72.5.1")
    world.do("ip", "route", "add", "10.72.5.0/24", "via", HERE)
    assert heard(host, "a", THERE) == ""
    assert "0 received" in world.do("ping", "-c", "1", "-W", "1", host.address("a"), check=False)


def test_forwarding_is_switched_on_when_needed_told_and_switched_off_again(host: Host) -> None:
    for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        host.do("sh", "-c", f"echo 0 > /proc/sys/net/{name}")
    host.do("ip", "link", "add", "uplink", "type", "veth", "peer", "name", "far")
    assert host.run("network", "create", "--internal", "quiet").stderr == ""
    assert host.sysctl("net.ipv4.ip_forward") == "0"
    assert "switched on net.ipv4.ip_forward" in host.run("network", "create", "one").stderr
    assert host.run("network", "create", "two").stderr == ""
    assert "switched on net.ipv6.conf.all.forwarding" in host.run("network", "create", "--ipv6", "three").stderr
    assert (host.sysctl("net.ipv4.ip_forward"), host.sysctl("net.ipv6.conf.all.forwarding")) == ("1", "1")
    assert host.sysctl("net.ipv6.conf.uplink.accept_ra") == "2"  # still takes its routes from routers
    host("network", "rm", "one", "three")
    assert host.sysctl("net.ipv4.ip_forward") == "1"
    host("network", "rm", "two")
    assert (host.sysctl("net.ipv4.ip_forward"), host.sysctl("net.ipv6.conf.all.forwarding")) == ("0", "0")
    assert host.sysctl("net.ipv6.conf.uplink.accept_ra") == "1"
    host.do("ip", "link", "delete", "uplink")


def test_forwarding_stays_on_while_somebody_else_has_a_bridge(host: Host) -> None:
    host.do("sh", "-c", "echo 0 > /proc/sys/net/ipv4/ip_forward")
    host("network", "create", "one")
    host.do("ip", "link", "add", "docker0", "type", "bridge")
    host("network", "rm", "one")
    assert host.sysctl("net.ipv4.ip_forward") == "1"
    host.do("ip", "link", "delete", "docker0")
    host("network", "create", "one")
    host("network", "rm", "one")
    assert host.sysctl("net.ipv4.ip_forward") == "0"


def test_joining_does_not_load_pyroute2(host: Host) -> None:
    host("network", "create", "one")
    script = (
        "import sys; from mydocker.cli.main import run_command_line;"
        " status = run_command_line(['--root', sys.argv[1], 'run', '--rm', '-net', 'one', 'base', 'true']);"
        " print(status, *{'pyroute2', 'asyncio', 'logging', 'dnslib'} & set(sys.modules))"
    )
    assert host.do(sys.executable, "-c", script, host.root) == "0\n"


def test_what_the_host_had_stays_as_it_was(host: Host) -> None:
    host.do("nft", "add table inet theirs; add chain inet theirs c { type filter hook forward priority 0; }")
    host.do("ip", "link", "add", "docker0", "type", "bridge")
    host.do("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding")
    before = host.filters(), host.do("ip", "-j", "addr"), host.do("ip", "route")
    host("network", "create", "--ipv6", "one")
    host("run", "--rm", "-net", "one", "base", "true")
    host("network", "rm", "one")
    assert (host.filters(), host.do("ip", "-j", "addr"), host.do("ip", "route")) == before
    host.do("nft", "flush", "ruleset")
    host.do("ip", "link", "delete", "docker0")


def test_the_mtu_is_that_of_all_links(host: Host) -> None:
    host("network", "create", "--mtu", "1400", "one")
    assert "mtu 1400" in host("run", "--rm", "-net", "one", "base", "ip", "link", "show")
    host("run", "-d", "--name", "a", "-net", "one", "base", "sleep", "60")
    links = json.loads(host.do("ip", "-j", "link"))
    assert {each["mtu"] for each in links if each["ifname"] != "lo"} == {1400}


WITHOUT_FILTERS = """
import errno, sys
from mydocker.errors import NetworkError
from mydocker.network import filters
from mydocker.network.definition import Request
from mydocker.network.networks import Networks
def cannot(definition):
    raise OSError(errno.EOPNOTSUPP, "Operation not supported")
filters.install = cannot
networks = Networks(sys.argv[1])
print(*networks.create(Request("plain")).notices)
try:
    networks.create(Request("in", internal=True))
except NetworkError as err:
    print(err)
print(*(each.definition.name for each in networks.list()))
"""


def test_without_nf_tables_all_but_the_way_out_works_and_that_is_said(host: Host) -> None:
    networks = host.root / "networks"
    said = host.do(sys.executable, "-c", WITHOUT_FILTERS, networks).splitlines()
    assert "the network plain has no way out: nf_tables in the kernel says: operation not supported" in said
    assert said[-2].startswith("cannot keep the network in internal: nf_tables in the kernel says")
    assert said[-1] == "plain"
    assert len(host.links()) == 1
    host("run", "-d", "--name", "a", "-net", "plain", "base", "sleep", "60")
    assert "1 received" in host.do("ping", "-c", "1", "-W", "2", host.address("a"))
