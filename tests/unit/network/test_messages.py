"""The messages for every start are pyroute2's, byte for byte, at none of its price."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from mydocker.network import messages, netlink

UP = {"flags": 1, "change": 1}
PEER = [("IFLA_IFNAME", "cif-1"), ("IFLA_ADDRESS", "02:42:0a:48:00:02"), ("IFLA_MTU", 1400), ("IFLA_NET_NS_FD", 7)]
VETH = [("IFLA_INFO_KIND", "veth"), ("IFLA_INFO_DATA", {"attrs": [("VETH_INFO_PEER", {"attrs": PEER})]})]


def theirs(kind: Any, fields: dict[str, int], *attributes: tuple[str, object]) -> bytes:
    message = kind()
    for name, value in fields.items():
        message[name] = value
    message["attrs"] = list(attributes)
    message.encode()
    return bytes(message.data[16:])


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (
            messages.new_pair("m123", 5, "cif-1", "02:42:0a:48:00:02", 1400, 7),
            theirs(ifinfmsg, UP, ("IFLA_IFNAME", "m123"), ("IFLA_MTU", 1400), ("IFLA_MASTER", 5),
                   ("IFLA_LINKINFO", {"attrs": VETH})),
        ),
        (messages.switch_on(9), theirs(ifinfmsg, {"index": 9, **UP})),
        (messages.delete_link(9), theirs(ifinfmsg, {"index": 9})),
        (
            messages.second_name(9, "eth0"),
            theirs(ifinfmsg, {"index": 9}, ("IFLA_PROP_LIST", {"attrs": [("IFLA_ALT_IFNAME", "eth0")]})),
        ),
        (
            messages.add_address(9, "10.72.0.2", 24, "10.72.0.255", "one"),
            theirs(ifaddrmsg, {"family": 2, "prefixlen": 24, "flags": 2, "index": 9}, ("IFA_LOCAL", "10.72.0.2"),
                   ("IFA_ADDRESS", "10.72.0.2"), ("IFA_BROADCAST", "10.72.0.255"), ("IFA_LABEL", "one")),
        ),
        (
            messages.add_address(9, "fd00::2", 64),
            theirs(ifaddrmsg, {"family": 10, "prefixlen": 64, "flags": 2, "index": 9}, ("IFA_LOCAL", "fd00::2"),
                   ("IFA_ADDRESS", "fd00::2")),
        ),
        (
            messages.default_route("10.72.0.1"),
            theirs(rtmsg, {"family": 2, "table": 254, "proto": 3, "scope": 0, "type": 1}, ("RTA_GATEWAY", "10.72.0.1")),
        ),
        (
            messages.default_route("fd00::1"),
            theirs(rtmsg, {"family": 10, "table": 254, "proto": 3, "scope": 0, "type": 1}, ("RTA_GATEWAY", "fd00::1")),
        ),
    ],
    ids=["pair", "switch on", "delete", "second name", "address", "address6", "route", "route6"],
)  # fmt: skip
def test_a_message_is_what_pyroute2_makes_of_it(made: messages.Message, expected: bytes) -> None:
    assert made[2] == expected


def test_joining_a_network_loads_neither_pyroute2_nor_a_dns_library() -> None:
    script = "import sys, mydocker.network.hook; print(*{'pyroute2', 'dnslib', 'logging', 'socket'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}; {script}"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout.strip() == ""


def test_the_bridge_is_made_by_pyroute2() -> None:
    assert b"bridge" in netlink.new_bridge("mdk-1", "02:00:00:00:00:01", 1500)[2]
