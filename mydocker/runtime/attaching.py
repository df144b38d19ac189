"""Both ends of a connection to a container in the background: what `attach` and `run -ti` speak with a shim.

One message is one packet: a letter, then data. From the client: `I` input, `E` end of input, `W` window size, `S` a
signal, `D` detached. From the shim: `1` and `2` output, `X` the exit status. The socket lies in the bundle, where
only the owner gets to, never in the abstract namespace (CVE-2020-15257).
"""

from __future__ import annotations

import _socket
import contextlib
import os
import signal
import struct

from mydocker.errors import Busy
from mydocker.runtime import channel, relay, terminal
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.runtime.bundle import Bundle
    from mydocker.runtime.carrier import Carrier

INPUT, END, WINDOW, SIGNAL, DETACH, EXIT = b"I", b"E", b"W", b"S", b"D", b"X"
_LARGEST = (1 << 16) + 1
_PATIENCE = 5.0  # how long a client may leave output lying before it is dropped


class Service:
    """The front of a container in the background: any number of clients, perhaps one that it shall not outlive."""

    def __init__(self, bundle: Bundle, owner: _socket.socket | None = None) -> None:
        self._bundle = bundle
        self._owner = owner
        self._clients: dict[int, _socket.socket] = {}
        self._listener: _socket.socket | None = None

    def connect(self, carrier: Carrier) -> None:
        """Begin to listen."""
        self._listener = _listen(self._bundle)
        listener = self._listener
        carrier.relay.add(listener.fileno(), lambda: self._accept(listener, carrier))
        if self._owner is not None:
            self._admit(self._owner, carrier)

    def _accept(self, listener: _socket.socket, carrier: Carrier) -> bool:
        descriptor, _ = listener._accept()  # type: ignore[attr-defined]
        self._admit(_socket.socket(fileno=descriptor), carrier)
        return True

    def _admit(self, client: _socket.socket, carrier: Carrier) -> None:
        client.settimeout(_PATIENCE)
        self._clients[client.fileno()] = client
        carrier.relay.add(client.fileno(), lambda: self._hear(client, carrier))

    def _hear(self, client: _socket.socket, carrier: Carrier) -> bool:
        try:
            message = client.recv(_LARGEST)
        except (ConnectionResetError, TimeoutError):
            message = b""
        kind, data = message[:1], message[1:]
        if kind == INPUT:
            carrier.type_in(data)
        elif kind == END:
            carrier.close_input()
        elif kind == WINDOW and carrier.master >= 0:
            terminal.set_size(carrier.master, *struct.unpack("HH", data))
        elif kind == SIGNAL:
            carrier.signal(data[0])
        elif kind == DETACH:
            self._owner = None if client is self._owner else self._owner
        elif not kind:
            self._dismiss(client, carrier)
            return False
        return True

    def _dismiss(self, client: _socket.socket, carrier: Carrier) -> None:
        carrier.relay.remove(client.fileno())
        self._clients.pop(client.fileno(), None)
        client.close()
        if client is self._owner:
            # The one who started it in the foreground is gone without a word: killed, or its terminal was closed.
            carrier.signal(signal.SIGKILL)

    def output(self, stream: int, data: bytes) -> bool:
        """Send output to everybody who is attached; it is in the log in any case."""
        for client in list(self._clients.values()):
            try:
                client.send(b"%d" % stream + data)
            except OSError:  # gone, or not reading: the poll loop notices the first, and the second is cut off
                client.shutdown(_socket.SHUT_RDWR)
        return True

    def disconnect(self, status: int) -> None:
        """Tell everybody how it ended and stop listening."""
        for client in self._clients.values():
            try:
                client.send(EXIT + bytes((status & 0xFF,)))
            except OSError:
                continue
            finally:
                client.close()
        self._clients.clear()
        if self._listener is not None:
            self._listener.close()
            self._listener = None
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._bundle.file("attach"))


