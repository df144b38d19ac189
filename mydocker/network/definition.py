"""What a network is: facts that are fixed when it is created, as they lie in its file."""

from __future__ import annotations

from mydocker.errors import NetworkError, UsageError
from mydocker.network import addresses
from mydocker.network.addresses import Subnet
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any

BRIDGE = "bridge"
_SMALLEST_MTU, _LARGEST_MTU, _SMALLEST_MTU6 = 68, 65535, 1280  # RFC 791, RFC 8200 section 5
_NAME_FIRST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_NAME_REST = _NAME_FIRST | frozenset("_.-")
_RESERVED = frozenset({"none", "host", "default", "container"})  # words of `run -net`


class Range(NamedTuple):
    """The addresses of one family: the subnet, the bridge's own address, and where containers' addresses come from."""

    subnet: Subnet
    gateway: int
    pool: Subnet

    @property
    def bits(self) -> int:
        """32 for IPv4, 128 for IPv6."""
        return self.subnet.bits

    def show(self, address: int) -> str:
        """Return an address of this family as text."""
        return addresses.show(address, self.subnet.bits)


class Definition(NamedTuple):
    """One network. `id` is random, so the names of its links differ from those of all other stores.

    `ranges` has one range for IPv4 and at most one for IPv6. `created` is in seconds since the epoch.
    """

    id: str
    name: str
    created: float
    ranges: tuple[Range, ...]
    driver: str = BRIDGE
    internal: bool = False
    mtu: int = 1500
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def bridge(self) -> str:
        """The name of its bridge, which is also the name of its tables of filters."""
        return f"mdk-{self.id[:10]}"

    @property
    def prefix(self) -> str:
        """What the names of its links outside of containers begin with."""
        return f"m{self.id[:6]}"

    def device(self, container: str) -> str:
        """Return the name of the end of a container's link that is on the bridge (15 characters, the kernel's most)."""
        return f"{self.prefix}{container[:8]}"

    def range(self, bits: int) -> Range | None:
        """Return the range of a family."""
        return next((each for each in self.ranges if each.bits == bits), None)

    def encode(self) -> dict[str, Any]:
        """Return it as JSON values."""
        ranges = [
            {"subnet": str(each.subnet), "gateway": each.show(each.gateway), "ip_range": str(each.pool)}
            for each in self.ranges
        ]
        return {**self._asdict(), "ranges": ranges}

    @classmethod
    def decode(cls, facts: dict[str, Any]) -> Definition:
        """Return the network that `encode` described; fields of newer versions are left out."""
        known = {key: value for key, value in facts.items() if key in cls._fields}
        known["ranges"] = tuple(
            Range(Subnet.parse(each["subnet"]), addresses.parse(each["gateway"])[0], Subnet.parse(each["ip_range"]))
            for each in facts["ranges"]
        )
        known["labels"] = tuple((key, value) for key, value in facts["labels"])
        return cls(**known)


class Request(NamedTuple):
    """What `network create` is asked for, as words; what is empty is chosen."""

    name: str
    driver: str = BRIDGE
    subnets: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    ip_ranges: tuple[str, ...] = ()
    ipv6: bool = False
    internal: bool = False
    mtu: int = 0
    labels: tuple[str, ...] = ()


def is_name(text: str) -> bool:
    """Tell whether a network may be called so."""
    return bool(text) and text[0] in _NAME_FIRST and _NAME_REST.issuperset(text) and len(text) <= 64


