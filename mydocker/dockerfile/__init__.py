"""The Dockerfile language: text, syntax tree, typed stages; words, ignore patterns, lint. Knows no image, no kernel.

The names below are loaded when they are first used, so that a build whose Dockerfile is in the cache imports no lark.
"""

from __future__ import annotations

import importlib

from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from mydocker.dockerfile.cache import Cached, parse_cached
    from mydocker.dockerfile.expansion import Expanded, expand
    from mydocker.dockerfile.ignore import Matcher
    from mydocker.dockerfile.parsing import parse_syntax
    from mydocker.dockerfile.stages import Dockerfile, Stage, parse

__all__ = ["Cached", "Dockerfile", "Expanded", "Matcher", "Stage", "expand", "parse", "parse_cached", "parse_syntax"]

_HOMES = {
    "Cached": "cache",
    "Dockerfile": "stages",
    "Expanded": "expansion",
    "Matcher": "ignore",
    "Stage": "stages",
    "expand": "expansion",
    "parse": "stages",
    "parse_cached": "cache",
    "parse_syntax": "parsing",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module at its first use."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
