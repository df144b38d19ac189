"""Words: quoting, escapes and variables of one argument (Dockerfile reference, "Environment replacement").

A word is parsed once (`parse`, grammar/words.lark) into pieces and can then be expanded with any variables (`expand`).
Everything in a word is evaluated, also the operand that a modifier does not need: `${x:-${y:?no y}}` fails without y
even when x is set, as it does in BuildKit.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

from mydocker.dockerfile import grammars, patterns
from mydocker.errors import DockerfileError
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from lark.exceptions import UnexpectedInput

# Deeper nesting is nobody's intention, and every level costs a Python frame when it is expanded.
MAX_DEPTH = 50

# What Unicode calls white space. (Python's own str.strip also takes the ASCII separators 1c to 1f.)
SPACES = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"


class Literal(NamedTuple):
    """Characters that stand for themselves; blanks among them split words where words are split."""

    text: str


class Kept(NamedTuple):
    """Characters that never split a word: what an escape protects, and a here-document's mark with its blanks."""

    text: str
    raw: str  # the same with its escape token, for those who asked to keep it


class Quoted(NamedTuple):
    """A quoted part: the pieces between two `mark`s."""

    mark: str
    pieces: tuple[Piece, ...]


class Variable(NamedTuple):
    """`$name` or, when `braces`, `${name}`."""

    name: str
    braces: bool


class Conditional(NamedTuple):
    """`${name:-operand}` and its kin; `operator` is one of - + ?, `colon` makes an empty variable count as unset."""

    name: str
    colon: str
    operator: str
    operand: tuple[Piece, ...]


class Trimmed(NamedTuple):
    """`${name#pattern}` and its kin; `operator` is # or %."""

    name: str
    colon: str
    operator: str
    operand: tuple[Piece, ...]


class Replaced(NamedTuple):
    """`${name/pattern/replacement}`; `operator` is / or //."""

    name: str
    operator: str
    pattern: tuple[Piece, ...]
    replacement: tuple[Piece, ...]


Piece = Literal | Kept | Quoted | Variable | Conditional | Trimmed | Replaced


class Rules(NamedTuple):
    """How a word is expanded: which characters stay in the result, and whether unset variables do."""

    keep_quotes: bool = False
    keep_escapes: bool = False
    keep_unset: bool = False


class Expansion(NamedTuple):
    """What became of a word: the `text`, the `words` it splits into at unquoted blanks, and the variables asked for."""

    text: str
    words: tuple[str, ...]
    used: frozenset[str]
    missing: frozenset[str]


PLAIN = Rules()


def expand(
    word: str,
    variables: Mapping[str, str],
    *,
    escape: str = "\\",
    rules: Rules = PLAIN,
    body: bool = False,
) -> Expansion:
    """Expand one word (or, with `body`, a here-document's body, where quotes mean nothing).

    Raises `DockerfileError` for a word that cannot be read, and for `${x:?message}`; `column` in it counts from the
    word's own start.
    """
    state = _Expander(variables, rules)
    raw = rules.keep_escapes
    for piece in parse(word, escape, body=body):
        state.add(piece, raw)
    return Expansion("".join(state.text), state.words(), frozenset(state.used), frozenset(state.missing))


def is_plain(word: str, escape: str) -> bool:
    """Tell whether expansion leaves the word as it is, whatever the variables."""
    return not ("$" in word or escape in word or '"' in word or "'" in word)


def parse(word: str, escape: str = "\\", *, body: bool = False) -> tuple[Piece, ...]:
    """Parse a word into its pieces; raises `DockerfileError` (see `expand`)."""
    if "<<" not in word and is_plain(word, escape):
        return (Literal(word),) if word else ()
    key = (word, escape, body)
    pieces = _memo.get(key)
    if pieces is None:
        if len(_memo) >= _MEMO_SIZE:
            _memo.clear()
        pieces = _memo[key] = _parse(word, escape, "body" if body else "word")
    recorder = _recorder.get()
    if recorder is not None:
        recorder[key] = pieces
    return pieces


Key = tuple[str, str, bool]
_MEMO_SIZE = 4096
_memo: dict[Key, tuple[Piece, ...]] = {}
_recorder: ContextVar[dict[Key, tuple[Piece, ...]] | None] = ContextVar("recorder", default=None)


@contextmanager
def recording() -> Iterator[dict[Key, tuple[Piece, ...]]]:
    """Collect the words that are parsed inside, for `remember` in a later process."""
    found: dict[Key, tuple[Piece, ...]] = {}
    token = _recorder.set(found)
    try:
        yield found
    finally:
        _recorder.reset(token)


def remember(parsed: Iterable[tuple[Key, tuple[Piece, ...]]]) -> None:
    """Take over words that were parsed before, so that they need no parser now."""
    _memo.update(parsed)


def _parse(word: str, escape: str, start: str) -> tuple[Piece, ...]:
    from lark.exceptions import UnexpectedInput, VisitError

    try:
        pieces: tuple[Piece, ...] = _parser(escape).parse(word, start=start)
    except UnexpectedInput as error:
        raise _explain(word, error) from None
    except VisitError as error:
        raise error.orig_exc from None
    return pieces


@cache
def _parser(escape: str) -> Any:
    from mydocker.dockerfile.pieces import Pieces

    return grammars.build("words", ["word", "body"], escape, transformer=Pieces())


