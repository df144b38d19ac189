"""Pipes between threads: hashing and compression release the interpreter lock, so they run beside file reading."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

# Chunks in flight: enough to keep both sides busy, few enough that memory stays small.
_DEPTH = 4


class Feeder:
    """Runs `consume` on every chunk in a thread of its own, in order.

    Use it in a `with` block: the end of the block waits for the last chunk, and raises what `consume` raised. When the
    block itself failed, what is still waiting is dropped.
    """

    def __init__(self, consume: Callable[[bytes], None]) -> None:
        self._consume = consume
        self._chunks: queue.Queue[bytes | None] = queue.Queue(_DEPTH)
        self._failure: BaseException | None = None
        self._dropping = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def put(self, chunk: bytes) -> None:
        """Hand over one chunk; raises at once what an earlier one caused."""
        if self._failure is not None:
            raise self._failure
        self._chunks.put(chunk)

    def __exit__(self, kind: object, value: object, trace: object) -> None:
        self._dropping = kind is not None
        self._chunks.put(None)
        self._thread.join()
        if self._failure is not None and kind is None:
            raise self._failure

    def _run(self) -> None:
        while (chunk := self._chunks.get()) is not None:
            if self._failure is None and not self._dropping:
                try:
                    self._consume(chunk)
                except BaseException as failed:
                    self._failure = failed


def ahead(chunks: Iterator[bytes]) -> Generator[bytes, None, None]:
    """Yield `chunks`, read some way ahead in a thread of its own.

    What reading raises is raised here, at its place. Closing the generator early stops the thread and waits for it.
    """
    waiting: queue.Queue[bytes | BaseException | None] = queue.Queue(_DEPTH)
    stop = threading.Event()

    def offer(item: bytes | BaseException | None) -> None:
        while not stop.is_set():
            try:
                waiting.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def read() -> None:
        try:
            for chunk in chunks:
                offer(chunk)
                if stop.is_set():
                    return
            offer(None)
        except BaseException as failed:
            offer(failed)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()
