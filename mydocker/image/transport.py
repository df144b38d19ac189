"""Transport: HTTP to one registry, with its authentication (distribution project, "Token Authentication").

The standard library's client is enough: few calls, bodies streamed both ways, and it costs no dependency (oras and
httpx were looked at: the first reads blobs whole, the second brings a dozen packages for six kinds of request).

What is never done: a credential over plain http to another machine, a credential to a host that a redirect names, a
redirect from https to http, a token asked for at a realm without https.
"""

from __future__ import annotations

import base64
import http.client
import os
import ssl
import threading
import time
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode, urljoin, urlsplit

from mydocker import __version__
from mydocker.errors import MydockerError, RegistryError
from mydocker.image import documents
from mydocker.image.challenge import Challenge, parse_challenge

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mydocker.image.credentials import Credential

_HUB = "docker.io"
_HUB_HOST = "registry-1.docker.io"
_SECONDS = 60.0
_TRIES = 5
_MOST_REDIRECTS = 5
_LARGEST_ERROR = 64 * 1024
_REDIRECTS = (301, 302, 303, 307, 308)
_PASSING = (408, 429, 500, 502, 503, 504)

# What a connection can die of, and another try may mend.
BROKEN = (OSError, http.client.HTTPException)


class Answer(NamedTuple):
    """An answer whose body has not been read. The next request of this thread closes it."""

    status: int
    headers: http.client.HTTPMessage
    body: http.client.HTTPResponse
    url: str

    def read(self, largest: int = documents.LARGEST) -> bytes:
        """Return the whole of a small body."""
        data = self.body.read(largest + 1)
        if len(data) > largest:
            raise RegistryError(f"read {self.url}", f"the answer has more than {largest} bytes")
        return data

    def chunks(self) -> Iterator[bytes]:
        """Yield the body as it comes; raises one of `BROKEN` where the connection ends too early."""
        while chunk := self.body.read(256 * 1024):
            yield chunk


