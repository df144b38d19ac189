"""TarWriter: entries and their data as one archive, handed on in chunks of about a megabyte."""

from __future__ import annotations

from mydocker.image.entry import END, Entry, encode, padding
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK = 1024 * 1024


class TarWriter:
    """Sends an archive to `write`. Every entry is followed by exactly as much data as its size says, then `pad`."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._parts: list[bytes] = []
        self._held = 0

    def add(self, entry: Entry, data: bytes = b"") -> None:
        """Write an entry with all of its data, or with none of it yet."""
        self.put(encode(entry))
        if data:
            self.put(data)
            self.pad(len(data))

    def put(self, data: bytes) -> None:
        """Write a piece of an entry's data."""
        self._parts.append(data)
        self._held += len(data)
        if self._held >= _CHUNK:
            self._flush()

    def pad(self, size: int) -> None:
        """Fill up to a whole block behind `size` bytes of data that were put piece by piece."""
        self.put(padding(size))

    def finish(self) -> None:
        """Write the end of the archive and hand over what is held."""
        self.put(END)
        self._flush()

    def _flush(self) -> None:
        self._write(b"".join(self._parts))
        self._parts.clear()
        self._held = 0