def define(request: Request, others: list[tuple[Subnet, str]], identifier: str, created: float) -> Definition:
    """Return the network that was asked for. `others` are the subnets in use and who uses them.

    Raise UsageError, or NetworkError when a subnet is in use already.
    """
    if not is_name(request.name) or request.name in _RESERVED:
        raise UsageError(
            f"{request.name!r} cannot be a network's name", hint="letters, digits, and after the first one also _ . -"
        )
    if request.driver != BRIDGE:
        raise UsageError(f"--driver {request.driver}", "unknown driver", "bridge is the one that there is")
    ranges = _ranges(request, others, identifier)
    return Definition(
        identifier,
        request.name,
        created,
        ranges,
        internal=request.internal,
        mtu=_mtu(request.mtu, has_ipv6=len(ranges) > 1),
        labels=tuple((key, value) for key, _, value in (text.partition("=") for text in request.labels)),
    )


def _mtu(asked: int, has_ipv6: bool) -> int:
    smallest = _SMALLEST_MTU6 if has_ipv6 else _SMALLEST_MTU
    if asked and not smallest <= asked <= _LARGEST_MTU:
        raise UsageError(f"--mtu {asked}", "not a size that packets can have", f"{smallest} to {_LARGEST_MTU} bytes")
    return asked or 1500


def _for_hosts(subnet: Subnet) -> bool:
    """Tell whether machines may have addresses of a subnet: not 0/8, 127/8, 224/4 and above; not ::/8, ff00::/8."""
    first = subnet.base >> (subnet.bits - 8)
    return first not in (0, 127) and first < 224 if subnet.bits == 32 else first not in (0, 0xFF)


def _ranges(request: Request, others: list[tuple[Subnet, str]], identifier: str) -> tuple[Range, ...]:
    subnets: dict[int, Subnet] = {}
    for text in request.subnets:
        subnet = Subnet.parse(text)
        if subnet.bits in subnets:
            raise UsageError(f"--subnet {text}", "a network has one subnet of each family")
        if subnet.hosts[1] - subnet.hosts[0] < 1:
            raise UsageError(f"--subnet {text}", "too small", "there has to be room for the bridge and a container")
        if not _for_hosts(subnet):
            raise UsageError(f"--subnet {text}", "not a subnet that hosts can have (RFC 1122, 3.2.1.3; RFC 4291, 2.4)")
        if found := addresses.clash(subnet, others):
            raise NetworkError(
                f"cannot use the subnet {subnet}", f"it overlaps {found}", "choose another with --subnet"
            )
        subnets[subnet.bits] = subnet
    if 32 not in subnets:
        subnets[32] = addresses.choose(others)
    if request.ipv6 and 128 not in subnets:
        subnets[128] = addresses.unique_local(bytes.fromhex(identifier[-14:]))
    gateways = _per_family(request.gateways, "--gateway", subnets)
    pools = _pools(request.ip_ranges, subnets)
    return tuple(
        Range(subnet, gateways.get(bits, subnet.hosts[0]), pools.get(bits, subnet))
        for bits, subnet in sorted(subnets.items())
    )


def _per_family(texts: tuple[str, ...], flag: str, subnets: dict[int, Subnet]) -> dict[int, int]:
    found: dict[int, int] = {}
    for text in texts:
        address, bits = addresses.parse(text, f"{flag} {text}")
        subnet = subnets.get(bits)
        if subnet is None or not subnet.hosts[0] <= address <= subnet.hosts[1]:
            raise UsageError(f"{flag} {text}", f"not an address of the subnet {subnet or 'of that family'}")
        if bits in found:
            raise UsageError(f"{flag} {text}", "given twice")
        found[bits] = address
    return found


def _pools(texts: tuple[str, ...], subnets: dict[int, Subnet]) -> dict[int, Subnet]:
    found: dict[int, Subnet] = {}
    for text in texts:
        pool = Subnet.parse(text, "--ip-range")
        subnet = subnets.get(pool.bits)
        if subnet is None or not (subnet.holds(pool.base) and subnet.holds(pool.last)):
            raise UsageError(f"--ip-range {text}", f"not a part of the subnet {subnet or 'of that family'}")
        if pool.bits in found:
            raise UsageError(f"--ip-range {text}", "given twice")
        found[pool.bits] = pool
    return found
