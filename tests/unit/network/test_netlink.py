"""The messages to the kernel are pyroute2's, byte for byte, at a part of its price."""

from __future__ import annotations

import subprocess
import sys


def run(script: str) -> str:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()


def test_neither_asyncio_nor_ssl_is_loaded() -> None:
    script = "import sys, mydocker.network.hook; print(*sorted({'asyncio', 'ssl', 'dnslib'} & set(sys.modules)))"
    assert run(script) == ""


def test_who_imports_pyroute2_later_gets_all_of_it() -> None:
    assert run("import mydocker.network.netlink, pyroute2; print(pyroute2.IPRoute.__name__)") == "IPRoute"
    assert run("import pyroute2, mydocker.network.netlink; print(pyroute2.IPRoute.__name__)") == "IPRoute"
    then = "from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg; print(ifinfmsg.__name__)"
    assert run(f"import mydocker.network.netlink; {then}") == "ifinfmsg"


def test_links_are_described_as_pyroute2_does() -> None:
    script = """
from mydocker.network import netlink
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
def theirs(flags, *attrs):
    message = ifinfmsg()
    message["flags"], message["change"] = flags, flags
    message["attrs"] = list(attrs)
    message.encode()
    return bytes(message.data[16:])
peer = {"attrs": [("IFLA_IFNAME", "cif-1"), ("IFLA_ADDRESS", "02:42:0a:48:00:02"), ("IFLA_MTU", 1400),
                  ("IFLA_NET_NS_FD", 7)]}
data = {"attrs": [("VETH_INFO_PEER", peer)]}
kind = {"attrs": [("IFLA_INFO_KIND", "veth"), ("IFLA_INFO_DATA", data)]}
made = netlink.new_pair("m123", 5, "cif-1", "02:42:0a:48:00:02", 1400, 7)[2]
print(made == theirs(1, ("IFLA_IFNAME", "m123"), ("IFLA_MTU", 1400), ("IFLA_MASTER", 5), ("IFLA_LINKINFO", kind)))
kind = {"attrs": [("IFLA_INFO_KIND", "bridge")]}
names = {"attrs": [("IFLA_ALT_IFNAME", "eth0")]}
made = netlink.second_name(3, "eth0")[2]
print(made[8:] == theirs(0, ("IFLA_PROP_LIST", names))[8:])
made = netlink.new_bridge("mdk-1", "02:00:00:00:00:01", 1500)[2]
attrs = ("IFLA_IFNAME", "mdk-1"), ("IFLA_ADDRESS", "02:00:00:00:00:01"), ("IFLA_MTU", 1500), ("IFLA_LINKINFO", kind)
print(made == theirs(0, *attrs))
"""
    assert run(script) == "True\nTrue\nTrue"
