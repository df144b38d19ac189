"""What lark calls while it parses a word: each rule of grammar/words.lark becomes a piece of `words`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from lark import Token, Transformer

from mydocker.dockerfile.words import (
    MAX_DEPTH,
    Conditional,
    Kept,
    Literal,
    Piece,
    Quoted,
    Replaced,
    Trimmed,
    Variable,
)
from mydocker.errors import DockerfileError

if TYPE_CHECKING:
    from collections.abc import Sequence

Children = list[Any]


class Pieces(Transformer[Token, tuple[Piece, ...]]):
    """Callbacks of the word grammar; terminals stay tokens until the rule around them is complete."""

    def word(self, children: Children) -> tuple[Piece, ...]:
        """Make the pieces of a word, a body, a pattern or a replacement."""
        return _checked(children)

    body = pattern = replacement = word

    def quoted(self, children: Children) -> Quoted:
        """Make a quoted part."""
        if len(children) == 1:
            return Quoted("'", (Literal(children[0][1:-1]),))
        return Quoted('"', _pieces(children[1:-1]))

    def braced(self, children: Children) -> Variable:
        """Make ${x}."""
        return Variable(str(children[1]), braces=True)

    def conditional(self, children: Children) -> Conditional:
        """Make ${x:-y} and its kin."""
        return Conditional(*_operation(children, "CONDITION"))

    def trimmed(self, children: Children) -> Trimmed:
        """Make ${x#y} and its kin."""
        return Trimmed(*_operation(children, "TRIM"))

    def replaced(self, children: Children) -> Replaced:
        """Make ${x/y/z}."""
        name = str(children[1]) if children[1].type == "NAME" else ""
        operator, pattern, _, replacement, _ = children[-5:]
        return Replaced(name, str(operator), pattern, replacement)


def _operation(children: Children, kind: str) -> tuple[str, str, str, tuple[Piece, ...]]:
    """Take apart OPEN NAME? OPERATOR operand... CLOSE."""
    at = 1 if children[1].type == kind else 2
    name = str(children[1]) if at == 2 else ""
    operator = str(children[at])
    return name, operator[:-1], operator[-1], _pieces(children[at + 1 : -1])


def _pieces(children: Sequence[Any]) -> tuple[Piece, ...]:
    return tuple(_terminal(child) if isinstance(child, Token) else cast("Piece", child) for child in children)


def _terminal(token: Token) -> Piece:
    text = str(token)
    match token.type:
        case "VARIABLE":
            return Variable(text[1:], braces=False)
        case "ESCAPED" | "DQ_ESCAPED":
            return Kept(text[1:], text)
        case "LONE_ESCAPE":
            return Kept("", text)
        case "DQ_BACKSLASH":
            # Between double quotes an escape token that protects nothing stays; BuildKit writes it twice when it was
            # asked to keep escapes.
            return Kept(text, text + text)
        case "HEREDOC_MARK":
            return Kept(text, text)
        case _:
            return Literal(text)


def _checked(children: Children) -> tuple[Piece, ...]:
    pieces = _pieces(children)
    level: list[Piece] = list(pieces)
    for _ in range(MAX_DEPTH):
        level = [inner for piece in level for inner in _inside(piece)]
        if not level:
            return pieces
    raise DockerfileError("cannot expand the word", f"it nests more than {MAX_DEPTH} levels deep", "use fewer levels")


def _inside(piece: Piece) -> tuple[Piece, ...]:
    match piece:
        case Quoted(_, pieces):
            return pieces
        case Conditional() | Trimmed():
            return piece.operand
        case Replaced():
            return piece.pattern + piece.replacement
        case _:
            return ()
