"""What `network create` makes of its words."""

from __future__ import annotations

import json

import pytest

from mydocker.errors import NetworkError, UsageError
from mydocker.network.addresses import Subnet
from mydocker.network.definition import Definition, Request, define

IDENTIFIER = "0123456789abcdef" * 4


def make(**words: object) -> Definition:
    return define(Request("one", **words), [], IDENTIFIER, 1.0)  # type: ignore[arg-type]


def test_without_words_it_is_the_first_subnet_of_the_pool() -> None:
    made = make()
    assert [str(each.subnet) for each in made.ranges] == ["10.72.0.0/24"]
    assert made.ranges[0].show(made.ranges[0].gateway) == "10.72.0.1"
    assert (made.mtu, made.internal, made.bridge) == (1500, False, "mdk-0123456789")


def test_ipv6_gets_a_unique_local_subnet_or_the_one_that_is_named() -> None:
    assert str(make(ipv6=True).ranges[1].subnet).startswith("fd")
    assert str(make(subnets=("fd00:1::/64",)).ranges[1].subnet) == "fd00:1::/64"


def test_it_is_read_as_it_was_written() -> None:
    made = make(
        subnets=("10.1.0.0/16", "fd00:1::/64"), gateways=("10.1.0.9",), ip_ranges=("10.1.5.0/24",), labels=("a=b",)
    )
    assert Definition.decode(json.loads(json.dumps(made.encode()))) == made


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"name": "a b"}, "cannot be a network's name"),
        ({"name": "host"}, "cannot be a network's name"),
        ({"name": "../x"}, "cannot be a network's name"),
        ({"driver": "overlay"}, "unknown driver"),
        ({"subnets": ("10.1.0.0/24", "10.2.0.0/24")}, "one subnet of each family"),
        ({"subnets": ("10.1.0.0/32",)}, "too small"),
        ({"subnets": ("0.0.0.0/8",)}, "not a subnet that hosts can have"),
        ({"subnets": ("127.0.0.0/24",)}, "not a subnet that hosts can have"),
        ({"subnets": ("224.0.0.0/24",)}, "not a subnet that hosts can have"),
        ({"subnets": ("ff02::/64",)}, "not a subnet that hosts can have"),
        ({"subnets": ("10.1.0.0/24",), "gateways": ("10.2.0.1",)}, "not an address of the subnet 10.1.0.0/24"),
        ({"subnets": ("10.1.0.0/24",), "gateways": ("10.1.0.255",)}, "not an address of the subnet"),
        ({"subnets": ("10.1.0.0/24",), "gateways": ("10.1.0.1", "10.1.0.2")}, "given twice"),
        ({"subnets": ("10.1.0.0/24",), "ip_ranges": ("10.1.0.0/16",)}, "not a part of the subnet"),
        ({"ip_ranges": ("fd00::/80",)}, "of that family"),
        ({"mtu": 60}, "not a size that packets can have"),
        ({"mtu": 1000, "ipv6": True}, "1280 to 65535"),
    ],
)
def test_what_cannot_be_meant_is_refused(words: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError) as raised:
        define(Request(**{"name": "one", **words}), [], IDENTIFIER, 1.0)  # type: ignore[arg-type]
    assert said in " ".join(raised.value.lines())


def test_a_subnet_in_use_is_refused_by_name() -> None:
    others = [(Subnet.parse("10.0.0.0/8"), "the network big")]
    with pytest.raises(NetworkError, match=r"10.5.0.0/24: it overlaps 10.0.0.0/8, the network big"):
        define(Request("one", subnets=("10.5.0.0/24",)), others, IDENTIFIER, 1.0)
