"""Addresses as numbers: subnets, who has which, and which one is next. Pure arithmetic, both families alike."""

from __future__ import annotations

import _socket

from mydocker.errors import NetworkError, UsageError
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

# Where subnets come from when nobody names one: 2048 networks of 253 containers each. The seed's example is the first.
_POOL, _POOL_LENGTH, _SHARE = (10 << 24) + (72 << 16), 13, 24
_SHARE6 = 64


class Subnet(NamedTuple):
    """A range of addresses: the first one as a number, the length of the prefix, 32 or 128 bits."""

    base: int
    length: int
    bits: int = 32

    @classmethod
    def parse(cls, text: str, flag: str = "--subnet") -> Subnet:
        """Return the subnet for `10.72.0.0/24` or `fd00::/64`; bits below the prefix are forgiven. Raise UsageError."""
        address, slash, length = text.partition("/")
        number, bits = parse(address, f"{flag} {text}")
        if not slash or not (length.isascii() and length.isdecimal()) or int(length) > bits:
            raise UsageError(f"{flag} {text}", "not a subnet", "as in 10.72.0.0/24")
        keep = bits - int(length)
        return cls(number >> keep << keep, int(length), bits)

    def __str__(self) -> str:
        return f"{show(self.base, self.bits)}/{self.length}"

    @property
    def last(self) -> int:
        """The last address, which IPv4 broadcasts to."""
        return self.base + (1 << self.bits - self.length) - 1

    @property
    def hosts(self) -> tuple[int, int]:
        """The first and the last address that a host may have (RFC 3021 for /31; IPv6 knows no broadcast)."""
        if self.bits - self.length <= 1:
            return self.base, self.last
        return self.base + 1, self.last - (1 if self.bits == 32 else 0)

    def overlaps(self, other: Subnet) -> bool:
        """Tell whether an address belongs to both."""
        return self.bits == other.bits and self.base <= other.last and other.base <= self.last

    def holds(self, address: int) -> bool:
        """Tell whether an address belongs to it."""
        return self.base <= address <= self.last


def parse(text: str, flag: str = "") -> tuple[int, int]:
    """Return an address as number and its bits, 32 or 128. Raise UsageError, whose message begins with `flag`."""
    try:
        packed = _socket.inet_pton(_socket.AF_INET6 if ":" in text else _socket.AF_INET, text)
    except (OSError, ValueError):
        raise UsageError(flag or text, "not an address", "as in 10.72.0.2 or fd00::2") from None
    return int.from_bytes(packed, "big"), len(packed) * 8


def show(address: int, bits: int) -> str:
    """Return an address as text."""
    family = _socket.AF_INET if bits == 32 else _socket.AF_INET6
    return _socket.inet_ntop(family, address.to_bytes(bits // 8, "big"))


def next_free(pool: Subnet, subnet: Subnet, taken: Collection[int], after: int = 0) -> int:
    """Return the first free address of `pool` behind `after`, from its beginning again at its end.

    Going round keeps an address unused for a while after it was returned. Network and broadcast address of `subnet`
    are never given. Raise NetworkError when all are taken.
    """
    first, last = max(pool.base, subnet.hosts[0]), min(pool.last, subnet.hosts[1])
    start = after + 1 if first <= after < last else first
    for begin, end in ((start, last), (first, start - 1)):
        address = begin
        while address <= end:
            if address not in taken:
                return address
            address += 1
    raise NetworkError(
        f"no address left in {pool}", f"all {max(last - first + 1, 0)} are taken", "a larger --subnet or --ip-range"
    )


def clash(subnet: Subnet, others: Iterable[tuple[Subnet, str]]) -> str:
    """Return the description of the first of `others` that shares an address with `subnet`, "" for none."""
    return next((f"{other}, {owner}" for other, owner in others if other.overlaps(subnet)), "")


def choose(others: Iterable[tuple[Subnet, str]]) -> Subnet:
    """Return the first subnet of the default pool that overlaps none of `others`. Raise NetworkError."""
    known = [other for other, _ in others if other.bits == 32]
    for number in range(1 << _SHARE - _POOL_LENGTH):
        subnet = Subnet(_POOL + (number << 32 - _SHARE), _SHARE)
        if not any(other.overlaps(subnet) for other in known):
            return subnet
    raise NetworkError("no subnet left in the default pool", f"all of {Subnet(_POOL, _POOL_LENGTH)} is in use",
                       "name one with --subnet")  # fmt: skip


def unique_local(random: bytes) -> Subnet:
    """Return a /64 below fd00::/8 made of seven random bytes: global id and subnet id (RFC 4193, section 3.1)."""
    return Subnet(int.from_bytes(b"\xfd" + random[:7], "big") << 64, _SHARE6, 128)
