"""The control socket: JSON lines between commands and the service, for the store's owner only.

A request is one line, `{"version": 1, "do": "list", ...}`; the answer is one line, `{"version": 1, "ok": ...}` or
`{"version": 1, "error": [KIND, WHAT, WHY, HINT]}` with the name of a class of `mydocker.errors`.

The socket is 0600 in a folder that is 0700, is no abstract name, which every process of the host's network namespace
could reach, and each connection is asked who it is (SO_PEERCRED, unix(7)): a container on the host's network gets
nowhere.
"""

from __future__ import annotations

import _socket
import json
import os
import struct

from mydocker import errors
from mydocker.errors import MydockerError, NetworkError
from mydocker.linux import sockets
from mydocker.network.forwarding.loop import IN
from mydocker.network.portmap.mappings import VERSION, Folder
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from mydocker.network.forwarding.loop import Loop

_LARGEST_REQUEST = 1 << 20
_PATIENCE = 5.0  # how long the service waits for a command that does not read its answer
_PATIENCE_OF_CLIENTS = 60


def _address(folder: int) -> str:
    """Return the path of the socket below an open folder: the store's own may be longer than a socket address."""
    return f"/proc/self/fd/{folder}/control"


class Control:
    """The service's end: hears requests and answers with what `answer(request)` returns."""

    def __init__(self, folder: Folder, loop: Loop, answer: Callable[[dict[str, Any]], object]) -> None:
        self._loop = loop
        self._answer = answer
        self._path = folder.file("control")
        self._listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC, 0)
        descriptor = os.open(folder.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        mask = os.umask(0o177)
        try:
            if os.path.lexists(self._path):  # of a service that was killed: we hold the lock
                os.unlink(self._path)
            self._listener.bind(_address(descriptor))
        finally:
            os.umask(mask)
            os.close(descriptor)
        self._listener.listen(64)
        self._listener.setblocking(False)
        loop.add(self._listener.fileno(), self, IN)

    def handle(self, mask: int) -> None:
        """Take a connection, of the owner or of root."""
        descriptor = sockets.accept(self._listener.fileno())
        if descriptor < 0:
            return
        client = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, descriptor)
        credentials = client.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, struct.calcsize("3i"))
        if struct.unpack("3i", credentials)[1] in (os.geteuid(), 0):
            client.settimeout(_PATIENCE)
            Conversation(self._loop, client, self._answer)
        else:
            client.close()

    def close(self) -> None:
        """Hear no more; remove the socket."""
        self._loop.drop(self._listener.fileno())
        self._listener.close()
        os.unlink(self._path)


class Conversation:
    """One connection to the control socket."""

    def __init__(self, loop: Loop, client: _socket.socket, answer: Callable[[dict[str, Any]], object]) -> None:
        self._loop = loop
        self._client = client
        self._answer = answer
        self._text = b""
        loop.add(client.fileno(), self, IN)

    def handle(self, mask: int) -> None:
        """Hear a piece of a request; answer when it is whole."""
        try:
            piece = os.read(self._client.fileno(), 1 << 16)  # recv would wait for what is not there yet
            self._text += piece
            while b"\n" in self._text:
                line, _, self._text = self._text.partition(b"\n")
                self._client.sendall(json.dumps({"version": VERSION, **self._respond(line)}).encode() + b"\n")
        except BlockingIOError:
            return
        except OSError:  # the command was killed, or does not read its answer
            piece = b""
        if not piece or len(self._text) > _LARGEST_REQUEST:
            self._loop.drop(self._client.fileno())
            self._client.close()

    def _respond(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            if request["version"] != VERSION:
                hint = "`mydocker portmap stop` ends the service; the next command starts one of its own version"
                raise NetworkError(f"this service speaks version {VERSION} of its protocol", hint=hint)
            return {"ok": self._answer(request)}
        except MydockerError as err:
            return {"error": [type(err).__name__, err.what, err.why, err.hint]}
        except OSError as err:
            return {"error": ["NetworkError", "the forwarding service failed", (err.strerror or str(err)).lower(), ""]}
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as err:
            return {"error": ["NetworkError", "cannot make sense of the request", f"{type(err).__name__}: {err}", ""]}


def connect(folder: Folder) -> _socket.socket:
    """Return a connection to the running service; raise ConnectionError or FileNotFoundError where none is running."""
    descriptor = os.open(folder.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    client = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC, 0)
    client.settimeout(_PATIENCE_OF_CLIENTS)
    try:
        client.connect(_address(descriptor))
    except BaseException:
        client.close()
        raise
    finally:
        os.close(descriptor)
    return client


def ask(client: _socket.socket, message: dict[str, Any]) -> Any:
    """Send a request and return its answer; raise what the service raised, ConnectionError when it has ended."""
    client.sendall(json.dumps({"version": VERSION, **message}).encode() + b"\n")
    text = b""
    while not text.endswith(b"\n"):
        try:
            piece = client.recv(1 << 16)
        except TimeoutError:
            raise NetworkError(
                "the forwarding service does not answer", f"for {_PATIENCE_OF_CLIENTS} seconds"
            ) from None
        if not piece:
            raise ConnectionResetError
        text += piece
    answer = json.loads(text)
    if "error" in answer:
        name, what, why, hint = answer["error"]
        kind: type[MydockerError] = getattr(errors, name, NetworkError)
        raise kind(what, why, hint)
    return answer["ok"]


def request(folder: Folder, message: dict[str, Any]) -> Any:
    """Send a request to the running service and return its answer; raise as `connect` and `ask` do."""
    client = connect(folder)
    try:
        return ask(client, message)
    finally:
        client.close()
