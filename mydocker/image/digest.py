"""Digests: what content is called. Three kinds that must not be mixed up share one shape, `sha256:<64 hex digits>`.

OCI image-spec, descriptor.md "Digests": lower-case hex of the full length. Only sha256 is accepted: it is the one
algorithm that every registry and tool has, and a name of another shape must never become part of a path.
"""

from __future__ import annotations

from mydocker.errors import ImageError
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    import hashlib
    from collections.abc import Iterable
    from hashlib import sha256
    from typing import Self
else:
    # CPython's own; OpenSSL's, which `hashlib` prefers, is faster on large data, but takes 3 ms to load.
    try:
        from _sha256 import sha256
    except ImportError:  # its name from 3.12 on
        from _sha2 import sha256

_PREFIX = "sha256:"
_LENGTH = len(_PREFIX) + 64
_HEX = "0123456789abcdef"


class _Sha256(str):
    """The common shape. An instance is always valid: make one with `parse`, `of` or `of_hash`."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: object) -> Self:
        """Return `text` as a digest; raise `ImageError` unless it is exactly `sha256:` and 64 lower-case hex digits."""
        if isinstance(text, str) and len(text) == _LENGTH and text.startswith(_PREFIX) and not text[7:].strip(_HEX):
            return cls(text)
        shown = str(text)
        raise ImageError(
            f"not a digest: {shown[:100]!r}",
            "expected sha256: and 64 lower-case hex digits, as the OCI image-spec has it",
        )

    @classmethod
    def of(cls, data: bytes) -> Self:
        """Return the digest of `data`, which is small."""
        return cls(_PREFIX + sha256(data).hexdigest())

    @classmethod
    def of_hash(cls, digest: hashlib._Hash) -> Self:
        """Return what a running sha256 has come to."""
        return cls(_PREFIX + digest.hexdigest())

    @property
    def hex(self) -> str:
        """The 64 hex digits alone: safe as a file name."""
        return self[len(_PREFIX) :]

    @property
    def short(self) -> str:
        """The first 12 hex digits, as tables show them."""
        return self[len(_PREFIX) : len(_PREFIX) + 12]


class Digest(_Sha256):
    """Of a blob as it is stored and sent: a manifest, a config, a compressed layer."""

    __slots__ = ()


class DiffID(_Sha256):
    """Of a layer's uncompressed tar (OCI image-spec, config.md "Layer DiffID")."""

    __slots__ = ()


class ChainID(_Sha256):
    """Of a stack of layers, bottom first (OCI image-spec, config.md "Layer ChainID")."""

    __slots__ = ()


# The diff ID of a layer that changes nothing: an archive without entries.
EMPTY = DiffID.of(bytes(1024))


def chain_on(below: ChainID | None, diff_id: DiffID) -> ChainID:
    """Return the chain ID of a stack with one more layer on it (OCI image-spec, config.md "Layer ChainID")."""
    return ChainID.of(f"{below} {diff_id}".encode()) if below else ChainID(diff_id)


def chain_ids(diff_ids: Iterable[DiffID]) -> tuple[ChainID, ...]:
    """Return for each layer, bottom first, the chain ID of the stack that it is the top of."""
    chain: list[ChainID] = []
    for diff_id in diff_ids:
        chain.append(chain_on(chain[-1] if chain else None, diff_id))
    return tuple(chain)
