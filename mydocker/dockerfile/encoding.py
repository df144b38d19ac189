"""Values of this room as JSON and back: a named tuple is an object of one member, its kind; any other tuple a list."""

from __future__ import annotations

import json

from mydocker.dockerfile import instructions, stages, syntax, words
from mydocker.dockerfile.lint import finding
from mydocker.dockerfile.source import Span
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

_KINDS: dict[str, Any] = {
    kind.__name__: kind
    for module in (syntax, instructions, stages, finding, words)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")
} | {"Span": Span}


def encode(value: Any) -> bytes:
    """Return a value made of this room's named tuples, tuples and plain values as JSON."""
    return json.dumps(_plain(value), separators=(",", ":")).encode()


def decode(text: bytes) -> Any:
    """Return the value; a list stands where a plain tuple was at the outermost place.

    Raises `ValueError`, `KeyError` or `TypeError` for text that `encode` did not write. Nothing but values of the kinds
    known here is ever made.
    """
    return json.loads(text, object_hook=_made)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        fields = [_plain(field) for field in value]
        return {type(value).__name__: fields} if hasattr(value, "_fields") else fields
    return value


def _made(found: dict[str, Any]) -> Any:
    [(kind, fields)] = found.items()
    return _KINDS[kind](*[tuple(field) if isinstance(field, list) else field for field in fields])
