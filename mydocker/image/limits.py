"""Limits: what an archive from elsewhere may cost before it is refused."""

from __future__ import annotations

from mydocker.errors import UsageError
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

# Paths longer than this cannot be named in a system call (PATH_MAX), so no program could use them.
LONGEST_PATH = 4095
# Each level costs a descriptor while a tree is packed.
DEEPEST = 512
# A name of 4096 bytes and a few dozen xattrs of 64 KiB (the kernel's limit for one) fit into this.
LARGEST_HEADER = 4 * 1024 * 1024


class Limits(NamedTuple):
    """What one layer may be.

    `size` is its uncompressed bytes, `entries` its members, and `ratio` how many times larger than its compressed form
    it may be once it is beyond `ratio_from` bytes (small layers of zeros are common and harmless).
    """

    size: int = 128 * 2**30
    entries: int = 4_000_000
    ratio: int = 250
    ratio_from: int = 2**30

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Return the limits with what MYDOCKER_MAX_LAYER_SIZE, _ENTRIES and _RATIO set (whole numbers)."""
        limits = cls()
        for name, field in _VARIABLES.items():
            if (text := environ.get(name)) is None:
                continue
            if not (text.isascii() and text.isdecimal() and int(text)):
                raise UsageError(f"{name}={text}", "a whole number above 0 is expected")
            limits = limits._replace(**{field: int(text)})
        return limits


_VARIABLES = {
    "MYDOCKER_MAX_LAYER_SIZE": "size",
    "MYDOCKER_MAX_LAYER_ENTRIES": "entries",
    "MYDOCKER_MAX_LAYER_RATIO": "ratio",
}
