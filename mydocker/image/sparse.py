"""Sparse files in GNU archives: where the stored pieces of a file belong (GNU tar manual, "Storing Sparse Files")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mydocker.errors import ImageError
from mydocker.image.entry import BLOCK_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable

Extents = tuple[tuple[int, int], ...]

# A map costs 16 bytes a piece; a million pieces describe 4 GiB of alternating 4 KiB blocks.
_MOST_PIECES = 1_000_000
_DIGITS = b"0123456789"


def old_gnu_map(header: bytes, take: Callable[[int], bytes]) -> tuple[int, Extents]:
    """Return a file's real size and the extents of its data from an old GNU header and the blocks that follow it."""
    extents = _old_pairs(header[386:482])
    more = header[482]
    while more:
        block = take(BLOCK_SIZE)
        if not block or len(extents) > _MOST_PIECES:
            raise _damaged()
        extents += _old_pairs(block[:504])
        more = block[504]
    return _old_number(header[483:495]), tuple(extents)


def map_from_data(take: Callable[[int], bytes], stored: int) -> tuple[Extents, int]:
    """Return the extents from the text in front of a file's data (format 1.0), and how many stored bytes it took."""
    text = b""
    used = 0
    wanted = 1
    lines: list[bytes] = []
    while len(lines) < wanted:
        block = take(BLOCK_SIZE) if used < stored else b""
        used += len(block)
        text += block
        *done, text = text.split(b"\n")
        lines += done
        if not block or any(line.strip(_DIGITS) or not 0 < len(line) < 20 for line in lines[:wanted]):
            raise _damaged()
        wanted = 1 + 2 * int(lines[0]) if lines else 1
        if wanted > 2 * _MOST_PIECES:
            raise _damaged()
    if any(line.strip(_DIGITS) or not 0 < len(line) < 20 for line in lines[:wanted]):
        raise _damaged()
    numbers = [int(line) for line in lines[1:wanted]]
    return tuple(zip(numbers[::2], numbers[1::2], strict=True)), used


def _old_pairs(table: bytes) -> list[tuple[int, int]]:
    found = []
    for at in range(0, len(table), 24):
        if not table[at]:
            break
        found.append((_old_number(table[at : at + 12]), _old_number(table[at + 12 : at + 24])))
    return found


def _old_number(field: bytes) -> int:
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if digits.strip(b"01234567"):
        raise _damaged()
    return int(digits, 8) if digits else 0


def _damaged() -> ImageError:
    return ImageError("read a tar archive", "the map of a sparse file is damaged")
