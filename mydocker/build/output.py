"""What a step writes, while it writes it: two pipes, read by a thread, told to the reporter line by line."""

from __future__ import annotations

import os
import selectors
import threading

from mydocker.events import StepOutput
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.build.secrets import Needles
    from mydocker.events import Reporter

_BLOCK = 1 << 16
_LONGEST_LINE = 1 << 16


class Capture:
    """Descriptors for a step's standard streams, inside `with`.

    The reporter gets every byte, in order per stream, but for secrets, which are masked.
    """

    def __init__(self, step: str, reporter: Reporter, secrets: Needles) -> None:
        self._step = step
        self._reporter = reporter
        self._secrets = secrets
        self._pending = {1: b"", 2: b""}

    def __enter__(self) -> Capture:
        self.stdin = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        out, self.stdout = os.pipe()
        err, self.stderr = os.pipe()
        self._thread = threading.Thread(target=self._read, args=(out, err), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        for fd in (self.stdin, self.stdout, self.stderr):
            os.close(fd)
        self._thread.join()

    def _read(self, out: int, err: int) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(out, selectors.EVENT_READ, 1)
            selector.register(err, selectors.EVENT_READ, 2)
            while selector.get_map():
                for key, _ in selector.select():
                    block = os.read(key.fd, _BLOCK)
                    self._take(key.data, block)
                    if not block:
                        selector.unregister(key.fd)
                        os.close(key.fd)

    def _take(self, stream: int, block: bytes) -> None:
        """Tell whole lines; what is behind the last line end waits for more, or for the end of the stream.

        A line without an end is told in pieces. What may be the beginning of a secret waits for the rest of it: secrets
        like keys have several lines.
        """
        data = self._pending[stream] + block
        cut = len(data)
        if block:
            cut -= self._secrets.unfinished(data)
            cut = data.rfind(b"\n", 0, cut) + 1 or (cut if len(data) > _LONGEST_LINE else 0)
        self._pending[stream] = data[cut:]
        if data[:cut]:
            self._reporter(StepOutput(self._step, self._secrets.mask(data[:cut]), stream))
