"""Leases: any order of joining and leaving, no address twice."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mydocker.errors import Busy, NetworkError, UsageError
from mydocker.network.definition import Definition, Request, define
from mydocker.network.leases import Leases, Wish, check_mac


def network(*subnets: str, **more: object) -> Definition:
    return define(Request("one", subnets=subnets or ("10.72.0.0/28",), **more), [], "ab" * 32, 1.0)  # type: ignore[arg-type]


def container(number: int) -> str:
    return f"{number:08x}" * 8


@settings(max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 20)), max_size=60))
def test_no_address_is_ever_given_twice(moves: list[tuple[bool, int]]) -> None:
    definition, leases = network(), Leases()
    for joins, number in moves:
        if not joins:
            leases = leases.release(container(number))
        elif leases.of(container(number)) is None:
            if len(leases.endpoints) == 13:
                with pytest.raises(NetworkError, match="no address left"):
                    leases.lease(definition, container(number), Wish("one"))
                continue
            leases, _ = leases.lease(definition, container(number), Wish("one"))
        held = [each.address for each in leases.endpoints]
        assert len(set(held)) == len(held)
        assert "10.72.0.1" not in held
        assert len({each.mac for each in leases.endpoints}) == len(held)
        assert Leases.decode(json.loads(json.dumps(leases.encode()))) == leases


def test_an_address_that_is_asked_for_is_given_or_refused() -> None:
    definition = network("10.72.0.0/28", "fd00:1::/64")
    leases, made = Leases().lease(definition, container(1), Wish("one", "10.72.0.9", "fd00:1::9"))
    assert (made.address, made.address6, made.mac) == ("10.72.0.9", "fd00:1::9", "02:42:0a:48:00:09")
    with pytest.raises(NetworkError, match=r"10.72.0.9: container 000000010000 has it"):
        leases.lease(definition, container(2), Wish("one", "10.72.0.9"))
    with pytest.raises(NetworkError, match="gateway"):
        leases.lease(definition, container(2), Wish("one", "10.72.0.1"))
    with pytest.raises(UsageError, match="not in the subnet"):
        leases.lease(definition, container(2), Wish("one", "10.73.0.1"))
    with pytest.raises(Busy, match="already"):
        leases.lease(definition, container(1), Wish("one"))
    with pytest.raises(UsageError, match="no IPv6"):
        leases.lease(network(), container(3), Wish("one", "", "fd00:1::3"))


def test_addresses_come_from_the_range_that_was_named() -> None:
    definition = network("10.72.0.0/24", ip_ranges=("10.72.0.128/30",), gateways=("10.72.0.129",))
    leases = Leases()
    for number in range(1, 4):
        leases, _ = leases.lease(definition, container(number), Wish("one"))
    assert [each.address for each in leases.endpoints] == ["10.72.0.128", "10.72.0.130", "10.72.0.131"]


def test_names_of_links_fit_the_kernel() -> None:
    _, made = Leases().lease(network(), container(7), Wish("one"))
    assert len(made.device) == 15
    assert made.interface.startswith("cif-")
    assert len(made.interface) == 9
    _, other = Leases().lease(network(), container(7), Wish("one"), frozenset({made.interface}))
    assert other.interface != made.interface


@pytest.mark.parametrize("text", ["", "x", "02:42", "01:00:5e:00:00:01", "00:00:00:00:00:00", "02:42:0a:48:00:0g"])
def test_what_is_no_hardware_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--mac-address"):
        check_mac(text)


def test_a_hardware_address_is_written_in_one_way() -> None:
    assert check_mac("02-42-0A-48-00-02") == "02:42:0a:48:00:02"
