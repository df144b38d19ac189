"""Fetching a URL into the store, for ADD.

A server is believed no further than its own bytes: a redirect is followed to http and https only, never to a
link-local address (where clouds keep their credentials; checked at the connection itself, so that no name and no name
server can hide it), and a password meant for one server is sent to no other.
"""

from __future__ import annotations

import base64
import http.client
import ipaddress
import socket
import urllib.error
import urllib.parse
import urllib.request
from typing import IO, TYPE_CHECKING

from mydocker.errors import BuildFailed
from mydocker.events import Progress

if TYPE_CHECKING:
    from collections.abc import Callable
    from http.client import HTTPMessage, HTTPResponse

    from mydocker.events import Reporter
    from mydocker.image.digest import Digest
    from mydocker.image.store import ImageStore

_BLOCK = 1 << 20
_SECONDS = 60


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https only: whatever a server says, no file: or ftp: is opened for it."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        if not newurl.startswith(("http://", "https://")):
            raise BuildFailed(f"cannot fetch {req.full_url}", f"it sends us to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Plain(http.client.HTTPConnection):
    def connect(self) -> None:
        _connect(self, super().connect)


class _Encrypted(http.client.HTTPSConnection):
    def connect(self) -> None:
        _connect(self, super().connect)


def _connect(connection: http.client.HTTPConnection, connect: Callable[[], None]) -> None:
    """Connect, and refuse link-local addresses: before, to touch nothing, and after, as names change their meaning."""
    found = socket.getaddrinfo(connection.host, connection.port, type=socket.SOCK_STREAM)
    _refuse_link_local(connection.host, *(str(each[4][0]) for each in found))
    connect()
    _refuse_link_local(connection.host, connection.sock.getpeername()[0])


def _refuse_link_local(host: str, *addresses: str) -> None:
    for text in addresses:
        address = ipaddress.ip_address(text.partition("%")[0])
        if (getattr(address, "ipv4_mapped", None) or address).is_link_local:
            raise BuildFailed(f"cannot fetch from {host}", f"a redirect leads to the link-local address {text}")


class _Http(urllib.request.HTTPHandler):
    """Opens http: addresses; one to which a redirect led (urllib calls it unverifiable) must not be link-local."""

    def http_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(_Plain if req.unverifiable else http.client.HTTPConnection, req)


class _Https(urllib.request.HTTPSHandler):
    """Opens https: addresses, as `_Http`."""

    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(_Encrypted if req.unverifiable else http.client.HTTPSConnection, req)


def download(source: str, store: ImageStore, reporter: Reporter) -> Digest:
    """Fetch `source` into a blob of the store and return its digest; a transfer that is cut short leaves nothing.

    A name and password in the address are sent to that server alone.
    """
    opener = urllib.request.build_opener(_Redirects, _Http, _Https)
    try:
        request = _request(source)
        with opener.open(request, timeout=_SECONDS) as answer, store.blobs.writer() as writer:
            total = int(answer.headers.get("Content-Length") or 0)
            done = 0
            while block := answer.read(_BLOCK):
                writer.write(block)
                done += len(block)
                reporter(Progress(f"download {request.full_url}", done, total))
            if total and done != total:
                raise BuildFailed(f"cannot fetch {source}", f"the connection ended after {done} of {total} bytes")
            return writer.commit()
    except (urllib.error.URLError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise BuildFailed(f"cannot fetch {source}", str(reason), "is the address right, and the network up?") from error


def _request(source: str) -> urllib.request.Request:
    parts = urllib.parse.urlsplit(source)
    login, at, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(
        urllib.parse.urlunsplit(parts._replace(netloc=host)), headers={"User-Agent": "mydocker"}
    )
    if at:
        word = base64.b64encode(urllib.parse.unquote(login).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {word}")
    return request
