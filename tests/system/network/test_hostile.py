"""A container that sends what it should not: raw frames, as CAP_NET_RAW lets it (docker's default, and ours)."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.system.network.conftest import Host

pytestmark = pytest.mark.root

SEND = """
import socket, sys
end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
end.bind((sys.argv[1], 0))
for frame in sys.argv[2:]:
    end.send(bytes.fromhex(frame))
"""
# Prints which of the marks in the arguments were in a frame that came, until the last one has.
HEAR = """
import socket, sys, time
end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
end.settimeout(0.2)
print("ready", flush=True)
marks, found, until = sys.argv[1:], set(), time.monotonic() + 10
while time.monotonic() < until and marks[-1] not in found:
    try:
        frame = end.recv(2000)
    except TimeoutError:
        continue
    found |= {mark for mark in marks if mark.encode() in frame}
print(*sorted(found))
"""


def octets(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def ipv4(sender: str, receiver: str, mark: str) -> bytes:
    payload = struct.pack("!4H", 5, 5, 8 + len(mark), 0) + mark.encode()
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, 17, 0)
    head += socket.inet_aton(sender) + socket.inet_aton(receiver)
    total = sum(struct.unpack("!10H", head))
    check = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    return head[:10] + struct.pack("!H", check) + head[12:] + payload


def ipv6(sender: str, receiver: str, kind: int, payload: bytes) -> bytes:
    addresses = socket.inet_pton(socket.AF_INET6, sender) + socket.inet_pton(socket.AF_INET6, receiver)
    return struct.pack("!IHBB", 6 << 28, len(payload), kind, 255) + addresses + payload


def arp(mac: str, sender: str, receiver: str, mark: str) -> bytes:
    addresses = octets(mac) + socket.inet_aton(sender) + bytes(6) + socket.inet_aton(receiver)
    return struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2) + addresses + mark.encode()


def advertisement(target: str, mark: str) -> bytes:
    return struct.pack("!BBHI", 136, 0, 0, 0x60000000) + socket.inet_pton(socket.AF_INET6, target) + mark.encode()


def endpoint(host: Host, name: str) -> dict[str, str]:
    identifier = json.loads(host("inspect", name))[0]["id"]
    found = json.loads(host("network", "inspect", "one"))[0]["containers"]
    return next(each for each in found if each["container"] == identifier)


def frames(attacker: dict[str, str], victim: dict[str, str], witness: dict[str, str]) -> dict[str, bytes]:
    """Return frames that the attacker sends to the witness: lies about the victim, and two honest ones at the end."""
    mine, theirs = octets(witness["mac"]) + octets(attacker["mac"]), octets(witness["mac"]) + octets(victim["mac"])
    address, address6, to, to6 = victim["address"], victim["address6"], witness["address"], witness["address6"]
    own, own6 = attacker["address"], attacker["address6"]
    return {
        "lie-ipv4": mine + b"\x08\x00" + ipv4(address, to, "lie-ipv4"),
        "lie-mac": theirs + b"\x08\x00" + ipv4(own, to, "lie-mac"),
        "lie-arp": mine + b"\x08\x06" + arp(attacker["mac"], address, to, "lie-arp"),
        "lie-mac-in-arp": mine + b"\x08\x06" + arp(victim["mac"], own, to, "lie-mac-in-arp"),
        "lie-ipv6": mine + b"\x86\xdd" + ipv6(address6, to6, 59, b"lie-ipv6"),
        "lie-neighbour": mine + b"\x86\xdd" + ipv6(own6, to6, 58, advertisement(address6, "lie-neighbour")),
        "lie-neighbour-hidden": mine
        + b"\x86\xdd"
        + ipv6(own6, to6, 0, b"\x3a\x00\x01\x04" + bytes(4) + advertisement(address6, "lie-neighbour-hidden")),
        "lie-outside": mine + b"\x08\x00" + ipv4("192.0.2.1", to, "lie-outside"),
        "lie-protocol": mine + b"\x88\xb5" + b"lie-protocol",
        "true-ipv6": mine + b"\x86\xdd" + ipv6(own6, to6, 59, b"true-ipv6"),
        "true-ipv4": mine + b"\x08\x00" + ipv4(own, to, "true-ipv4"),
    }


def arriving(host: Host, *flags: str) -> set[str]:
    """Return which frames of a hostile container arrive at another one, on a network made with `flags`."""
    host("network", "create", "--ipv6", *flags, "one")
    names = ("attacker", "victim", "witness")
    for name in names:
        host("run", "-d", "--name", name, "-net", "one", "base", "sleep", "60")
    attacker, victim, witness = (endpoint(host, name) for name in names)
    sent = frames(attacker, victim, witness)
    pids = {name: json.loads(host("inspect", name))[0]["state"]["pid"] for name in names}

    def within(name: str, *words: str) -> list[str]:
        return ["nsenter", f"--net=/proc/{pids[name]}/ns/net", sys.executable, "-c", *words]

    with subprocess.Popen(within("witness", HEAR, *sent), text=True, stdout=subprocess.PIPE) as listener:
        assert listener.stdout is not None
        assert listener.stdout.readline() == "ready\n"
        words = (frame.hex() for frame in sent.values())
        subprocess.run(within("attacker", SEND, attacker["interface"], *words), check=True)
        return set(listener.stdout.read().split())


def test_nobody_has_anothers_address_on_an_internal_network(host: Host) -> None:
    assert arriving(host, "--internal") == {"true-ipv4", "true-ipv6"}


def test_the_same_frames_arrive_where_nothing_is_promised(host: Host) -> None:
    assert {"lie-ipv4", "lie-mac", "lie-arp", "lie-ipv6", "lie-neighbour", "true-ipv4"} <= arriving(host)


def test_nobody_believes_a_router_among_the_containers(host: Host) -> None:
    host("network", "create", "--ipv6", "one")
    inside = "cat /proc/sys/net/ipv6/conf/cif-*/accept_ra"
    assert host("run", "--rm", "-net", "one", "base", "sh", "-c", inside) == "0\n"
    bridge = json.loads(host("network", "inspect", "one"))[0]["bridge"]
    assert host.sysctl(f"net/ipv6/conf/{bridge}/accept_ra".replace(".", "/")) == "0"
