"""Published ports in words, as `-p` and EXPOSE have them, and what they mean."""

from __future__ import annotations

from mydocker.errors import UsageError
from mydocker.values import NamedTuple

TCP, UDP = "tcp", "udp"
ANY_PORT = 0
_LARGEST = 65535
_FORM = "[ADDRESS:][HOST[-END]:]CONTAINER[-END][/tcp|udp]"


class Publish(NamedTuple):
    """A port of a container that is asked to be reachable on the host.

    `address` is the host's, "" for all of both families. The host's port is any free one from `first` to `last`, or any
    at all if they are 0.
    """

    address: str
    first: int
    last: int
    container: int
    protocol: str = TCP

    def __str__(self) -> str:
        """Return the word that `parse` takes for it."""
        host = "" if self.first == ANY_PORT else f"{self.first}-{self.last}" if self.last > self.first else self.first
        head = f"{shown(self.address)}:{host}:" if self.address else f"{host}:" if host else ""
        return f"{head}{self.container}/{self.protocol}"


class Published(NamedTuple):
    """A port of the host that leads to a container's; `name` and `place` are its two ends."""

    address: str
    port: int
    container: int
    protocol: str = TCP

    def __str__(self) -> str:
        """The way docker's `ps` writes it: `0.0.0.0:8080->80/tcp`."""
        return f"{self.place}->{self.name}"

    @property
    def name(self) -> str:
        """The container's end: `80/tcp`."""
        return f"{self.container}/{self.protocol}"

    @property
    def place(self) -> str:
        """The host's end: `0.0.0.0:8080`."""
        return f"{shown(self.address)}:{self.port}"


def shown(address: str) -> str:
    """Return an address as it is written before a port: IPv6 in brackets."""
    return f"[{address}]" if ":" in address else address


def parse(text: str, flag: str = "-p") -> tuple[Publish, ...]:
    """Return what `[ADDRESS:][HOST[-END]:]CONTAINER[-END][/tcp|udp]` asks for, a value for each port of the container.

    Ranges go side by side and are of one length, but a range of the host for a single port means any one of it. Without
    HOST a free port is found. Raise UsageError.
    """
    rest, _, protocol = text.partition("/")
    protocol = protocol.lower() or TCP
    if protocol not in (TCP, UDP):
        raise UsageError(f"{flag} {text}", f"protocol {protocol} cannot be forwarded", "tcp and udp can")
    address, host, container = _parts(rest, text, flag)
    first, last = _range(container, text, flag)
    if first == ANY_PORT:
        raise UsageError(f"{flag} {text}", "a container has no port 0")
    if host in ("", "0"):
        return tuple(Publish(address, ANY_PORT, ANY_PORT, port, protocol) for port in range(first, last + 1))
    low, high = _range(host, text, flag)
    if first == last:
        return (Publish(address, low, high, first, protocol),)
    if high - low != last - first:
        raise UsageError(f"{flag} {text}", "the two ranges differ in length")
    return tuple(Publish(address, low + i, low + i, first + i, protocol) for i in range(last - first + 1))


def _parts(rest: str, text: str, flag: str) -> tuple[str, str, str]:
    """Split into the host's address, its port and the container's."""
    head, _, container = rest.rpartition(":")
    address, _, host = head.rpartition(":")
    if ("[" in head or ":" in address) and not (address.startswith("[") and address.endswith("]")):
        raise UsageError(f"{flag} {text}", f"not of the form {_FORM}", "an IPv6 address is written in brackets")
    return (_address(address, text, flag) if address else ""), host, container


def _address(word: str, text: str, flag: str) -> str:
    """Return an IP address in its shortest form."""
    import _socket

    inner = word.strip("[]")
    family = _socket.AF_INET6 if word.startswith("[") else _socket.AF_INET
    try:
        return _socket.inet_ntop(family, _socket.inet_pton(family, inner))
    except (OSError, ValueError):
        raise UsageError(f"{flag} {text}", f"{inner} is not an IP address", f"the form is {_FORM}") from None


def _range(word: str, text: str, flag: str) -> tuple[int, int]:
    low, dash, high = word.partition("-")
    if not _is_port(low) or (dash and not _is_port(high)):
        raise UsageError(f"{flag} {text}", f"{word!r} is no port", f"the form is {_FORM}")
    first = int(low)
    last = int(high) if dash else first
    if last < first or (dash and first == ANY_PORT):
        raise UsageError(f"{flag} {text}", f"{word} is no range of ports")
    return first, last


def _is_port(word: str) -> bool:
    return word.isascii() and word.isdecimal() and len(word) <= 5 and int(word) <= _LARGEST


def parse_all(words: tuple[str, ...], exposed: tuple[str, ...] = ()) -> tuple[Publish, ...]:
    """Return what all `-p` ask for, and a free port for each of `exposed` (`80/tcp`, with -P) that none of them is for.

    Raise UsageError, also where two ask for the same port of the host.
    """
    asked = [publish for word in words for publish in parse(word)]
    for publish in asked:
        alike = [each for each in asked if _clash(publish, each)]
        if len(alike) > 1:
            where = f"{shown(publish.address or '0.0.0.0')}:{publish.first}/{publish.protocol}"
            raise UsageError(f"-p {' -p '.join(words)}", f"port {where} of the host is asked for twice")
    have = {(publish.container, publish.protocol) for publish in asked}
    every = [publish for word in exposed for publish in parse(word, "-P")]
    return (*asked, *(each for each in every if (each.container, each.protocol) not in have))


def _clash(one: Publish, other: Publish) -> bool:
    same_port = one.first == one.last == other.first == other.last != ANY_PORT
    return same_port and one.protocol == other.protocol and one.address in (other.address, "")


class Target(NamedTuple):
    """Where `portmap forward` sends connections to."""

    address: str
    port: int


def parse_forward(text: str) -> tuple[Publish, Target]:
    """Return what `[ADDRESS:]PORT:TARGET:PORT[/tcp|udp]` asks for, as in `8080:10.72.0.2:80`. Raise UsageError.

    The `container` of the result is the target's port.
    """
    form = "[ADDRESS:]PORT:TARGET:PORT[/tcp|udp]"
    rest, slash, protocol = text.partition("/")
    head, _, port = rest.rpartition(":")
    if head.endswith("]"):
        host, _, inner = head.rpartition(":[")
        target = f"[{inner}"
    else:
        host, _, target = head.rpartition(":")
    if not host or not target:
        raise UsageError(f"-p {text}", f"not of the form {form}", "as in -p 8080:10.72.0.2:80")
    address = _address(target, text, "-p")
    (publish, *more) = parse(f"{host}:{port}{slash}{protocol}")
    if more or publish.first != publish.last or publish.first == ANY_PORT:
        raise UsageError(f"-p {text}", "name one port of the host", f"the form is {form}")
    return publish, Target(address, publish.container)