class Transport:
    """HTTP to the registry `domain`. Threads may share it; each has a connection of its own.

    With `insecure`, http is spoken where https is not, and certificates are not checked. `localhost` may always speak
    http, because nobody else hears it.
    """

    def __init__(self, domain: str, credential: Credential | None = None, *, insecure: bool = False) -> None:
        self.domain = domain
        self._host = _HUB_HOST if domain == _HUB else domain
        self._credential = credential
        self._insecure = insecure
        self._local = threading.local()
        self._scheme = "https"
        self._tokens: dict[str, str] = {}
        self._lock = threading.Lock()
        self._connections: list[http.client.HTTPConnection] = []
        self._context = ssl.create_default_context()
        if insecure:
            self._context.check_hostname = False
            self._context.verify_mode = ssl.CERT_NONE

    def request(
        self,
        method: str,
        path: str,
        *,
        scope: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes | Body | None = None,
        accept: tuple[int, ...] = (200,),
    ) -> Answer:
        """Make one request and return its answer; raise `RegistryError` for a status that is not in `accept`.

        Broken connections and answers that say "later" are tried again, unless the body is a file that was sent in
        part: then what broke it is raised, because only the caller knows how to go on.
        """
        for attempt in range(_TRIES):
            try:
                answer = self._authenticated(method, path, scope, dict(headers or {}), body)
            except BROKEN as failed:
                if isinstance(failed, ssl.SSLCertVerificationError) or attempt == _TRIES - 1:
                    raise _unreachable(self.domain, failed) from failed
                if isinstance(body, Body) and body.sent:
                    raise
                time.sleep(0.2 * 2**attempt)
                continue
            if answer.status in accept:
                return answer
            if answer.status not in _PASSING or attempt == _TRIES - 1 or (isinstance(body, Body) and body.sent):
                raise _refused(method, answer)
            time.sleep(_pause(answer, attempt))
        raise AssertionError("unreachable")

    def at_home(self, location: str) -> str:
        """Return the absolute address that a `Location` of this registry means; raise where it leads elsewhere."""
        url = urljoin(f"{self._scheme}://{self._host}/", location)
        parts = urlsplit(url)
        if parts.netloc != self._host or (parts.scheme != self._scheme and parts.scheme != "https"):
            raise RegistryError(f"upload to {self.domain}", f"it sends one elsewhere: {url[:200]}")
        return url

    def close(self) -> None:
        """Close this thread's connections."""
        for connection in vars(self._local).pop("connections", {}).values():
            connection.close()

    def close_all(self) -> None:
        """Close every thread's connections."""
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()

    def _authenticated(
        self, method: str, path: str, scope: str, headers: dict[str, str], body: bytes | Body | None
    ) -> Answer:
        with self._lock:
            authorization = self._tokens.get(scope)
        answer = self._send(method, path, headers, body, authorization)
        if answer.status != 401:
            return answer
        answer.body.read(_LARGEST_ERROR)
        challenge = parse_challenge(answer.headers.get("WWW-Authenticate", ""))
        authorization = self._answer_to(challenge, scope)
        with self._lock:
            self._tokens[scope] = authorization
        if isinstance(body, Body):
            body.rewind()
        return self._send(method, path, headers, body, authorization)

    def _send(
        self, method: str, path: str, headers: dict[str, str], body: bytes | Body | None, authorization: str | None
    ) -> Answer:
        """Send a request and follow redirects: with the credential only while the host stays the same."""
        url = path if "://" in path else f"{self._scheme}://{self._host}{path}"
        for _ in range(_MOST_REDIRECTS):
            own = urlsplit(url).netloc == self._host
            extra = {"Authorization": authorization} if authorization and own else {}
            answer = self._once(method, url, headers | extra, body)
            location = answer.headers.get("Location", "")
            if answer.status not in _REDIRECTS or not location or method not in ("GET", "HEAD"):
                return answer
            answer.body.read(_LARGEST_ERROR)
            url, before = urljoin(url, location), url
            if urlsplit(before).scheme == "https" and urlsplit(url).scheme != "https":
                raise RegistryError(f"follow a redirect of {self.domain}", f"it leads from https to {url[:200]}")
        raise RegistryError(f"follow redirects of {self.domain}", f"there are more than {_MOST_REDIRECTS}")

    def _once(self, method: str, url: str, headers: dict[str, str], body: bytes | Body | None) -> Answer:
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection = self._connection(parts.scheme, parts.netloc)
        common = {"User-Agent": f"mydocker/{__version__}", "Accept-Encoding": "identity"}
        try:
            connection.request(method, target, body=body, headers=common | headers)
            response = connection.getresponse()
        except ssl.SSLError:
            connection.close()
            if not self._falls_back(parts.netloc):
                raise
            self._scheme = "http"
            return self._once(method, url.replace("https://", "http://", 1), headers, body)
        except BROKEN:
            connection.close()
            raise
        return Answer(response.status, response.headers, response, url)

    def _connection(self, scheme: str, netloc: str) -> http.client.HTTPConnection:
        if scheme not in ("https", "http") or (scheme == "http" and not (self._insecure or is_local(netloc))):
            raise RegistryError(
                f"speak {scheme} to {netloc}", "only https is safe", "use --tls-verify=false if you must"
            )
        connections: dict[tuple[str, str], http.client.HTTPConnection]
        connections = self._local.__dict__.setdefault("connections", {})
        connection = connections.get((scheme, netloc))
        if connection is None:
            if scheme == "https":
                connection = http.client.HTTPSConnection(netloc, timeout=_SECONDS, context=self._context)
            else:
                connection = http.client.HTTPConnection(netloc, timeout=_SECONDS)
            connections[scheme, netloc] = connection
            with self._lock:
                self._connections.append(connection)
        elif connection.sock is not None:
            # An answer that was not read to its end would be taken for the next one.
            connection.close()
        return connection

    def _falls_back(self, netloc: str) -> bool:
        return netloc == self._host and self._scheme == "https" and (self._insecure or is_local(netloc))

    def _answer_to(self, challenge: Challenge, scope: str) -> str:
        """Return the Authorization header that a registry asked for."""
        if challenge.scheme == "basic":
            if self._credential is None:
                raise _login_needed(self.domain)
            if self._scheme == "http" and not (self._insecure or is_local(self._host)):
                raise RegistryError(f"log in to {self.domain}", "it asks for a password over plain http")
            return _basic(self._credential)
        if challenge.scheme != "bearer":
            raise RegistryError(f"log in to {self.domain}", f"it asks for {challenge.scheme or 'nothing'!r}")
        return "Bearer " + self._token(challenge, scope)

    def _token(self, challenge: Challenge, scope: str) -> str:
        realm = urlsplit(challenge.realm)
        safe = realm.scheme == "https" or (realm.scheme == "http" and is_local(realm.netloc) and is_local(self._host))
        if not realm.netloc or not (
            safe or (self._insecure and realm.hostname == urlsplit("//" + self._host).hostname)
        ):
            raise RegistryError(f"log in to {self.domain}", f"it sends one for a token to {challenge.realm[:200]!r}")
        query = {"service": challenge.service, "scope": scope or challenge.scope}
        fields = {key: value for key, value in query.items() if value}
        credential = self._credential
        if credential and credential.identity_token:
            form = fields | {
                "grant_type": "refresh_token",
                "refresh_token": credential.identity_token,
                "client_id": "mydocker",
            }
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = self._once("POST", challenge.realm, headers, urlencode(form).encode())
        else:
            join = "&" if realm.query else "?"
            headers = {"Authorization": _basic(credential)} if credential else {}
            answer = self._once("GET", challenge.realm + join + urlencode(fields), headers, None)
        if answer.status != 200:
            raise _login_needed(self.domain) if answer.status in (401, 403) else _refused("GET", answer)
        found = documents.parse_object(answer.read(), f"a token of {realm.netloc}")
        token = documents.text(found, "token") or documents.text(found, "access_token")
        if not token or not token.isascii() or not token.isprintable():
            raise RegistryError(f"log in to {self.domain}", "it gave no token")
        return token


