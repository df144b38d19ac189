"""The grammar texts, and the parsers built from them. Only this module and its callbacks import lark.

The texts lie in `grammar/` at the top of a checkout and travel inside the package in a wheel (`force-include` in
pyproject.toml), so there are two places to look, and the packaged one wins.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from mydocker.errors import NotFound
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from lark import Lark

PACKAGED = Path(__file__).parent / "grammar"
CHECKOUT = Path(__file__).parents[2] / "grammar"

# How the texts write the escape token of the file; escapes that no directive changes are written \x5c there.
ESCAPE_TOKEN = r"\\"

# How they write a class of white space, and what it is (Unicode's White_Space; see `words.SPACES`).
WHITE_SPACE = (r"\s", r"\t\n\x0b\x0c\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000")


def folder(packaged: Path = PACKAGED, checkout: Path = CHECKOUT) -> Path:
    """Return the folder of the grammar texts; raises `NotFound` when the installation is incomplete."""
    for place in (packaged, checkout):
        if (place / "dockerfile.lark").is_file():
            return place
    raise NotFound(
        "cannot find the grammar of Dockerfiles",
        f"neither {packaged} nor {checkout} has dockerfile.lark",
        "the installation is incomplete: install mydocker again",
    )


@cache
def text(name: str) -> str:
    """Return one grammar text: `name` is "dockerfile" or "words"."""
    return (folder() / f"{name}.lark").read_text(encoding="utf-8")


@cache
def version() -> str:
    """Return a short name of the present grammar, for keys of caches: another text, another name."""
    both = text("dockerfile") + text("words")
    return hashlib.sha256(both.encode()).hexdigest()[:16]


def build(name: str, start: list[str], escape: str, **options: Any) -> Lark:
    """Build an LALR parser of one grammar for files whose escape token is `escape` (a backslash or a backtick)."""
    from lark import Lark

    grammar = text(name).replace(*WHITE_SPACE)
    if escape != "\\":
        grammar = grammar.replace(ESCAPE_TOKEN, escape)
    return Lark(grammar, start=start, parser="lalr", **options)