def _explain(word: str, error: UnexpectedInput) -> DockerfileError:
    """Turn lark's complaint into ours: what is missing, and where the part begins that lacks it."""
    from lark.exceptions import UnexpectedToken

    ended = isinstance(error, UnexpectedToken) and error.token.type == "$END"
    at = len(word) if ended else error.pos_in_stream or 0
    expected = error.expected if isinstance(error, UnexpectedToken) else getattr(error, "allowed", ()) or ()
    rest = word[at:]
    opening = max(word.rfind("${", 0, at), 0)
    if rest.startswith("'"):
        return _mistake(word, at, "no closing single quote", "add the missing '")
    if "DQ_CLOSE" in expected:
        return _mistake(word, word.rfind('"', 0, at), "no closing double quote", 'add the missing "')
    if rest == "${" or (ended and "CLOSE" in expected):
        pattern = "SLASH" in expected and re.match(r"\$\{\w*//?[^/]*\Z", word[opening:])
        missing = "/ and }" if pattern else "}"
        return _mistake(word, at if rest else opening, f"no closing {missing} after ${{", "write \\$ for a literal $")
    if rest.startswith("${"):
        return _mistake(word, at, "no variable name after ${", "write ${NAME}, or \\$ for a literal $")
    modifier = rest[:2] if rest[:1] == ":" else rest[:1]
    return _mistake(word, at, f"unknown modifier {modifier!r} in ${{}}", "known are :- - :+ + :? ? # ## % %% / //")


def _mistake(word: str, position: int, why: str, hint: str) -> DockerfileError:
    position = max(position, 0)
    return DockerfileError(
        f"cannot expand {word!r}", why, hint, column=position + 1, end_column=len(word) + 1, source=""
    )


class _Expander:
    """The state of one expansion: the text so far, the words so far, the variables asked for."""

    def __init__(self, variables: Mapping[str, str], rules: Rules) -> None:
        self.variables = variables
        self.rules = rules
        self.text: list[str] = []
        self.used: set[str] = set()
        self.missing: set[str] = set()
        self._words: list[str] = []
        self._word: list[str] = []

    def words(self) -> tuple[str, ...]:
        """Return the words, the unfinished one included."""
        self._finish_word()
        return tuple(self._words)

    def add(self, piece: Piece, raw: bool) -> None:
        """Expand a piece at the top of the word."""
        text = self.evaluate(piece, raw)
        self.text.append(text)
        if isinstance(piece, Kept | Quoted):
            self._word.append(text)
            return
        at = 0
        for index, character in enumerate(text):
            if character in SPACES:
                self._word.append(text[at:index])
                self._finish_word()
                at = index + 1
        self._word.append(text[at:])

    def _finish_word(self) -> None:
        word = "".join(self._word)
        if word:
            self._words.append(word)
        self._word.clear()

    def join(self, pieces: Sequence[Piece], raw: bool) -> str:
        """Expand pieces to one text; `raw` keeps the escape tokens, as patterns need them."""
        return "".join([self.evaluate(piece, raw) for piece in pieces])

    def evaluate(self, piece: Piece, raw: bool) -> str:
        """Expand one piece to its text."""
        match piece:
            case Literal(text):
                return text
            case Kept(text, kept):
                return kept if raw else text
            case Quoted(mark, pieces):
                inner = self.join(pieces, raw)
                return f"{mark}{inner}{mark}" if self.rules.keep_quotes else inner
            case Variable(name, braces):
                value = self.look_up(name)
                if value is None and self.rules.keep_unset:
                    return f"${{{name}}}" if braces else f"${name}"
                return value or ""
            case Conditional():
                return self._conditional(piece)
            case Trimmed():
                return self._trimmed(piece)
            case Replaced():
                return self._replaced(piece)

    def look_up(self, name: str) -> str | None:
        """Return a variable's value, and remember that it was asked for."""
        value = self.variables.get(name)
        (self.missing if value is None else self.used).add(name)
        return value

    def _conditional(self, piece: Conditional) -> str:
        operand = self.join(piece.operand, False)
        value = self.look_up(piece.name)
        if value is None and self.rules.keep_unset:
            return f"${{{piece.name}{piece.colon}{piece.operator}{operand}}}"
        lacking = not value if piece.colon else value is None
        if piece.operator == "+":
            return "" if lacking else operand
        if not lacking:
            return value or ""
        if piece.operator == "-":
            return operand
        why = "is not allowed to be " + ("unset" if value is None else "empty")
        raise DockerfileError(f"variable {piece.name}", operand or why, f"set it with --build-arg {piece.name}=VALUE")

    def _trimmed(self, piece: Trimmed) -> str:
        pattern = self.join(piece.operand, True)
        value = self.look_up(piece.name)
        if value is None and self.rules.keep_unset:
            return f"${{{piece.name}{piece.colon}{piece.operator}{pattern}}}"
        longest = pattern.startswith(piece.operator)
        pattern = pattern[1:] if longest else pattern
        trim = patterns.without_prefix if piece.operator == "#" else patterns.without_suffix
        return trim(value or "", pattern, longest=longest)

    def _replaced(self, piece: Replaced) -> str:
        pattern = self.join(piece.pattern, True)
        replacement = self.join(piece.replacement, True)
        value = self.look_up(piece.name)
        if value is None and self.rules.keep_unset:
            return f"${{{piece.name}/{pattern}/{replacement}}}"
        return patterns.replace(value or "", pattern, replacement, everywhere=piece.operator == "//")
