"""FrameWalker: follows the frames and blocks of a zstd stream without decompressing it (RFC 8878, 3.1)."""

from __future__ import annotations

from mydocker.errors import ImageError

_MAGIC = 0xFD2FB528
_SKIPPABLE = 0x184D2A50
_DICTIONARY_SIZES = (0, 1, 2, 4)
_RLE = 1
_RESERVED = 3


class FrameWalker:
    """Knows after each chunk whether the stream could end there, and refuses windows larger than `largest_window`."""

    def __init__(self, largest_window: int) -> None:
        self._largest_window = largest_window
        self._waiting = b""
        self._skip = 0
        self._in_frame = False
        self._checksum = False

    @property
    def complete(self) -> bool:
        """Tell whether the bytes so far are whole frames."""
        return not (self._waiting or self._skip or self._in_frame)

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the stream."""
        at = 0
        data = self._waiting + chunk if self._waiting else chunk
        while True:
            if self._skip:
                step = min(self._skip, len(data) - at)
                at += step
                self._skip -= step
            used = 0 if self._skip else self._header(data[at : at + 18])
            if not used:
                break
            at += used
        self._waiting = data[at:]

    def _header(self, head: bytes) -> int:
        """Return how many bytes of a block's or a frame's header were used; 0: more are needed."""
        if self._in_frame:
            return self._block(head)
        if len(head) < 4:
            return 0
        magic = int.from_bytes(head[:4], "little")
        if magic & 0xFFFFFFF0 == _SKIPPABLE:
            if len(head) < 8:
                return 0
            self._skip = int.from_bytes(head[4:8], "little")
            return 8
        if magic != _MAGIC:
            raise ImageError("decompress a zstd stream", "there is something after its end")
        return self._frame(head)

    def _frame(self, head: bytes) -> int:
        if len(head) < 6:
            return 0
        descriptor = head[4]
        single = descriptor & 0x20
        content = (1 if single else 0, 2, 4, 8)[descriptor >> 6]
        used = 5 + (0 if single else 1) + _DICTIONARY_SIZES[descriptor & 3] + content
        if len(head) < used:
            return 0
        window = 0
        if not single:
            base = 1 << (10 + (head[5] >> 3))
            window = base + (base >> 3) * (head[5] & 7)
        if window > self._largest_window:
            raise ImageError("decompress a zstd stream", f"it wants a window of {window} bytes")
        self._in_frame, self._checksum = True, bool(descriptor & 4)
        return used

    def _block(self, head: bytes) -> int:
        if len(head) < 3:
            return 0
        header = int.from_bytes(head[:3], "little")
        kind, size = header >> 1 & 3, header >> 3
        if kind == _RESERVED:
            raise ImageError("decompress a zstd stream", "a block has the reserved type")
        self._skip = 1 if kind == _RLE else size
        if header & 1:
            self._in_frame = False
            self._skip += 4 if self._checksum else 0
        return 3
