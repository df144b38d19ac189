"""Names: containers find each other, only those that share a network, and all else is asked elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.system.network.conftest import Host

pytestmark = pytest.mark.root

# A name server for tests: knows a.example and long.example (too long for a datagram), prints what it is asked.
SERVER = """
import sys, threading
from dnslib import A, QTYPE, RR, TXT
from dnslib.server import BaseResolver, DNSServer
class Known(BaseResolver):
    def resolve(self, request, handler):
        print(handler.protocol, request.q.qname, flush=True)
        reply = request.reply()
        if str(request.q.qname) == "a.example.":
            reply.add_answer(RR("a.example", QTYPE.A, rdata=A("192.0.2.7")))
        elif str(request.q.qname) == "long.example.":
            for _ in range(9):
                reply.add_answer(RR("long.example", QTYPE.TXT, rdata=TXT("x" * 200)))
        else:
            reply.header.rcode = 3
        return reply
servers = [DNSServer(Known(), address="127.0.0.9", port=53, tcp=tcp, logger=type("Quiet", (), {"__getattr__": lambda *_:
           lambda *_: None})()) for tcp in (False, True)]
for server in servers:
    server.start_thread()
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def server(host: Host) -> Iterator[subprocess.Popen[str]]:
    """A name server on the host, at 127.0.0.9."""
    started = subprocess.Popen(
        host.enter(sys.executable, "-c", SERVER), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    yield started
    started.kill()
    started.communicate()


def inside(host: Host, container: str, *words: str) -> str:
    """Run one of the machine's programs in a container's network namespace."""
    pid = json.loads(host("inspect", container))[0]["state"]["pid"]
    done = subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", *words], capture_output=True, text=True, timeout=60)
    return done.stdout


def dig(host: Host, container: str, *words: str) -> list[str]:
    """Return the answers that a container gets, sorted."""
    return sorted(inside(host, container, "dig", "@127.0.0.11", "+short", "+tries=1", *words).splitlines())


def start(host: Host, name: str, *flags: str) -> None:
    host("run", "-d", "--name", name, *flags, "base", "sleep", "60")


def test_containers_find_each_other_by_name_alias_and_id(host: Host) -> None:
    host("network", "create", "--ipv6", "one")
    start(host, "a", "-net", "one")
    start(host, "Web", "-net", "one", "--network-alias", "www", "--network-alias", "shop")
    address, address6 = host.address("Web"), host.address("Web", family="address6")
    short = json.loads(host("inspect", "Web"))[0]["id"][:12]
    for name in ("Web", "web", "WEB.one", "www", "shop", short):
        assert dig(host, "a", name, "A") == [address]
    assert dig(host, "a", "www", "AAAA") == [address6]
    assert dig(host, "a", "-x", address) == ["web.one."]
    assert dig(host, "a", "-x", address6) == ["web.one."]
    assert address in host("exec", "a", "nslookup", "www")
    host("rename", "Web", "other")
    assert dig(host, "a", "other", "A") == [address]
    assert dig(host, "a", "Web", "A") == []


def test_an_alias_of_several_gives_all_of_them(host: Host) -> None:
    host("network", "create", "one")
    for name in ("a", "b", "c"):
        start(host, name, "-net", "one", "--network-alias", "all")
    assert dig(host, "a", "all", "A") == sorted(host.address(name) for name in "abc")
    assert dig(host, "a", "all", "A", "+tcp") == sorted(host.address(name) for name in "abc")
    assert dig(host, "a", "all", "AAAA") == []
    host("stop", "-t", "0", "c")
    assert dig(host, "a", "all", "A") == sorted(host.address(name) for name in "ab")


def test_names_of_networks_that_one_is_not_on_are_not_told(host: Host, server: subprocess.Popen[str]) -> None:
    host("network", "create", "one")
    host("network", "create", "two")
    start(host, "a", "-net", "one", "--dns", "127.0.0.9")
    start(host, "secret", "-net", "two", "--network-alias", "hidden")
    address = host.address("secret")
    for name in ("secret", "hidden", "secret.two", "secret.one"):
        assert dig(host, "a", name, "A") == []
    assert dig(host, "a", "-x", address) == []
    host("network", "connect", "--alias", "guest", "two", "a")
    assert dig(host, "a", "secret", "A") == [address]
    assert dig(host, "secret", "guest", "A") == [host.address("a", "two")]
    host("network", "disconnect", "two", "a")
    assert dig(host, "a", "secret", "A") == []
    assert dig(host, "secret", "guest", "A") == []


def test_all_else_is_asked_elsewhere(host: Host, server: subprocess.Popen[str]) -> None:
    host("network", "create", "one")
    start(host, "a", "-net", "one", "--dns", "127.0.0.8", "--dns", "127.0.0.9", "--dns-search", "example")
    assert dig(host, "a", "a.example", "A") == ["192.0.2.7"]
    assert dig(host, "a", "a.example", "A", "+tcp") == ["192.0.2.7"]
    assert len(dig(host, "a", "long.example", "TXT")) == 9  # truncated as a datagram, then asked for by a connection
    assert "NXDOMAIN" in inside(host, "a", "dig", "@127.0.0.11", "nothing.example")
    resolv = host("exec", "a", "cat", "/etc/resolv.conf").splitlines()
    assert "nameserver 127.0.0.11" in resolv
    assert "search example" in resolv
    assert not [line for line in resolv if "127.0.0.9" in line]


def test_nothing_is_asked_elsewhere_for_an_internal_network(host: Host, server: subprocess.Popen[str]) -> None:
    host("network", "create", "--internal", "one")
    start(host, "a", "-net", "one", "--dns", "127.0.0.9")
    start(host, "b", "-net", "one")
    assert dig(host, "a", "b", "A") == [host.address("b")]
    assert "SERVFAIL" in inside(host, "a", "dig", "@127.0.0.11", "+tries=1", "leak.example")
    assert "SERVFAIL" in inside(host, "a", "dig", "@127.0.0.11", "+tries=1", "+tcp", "leak.example")
    server.kill()
    assert "leak" not in server.communicate()[0]


def test_a_server_that_is_away_is_said_so(host: Host) -> None:
    host("network", "create", "one")
    start(host, "a", "-net", "one", "--dns", "127.0.0.8")
    began = time.monotonic()
    assert "SERVFAIL" in inside(host, "a", "dig", "@127.0.0.11", "+tries=1", "+time=9", "a.example")
    assert "SERVFAIL" in inside(host, "a", "dig", "@127.0.0.11", "+tries=1", "+time=9", "+tcp", "a.example")
    assert time.monotonic() - began < 9


GARBAGE = """
import os, random, socket
chosen = random.Random(1)
def bodies():
    for _ in range(120):
        yield os.urandom(chosen.randrange(60))
    whole = bytes.fromhex("1234010000010000000000000161076578616d706c650000010001")
    for _ in range(120):
        body = bytearray(whole)
        for _ in range(chosen.randrange(1, 4)):
            body[chosen.randrange(len(body))] = chosen.randrange(256)
        yield bytes(body)
    yield bytes.fromhex("123401000001000000000000c00c00010001")
end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for body in bodies():
    end.sendto(body, ("127.0.0.11", 53))
for body in bodies():
    stream = socket.create_connection(("127.0.0.11", 53))
    stream.send(len(body).to_bytes(2, "big") + body)
    stream.close()
open_ones = [socket.create_connection(("127.0.0.11", 53)) for _ in range(300)]
"""


def test_garbage_does_not_harm_the_container_nor_its_resolver(host: Host) -> None:
    host("network", "create", "one")
    start(host, "it", "-net", "one", "--dns", "127.0.0.8")
    pid = json.loads(host("inspect", "it"))[0]["state"]["pid"]
    command = ["nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, "-c", GARBAGE]
    assert subprocess.run(command, timeout=60).returncode == 0
    assert dig(host, "it", "it", "A") == [host.address("it")]
    assert json.loads(host("inspect", "it"))[0]["state"]["status"] == "running"


def test_a_container_may_bring_its_own_resolv_conf(host: Host) -> None:
    host("network", "create", "one")
    (host.directory / "resolv").write_text("nameserver 192.0.2.53\n")
    start(host, "a", "-net", "one", "-resolv", "resolv")
    assert host("exec", "a", "cat", "/etc/resolv.conf") == "nameserver 192.0.2.53\n"
    pid = json.loads(host("inspect", "a"))[0]["state"]["pid"]
    listening = subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", "ss", "-Hlnu"], capture_output=True, text=True)
    assert listening.stdout == ""  # the port is the container's own


def test_hosts_and_hostname_are_the_containers(host: Host) -> None:
    host("network", "create", "one")
    start(host, "a", "-net", "one", "--hostname", "first", "--add-host", "far:192.0.2.9",
          "--add-host", "outer:host-gateway")  # fmt: skip
    start(host, "b", "-net", "container:a")
    lines = host("exec", "a", "cat", "/etc/hosts").splitlines()
    assert "192.0.2.9\tfar" in lines
    assert "10.72.0.1\touter" in lines
    assert f"{host.address('a')}\tfirst" in lines
    assert host("exec", "a", "cat", "/etc/hostname") == "first\n"
    assert host("exec", "b", "cat", "/etc/hosts").splitlines() == lines
    assert host("exec", "b", "hostname") == "first\n"
    host("network", "create", "two")
    host("network", "connect", "two", "a")
    assert f"{host.address('a', 'two')}\tfirst" in host("exec", "a", "cat", "/etc/hosts")
    host("remove", "-f", "b")
    host("restart", "-t", "0", "a")
    assert host("exec", "a", "cat", "/etc/hosts").count("first") == 2
