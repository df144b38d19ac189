"""Taking ports of the host: sockets bound to what was asked for, all of it or nothing."""

from __future__ import annotations

import _socket
import errno
import os

from mydocker.errors import NetworkError
from mydocker.network.forwarding.tcp import BACKLOG
from mydocker.network.portmap.ports import ANY_PORT, TCP, shown
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from mydocker.network.portmap.ports import Publish

ANY4, ANY6 = "0.0.0.0", "::"
_KEEPALIVE = 60  # seconds of silence after which a client is asked whether it is still there
_TRIES = 32  # how many free ports may turn out to be taken for the other family
_HINTS = {
    errno.EADDRNOTAVAIL: "the host has no such address: `ip address` shows those that it has",
    errno.EACCES: "the low ports are root's (net.ipv4.ip_unprivileged_port_start)",
}
_NO_SUCH_FAMILY = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


class Bound(NamedTuple):
    """A port that is ours: the address, the port, and its socket, not blocking, listening if it is TCP."""

    address: str
    port: int
    socket: _socket.socket


def bind(publish: Publish, owner_of: Callable[[str, int, str], str]) -> tuple[Bound, ...]:
    """Take the port that is asked for, of both families where no address is named and the host has both.

    `owner_of(address, port, protocol)` names who of ours has a port, for the message. Raise NetworkError.
    """
    if publish.first == ANY_PORT:
        return _bind_any(publish)
    for port in range(publish.first, publish.last + 1):
        try:
            return _bind_all(publish, port)
        except OSError as err:
            failed = err
            if err.errno != errno.EADDRINUSE:
                break
    raise _error(publish, failed, owner_of)


def _bind_any(publish: Publish) -> tuple[Bound, ...]:
    failed = OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
    for _ in range(_TRIES):
        try:
            return _bind_all(publish, ANY_PORT)
        except OSError as err:
            failed = err
            if err.errno != errno.EADDRINUSE:
                break
    raise _error(publish, failed, lambda *_: "")


def _bind_all(publish: Publish, port: int) -> tuple[Bound, ...]:
    """Take the port on every address; the first socket decides which one it is when any will do."""
    bound: list[Bound] = []
    try:
        for address in (publish.address,) if publish.address else (ANY4, ANY6):
            try:
                made = _socket_on(address, port, publish.protocol)
            except OSError as err:
                if bound and err.errno in _NO_SUCH_FAMILY:  # a host without IPv6
                    continue
                raise
            port = made.getsockname()[1]
            bound.append(Bound(address, port, made))
    except OSError:
        for each in bound:
            each.socket.close()
        raise
    return tuple(bound)


def _socket_on(address: str, port: int, protocol: str) -> _socket.socket:
    family = _socket.AF_INET6 if ":" in address else _socket.AF_INET
    kind = _socket.SOCK_STREAM if protocol == TCP else _socket.SOCK_DGRAM
    made = _socket.socket(family, kind | _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC, 0)
    try:
        if family == _socket.AF_INET6:
            made.setsockopt(_socket.IPPROTO_IPV6, _socket.IPV6_V6ONLY, 1)
        if protocol == TCP:
            # Connections inherit all of these from the listener (tcp(7)).
            made.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
            made.setsockopt(_socket.SOL_SOCKET, _socket.SO_KEEPALIVE, 1)
            made.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_KEEPIDLE, _KEEPALIVE)
            made.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_KEEPINTVL, _KEEPALIVE)
            made.setsockopt(_socket.SOL_SOCKET, _socket.SO_OOBINLINE, 1)
            made.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        made.bind((address, port))
        if protocol == TCP:
            made.listen(BACKLOG)
    except BaseException:
        made.close()
        raise
    return made


def _error(publish: Publish, failed: OSError, owner_of: Callable[[str, int, str], str]) -> NetworkError:
    port = f"{publish.first}-{publish.last}" if publish.last > publish.first else str(publish.first)
    what = f"cannot take port {shown(publish.address or ANY4)}:{port}/{publish.protocol} of the host"
    if failed.errno == errno.EADDRINUSE:
        owner = owner_of(publish.address, publish.first, publish.protocol)
        why = f"{owner} has it" if owner else "another process has it"
        return NetworkError(what, why, "choose another one, or leave the host's port out to get any: -p CONTAINER-PORT")
    hint = _HINTS.get(failed.errno or 0, "")
    return NetworkError(what, (failed.strerror or str(failed)).lower(), hint)