def _listen(bundle: Bundle) -> _socket.socket:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(bundle.file("attach"))
    listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC, 0)
    # A path by way of a descriptor: addresses end at 107 bytes, stores may lie deeper.
    folder = os.open(bundle.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        listener.bind(f"/proc/self/fd/{folder}/attach")
    finally:
        os.close(folder)
    listener.listen(16)
    return listener


def dial(bundle: Bundle) -> _socket.socket:
    """Return a connection to the shim of a running container. Raise Busy."""
    client = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC, 0)
    folder = os.open(bundle.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        client.connect(f"/proc/self/fd/{folder}/attach")
    except (FileNotFoundError, ConnectionRefusedError):
        client.close()
        hint = "it is not running, or it runs in the foreground of another terminal"
        raise Busy(f"cannot attach to container {bundle.id[:12]}", hint) from None
    finally:
        os.close(folder)
    return client


class Client:
    """The user's end: streams on one side, the shim on the other. Signals are passed on by a main thread only."""

    def __init__(
        self,
        connection: _socket.socket,
        stdin: int | None,
        stdout: int,
        stderr: int,
        tty: bool,
        keys: str,
        proxy: bool = True,
    ) -> None:
        self._connection = connection
        self._stdin = stdin
        self._targets = {49: stdout, 50: stderr}
        self._tty = tty
        self._proxy = proxy
        self._detacher = terminal.Detacher(terminal.parse_keys(keys) if tty else b"")
        self._relay = relay.Relay()
        self._status: int | None = None
        self._done = False

    def run(self) -> int | None:
        """Carry bytes until the container ends or the user detaches; return the exit status, None when detached."""
        wakeup = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        listening = terminal.in_main_thread()
        caught = [signal.SIGWINCH, *((signal.SIGINT, signal.SIGTERM, signal.SIGQUIT) if self._proxy else ())]
        before = {number: signal.signal(number, lambda *_: None) for number in caught if listening}
        old = signal.set_wakeup_fd(wakeup[1], warn_on_full_buffer=False) if listening else -1
        self._relay.add(self._connection.fileno(), self._heard)
        self._relay.add(wakeup[0], lambda: self._signalled(wakeup[0]))
        if self._stdin is not None:
            self._relay.add(self._stdin, self._typed)
        try:
            if self._tty and self._stdin is not None:
                with terminal.raw(self._stdin):
                    self._loop()
            else:
                self._loop()
        finally:
            if listening:
                signal.set_wakeup_fd(old)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(wakeup[0])
            os.close(wakeup[1])
            self._connection.close()
        return self._status

    def _loop(self) -> None:
        self._send_size()
        while not self._done:
            self._relay.turn()

    def _heard(self) -> bool:
        try:
            message = self._connection.recv(_LARGEST)
        except ConnectionResetError:
            message = b""
        if message[:1] in (b"1", b"2"):
            relay.write_all(self._targets[message[0]], message[1:])
            return True
        # The shim was killed when it says nothing; the container went with it.
        self._status = message[1] if message[:1] == EXIT else 137
        self._done = True
        return False

    def _typed(self) -> bool:
        assert self._stdin is not None
        try:
            data = relay.read(self._stdin)
        except BlockingIOError:
            return True
        if not data:
            self._send(END)
            return False
        passed, detached = self._detacher.feed(data)
        if passed:
            self._send(INPUT + passed)
        if detached:
            self._send(DETACH)
            self._done = True
        return not detached

    def _signalled(self, end: int) -> bool:
        for number in relay.read(end):
            if number == signal.SIGWINCH:
                self._send_size()
            else:
                self._send(SIGNAL + bytes((number,)))
        return True

    def _send_size(self) -> None:
        if self._tty and self._stdin is not None:
            rows, columns = terminal.size(self._stdin)
            if rows and columns:
                self._send(WINDOW + struct.pack("HH", rows, columns))

    def _send(self, message: bytes) -> None:
        try:
            self._connection.send(message)
        except (BrokenPipeError, ConnectionResetError):
            return  # the end of the stream is read next


def owner_pair() -> tuple[_socket.socket, _socket.socket]:
    """Return the two ends of the connection of a starter that its container shall not outlive, starter's first."""
    return channel.pair()
