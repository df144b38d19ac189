"""File modes as COPY --chmod has them: octal, or symbolic as chmod(1) takes them (`u=rwX,go=rX`)."""

from __future__ import annotations

import re
import stat
from typing import NamedTuple, Self

from mydocker.errors import UsageError

_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=](?:[ugo]|[rwxXst]*))+)")
_ACTION = re.compile(r"([-+=])([ugo]|[rwxXst]*)")
_SHIFT = {"u": 6, "g": 3, "o": 0}
_BITS = {"r": 4, "w": 2, "x": 1}


class ModeChange(NamedTuple):
    """What --chmod says. `octal` is the whole mode, or -1: then `clauses` are applied in order."""

    octal: int
    clauses: tuple[tuple[str, str, str], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the change that `text` means; raise `UsageError` for anything else."""
        if re.fullmatch(r"[0-7]{1,4}|0[0-7]{4}", text):
            return cls(int(text, 8), ())
        clauses = []
        for clause in text.split(","):
            match = _CLAUSE.fullmatch(clause)
            if match is None:
                raise UsageError(f"invalid mode {text!r}", hint="write octal digits (0755) or u=rwX,go=rX")
            who = match[1].replace("a", "ugo") or "ugo"
            clauses += [(who, sign, what) for sign, what in _ACTION.findall(match[2])]
        return cls(-1, tuple(clauses))

    def apply(self, mode: int) -> int:
        """Return the permission bits for something whose mode (type bits included) is `mode`."""
        if self.octal >= 0:
            return self.octal
        bits = stat.S_IMODE(mode)
        for who, sign, what in self.clauses:
            bits = _apply(bits, stat.S_ISDIR(mode), who, sign, what)
        return bits


def _apply(bits: int, is_dir: bool, who: str, sign: str, what: str) -> int:
    given = _given(bits, is_dir, who, what)
    if sign == "+":
        return bits | given
    if sign == "-":
        return bits & ~given
    cleared = sum(7 << _SHIFT[each] for each in set(who))
    if "u" in who:
        cleared |= 0 if is_dir else stat.S_ISUID
    if "g" in who:
        cleared |= 0 if is_dir else stat.S_ISGID
    return bits & ~cleared | given


def _given(bits: int, is_dir: bool, who: str, what: str) -> int:
    if what and what in "ugo":
        value = bits >> _SHIFT[what] & 7
    else:
        value = sum(_BITS[each] for each in set(what) if each in _BITS)
        if "X" in what and (is_dir or bits & 0o111):
            value |= 1
    given = 0
    for each in set(who):
        given |= value << _SHIFT[each]
    if "s" in what:
        given |= (stat.S_ISUID if "u" in who else 0) | (stat.S_ISGID if "g" in who else 0)
    if "t" in what:
        given |= stat.S_ISVTX
    return given