class Body:
    """Part of an open file as a request's body. `sent` counts what was read of it."""

    def __init__(self, fd: int, offset: int, size: int) -> None:
        self._fd = fd
        self._offset = offset
        self._size = size
        self.sent = 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; http.client calls this."""
        data = os.pread(self._fd, min(max(size, 256 * 1024), self._size - self.sent), self._offset + self.sent)
        self.sent += len(data)
        return data

    def rewind(self) -> None:
        """Start anew."""
        self.sent = 0


def is_local(netloc: str) -> bool:
    """Tell whether an address is this machine's own: only then is plain http heard by nobody."""
    host = urlsplit("//" + netloc).hostname or ""
    if host == "localhost" or host.endswith(".localhost") or host == "::1":
        return True
    parts = host.split(".")
    return len(parts) == 4 and parts[0] == "127" and all(part.isdecimal() for part in parts)


def _basic(credential: Credential) -> str:
    return "Basic " + base64.b64encode(f"{credential.user}:{credential.password}".encode()).decode()


def _login_needed(domain: str) -> RegistryError:
    return RegistryError(f"access {domain}", "it wants to know who you are", f"log in with `mydocker login {domain}`")


def _unreachable(domain: str, failed: Exception) -> RegistryError:
    hint = "is it a registry without https? then use --tls-verify=false" if isinstance(failed, ssl.SSLError) else ""
    return RegistryError(f"reach the registry {domain}", str(failed) or type(failed).__name__, hint)


def _pause(answer: Answer, attempt: int) -> float:
    asked = answer.headers.get("Retry-After", "")
    answer.body.read(_LARGEST_ERROR)
    return min(float(asked), 30.0) if asked.isdecimal() else 0.3 * 2**attempt


def _refused(method: str, answer: Answer) -> RegistryError:
    """Say what a registry said (distribution-spec, "Error Codes")."""
    why = f"status {answer.status}"
    try:
        errors = documents.children(documents.parse_object(answer.body.read(_LARGEST_ERROR), "an error"), "errors")
        said = [documents.text(each, "message") or documents.text(each, "code") for each in errors]
        why += "".join(f", {text[:200]}" for text in said if text)
    except (MydockerError, *BROKEN):
        pass  # no answer in the agreed form: the status has to do
    return RegistryError(f"{method} {urlsplit(answer.url)._replace(query='').geturl()}", why)
