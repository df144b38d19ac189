"""Subnets and addresses: arithmetic that a user relies on never to give anything twice."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mydocker.errors import NetworkError, UsageError
from mydocker.network import addresses
from mydocker.network.addresses import Subnet

SUBNETS4 = st.builds(
    lambda base, length: ipaddress.ip_network((base, length), strict=False),
    st.integers(0, 2**32 - 1),
    st.integers(0, 32),
)
SUBNETS6 = st.builds(
    lambda base, length: ipaddress.ip_network((base, length), strict=False),
    st.integers(2**32, 2**128 - 1), st.integers(0, 128),
)  # fmt: skip


@given(SUBNETS4 | SUBNETS6)
def test_a_subnet_is_read_and_written_as_the_standard_library_does(network: ipaddress.IPv4Network) -> None:
    subnet = Subnet.parse(str(network))
    assert str(subnet) == str(network)
    assert (subnet.base, subnet.last) == (int(network.network_address), int(network.broadcast_address))


@given(SUBNETS4, SUBNETS4)
def test_overlap_is_what_the_standard_library_says(one: ipaddress.IPv4Network, two: ipaddress.IPv4Network) -> None:
    assert Subnet.parse(str(one)).overlaps(Subnet.parse(str(two))) == one.overlaps(two)


@given(SUBNETS4)
def test_hosts_are_those_of_the_standard_library(network: ipaddress.IPv4Network) -> None:
    first, last = Subnet.parse(str(network)).hosts
    if network.prefixlen < 31:
        assert first == int(network.network_address) + 1
        assert last == int(network.broadcast_address) - 1
    else:
        assert (first, last) == (int(network.network_address), int(network.broadcast_address))


@pytest.mark.parametrize(
    "text", ["", "10.0.0.0", "10.0.0.0/33", "10.0.0/8", "fd00::/129", "x/8", "10.0.0.0/-1", "::/٣"]
)
def test_what_is_no_subnet_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--subnet"):
        Subnet.parse(text)


@given(st.integers(24, 31), st.sets(st.integers(0, 255)), st.integers(0, 300))
def test_the_next_address_is_free_and_in_the_pool(length: int, taken_offsets: set[int], after: int) -> None:
    subnet = Subnet.parse("10.72.0.0/24")
    pool = Subnet(subnet.base, length)
    taken = {subnet.base + offset for offset in taken_offsets}
    usable = [
        address for address in range(pool.base, pool.last + 1)
        if address not in taken and subnet.hosts[0] <= address <= subnet.hosts[1]
    ]  # fmt: skip
    if usable:
        assert addresses.next_free(pool, subnet, taken, subnet.base + after) in usable
    else:
        with pytest.raises(NetworkError, match="no address left"):
            addresses.next_free(pool, subnet, taken, subnet.base + after)


def test_addresses_go_round_before_one_comes_again() -> None:
    subnet = Subnet.parse("10.72.0.0/29")
    given_out, last = [], 0
    for _ in range(6):
        last = addresses.next_free(subnet, subnet, (), last)
        given_out.append(last - subnet.base)
    assert given_out == [1, 2, 3, 4, 5, 6]
    assert addresses.next_free(subnet, subnet, (), last) == subnet.base + 1


def test_the_default_pool_avoids_what_is_in_use() -> None:
    used = [(Subnet.parse("10.72.0.0/23"), "one"), (Subnet.parse("10.72.2.128/25"), "two")]
    assert str(addresses.choose(used)) == "10.72.3.0/24"
    assert str(addresses.choose([])) == "10.72.0.0/24"
    with pytest.raises(NetworkError, match="default pool"):
        addresses.choose([(Subnet.parse("10.0.0.0/8"), "all")])


def test_the_clash_is_named() -> None:
    others = [(Subnet.parse("10.0.0.0/24"), "a route"), (Subnet.parse("10.72.0.0/16"), "the network x")]
    assert addresses.clash(Subnet.parse("10.72.5.0/24"), others) == "10.72.0.0/16, the network x"
    assert addresses.clash(Subnet.parse("fd00::/64"), others) == ""


@given(st.binary(min_size=7, max_size=7))
def test_a_chosen_ipv6_subnet_is_unique_local(random: bytes) -> None:
    network = ipaddress.ip_network(str(addresses.unique_local(random)))
    assert network.prefixlen == 64
    assert network.subnet_of(ipaddress.ip_network("fd00::/8"))  # type: ignore[arg-type]
