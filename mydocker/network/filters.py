"""What nf_tables does for a network, in tables of the network's own: nothing that the host had is touched.

* The way out: packets to elsewhere get the host's address (masquerading). From outside only answers come in.
* Networks are apart: a packet never goes from one bridge of ours to another. An `--internal` network has no way at all.
* On an `--internal` network nobody has an address but their own: at each port of the bridge, frames with a hardware
  address, IPv4, ARP or IPv6 sender, or an advertised IPv6 neighbour other than the endpoint's are dropped.
"""

from __future__ import annotations

import errno

from mydocker.network import addresses, netlink, nftables
from mydocker.network.nftables import DROP, NAMES_LENGTH, Table
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.network.definition import Definition
    from mydocker.network.leases import Endpoint
    from mydocker.network.messages import Message

_ALL_BRIDGES = "mdk-"
_FILTER, _SOURCE_NAT = 0, 100  # linux/netfilter_ipv4.h: NF_IP_PRI_*
_BRIDGE_FILTER = -200  # linux/netfilter_bridge.h: NF_BR_PRI_FILTER_BRIDGED
_FAMILIES = {32: 2, 128: 10}
_IPV4, _ARP, _IPV6 = 0x0800, 0x0806, 0x86DD
# What nft(8) calls the types of the sets' keys, six bits each.
_IFNAME, _ADDRESS4, _ADDRESS6, _HARDWARE = 41, 7, 8, 9


def install(definition: Definition) -> None:
    """Make a network's tables anew. Raise OSError where the kernel cannot."""
    table = Table(nftables.INET, definition.bridge)
    messages = [table.new(), table.delete(), table.new(), *_forwarding(table, definition)]
    if definition.internal:
        guard = Table(nftables.BRIDGE, definition.bridge)
        messages += [guard.new(), guard.delete(), guard.new(), *_guard(guard, definition)]
    else:
        messages.append(table.chain("postrouting", "nat", nftables.POSTROUTING, _SOURCE_NAT))
        messages += [_way_out(table, definition, bits) for bits in (each.bits for each in definition.ranges)]
    with netlink.netfilter() as kernel:
        kernel.send(*nftables.batch(*messages))


def remove(definition: Definition) -> None:
    """Remove a network's tables, as far as they are there."""
    for family in (nftables.INET, nftables.BRIDGE):
        with netlink.netfilter() as kernel:
            try:
                kernel.send(*nftables.batch(Table(family, definition.bridge).delete()))
            except OSError as err:
                if err.errno not in (errno.ENOENT, errno.EOPNOTSUPP, errno.EAFNOSUPPORT, errno.EINVAL):
                    raise


def admit(definition: Definition, endpoint: Endpoint) -> None:
    """Let an endpoint speak for its addresses on an internal network."""
    _change(definition, endpoint, Table.add)


def expel(definition: Definition, endpoint: Endpoint) -> None:
    """Take that right back; one that is not there is fine."""
    try:
        _change(definition, endpoint, Table.discard)
    except OSError as err:
        if err.errno not in (errno.ENOENT, errno.EOPNOTSUPP):
            raise


def _change(definition: Definition, endpoint: Endpoint, how: object) -> None:
    if not definition.internal:
        return
    assert callable(how)
    guard = Table(nftables.BRIDGE, definition.bridge)
    name = nftables.name_key(endpoint.device)
    mac = bytes.fromhex(endpoint.mac.replace(":", ""))
    own = [_packed(endpoint.address), *([_packed(endpoint.address6)] if endpoint.address6 else []), _link_local(mac)]
    messages = [how(guard, "hardware", name + mac + bytes(2))]
    messages += [how(guard, "addresses" if len(each) == 4 else "addresses6", name + each) for each in own]
    with netlink.netfilter() as kernel:
        kernel.send(*nftables.batch(*messages))


def _packed(address: str) -> bytes:
    number, bits = addresses.parse(address)
    return number.to_bytes(bits // 8, "big")


def _link_local(mac: bytes) -> bytes:
    """Return the address that a link gives itself (RFC 4291, appendix A: modified EUI-64)."""
    return b"\xfe\x80" + bytes(6) + bytes([mac[0] ^ 2]) + mac[1:3] + b"\xff\xfe" + mac[3:]


def _forwarding(table: Table, definition: Definition) -> list[Message]:
    """Return the chain that packets between links go through."""
    here = definition.bridge
    inwards = [nftables.link(incoming=False, name=here), nftables.link(incoming=True, name=here, equal=False)]
    outwards = [nftables.link(incoming=True, name=here), nftables.link(incoming=False, name=here, equal=False)]
    drop = nftables.verdict(DROP)
    if definition.internal:
        rules = [[*inwards, drop], [*outwards, drop]]
    else:
        others = nftables.link(incoming=False, name=_ALL_BRIDGES, prefix=True)
        rules = [[*inwards, nftables.unanswered(), drop], [*outwards, others, drop]]
    return [
        table.chain("forward", "filter", nftables.FORWARD, _FILTER),
        *(table.rule("forward", *expressions) for expressions in rules),
    ]


def _way_out(table: Table, definition: Definition, bits: int) -> Message:
    family = definition.range(bits)
    assert family is not None
    subnet = family.subnet
    return table.rule(
        "postrouting",
        nftables.family(_FAMILIES[bits]),
        nftables.source(subnet.base, subnet.length, bits),
        nftables.link(incoming=False, name=definition.bridge, equal=False),
        nftables.masquerade(),
    )


def _guard(table: Table, definition: Definition) -> list[Message]:
    """Return the sets of who may say what, and the rules at the ports of the bridge."""
    drop, chain = nftables.verdict(DROP), "ports"
    ours = nftables.link(incoming=True, name=definition.prefix, prefix=True)
    ipv4, arp, ipv6 = (nftables.protocol(each) for each in (_IPV4, _ARP, _IPV6))
    nobody = nftables.field(1, 8, bytes(16))  # the unspecified address: asking whether an address is free
    advertisement = nftables.transport(58) + nftables.field(2, 0, b"\x88")  # RFC 4861, section 4.4
    accept = nftables.verdict(nftables.ACCEPT)
    rules = [
        (ours, nftables.unknown("hardware", 0, 6, 6), drop),
        (ours, ipv4, nftables.unknown("addresses", 1, 12, 4), drop),
        (ours, ipv4, accept),
        (ours, arp, nftables.unknown("hardware", 1, 8, 6), drop),
        (ours, arp, nftables.unknown("addresses", 1, 14, 4), drop),
        (ours, arp, accept),
        (ours, ipv6, advertisement, nftables.unknown("addresses6", 2, 8, 16), drop),
        (ours, ipv6, nobody, accept),
        (ours, ipv6, nftables.unknown("addresses6", 1, 8, 16), drop),
        (ours, ipv6, accept),
        (ours, drop),
    ]
    return [
        table.set("hardware", 1, _IFNAME << 6 | _HARDWARE, NAMES_LENGTH + 8),
        table.set("addresses", 2, _IFNAME << 6 | _ADDRESS4, NAMES_LENGTH + 4),
        table.set("addresses6", 3, _IFNAME << 6 | _ADDRESS6, NAMES_LENGTH + 16),
        table.chain(chain, "filter", nftables.PREROUTING, _BRIDGE_FILTER),
        *(table.rule(chain, *expressions) for expressions in rules),
    ]
