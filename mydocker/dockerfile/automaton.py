"""Patterns with many wildcards, matched in time proportional to the path.

A backtracking expression tries every way of sharing a path between k wildcards, which takes the path's length to the
power of k: an ignore file could hold up a build for hours. Here all ways are followed at once, as bits of a number.
"""

from __future__ import annotations

import re

from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# The wildcards, as regular expressions: within a name, anything, and any number of whole directories.
STAR = "[^/]*"
ANY = ".*"
DIRECTORIES = "(?:.*/)?"


class Automaton:
    """Matches whole texts against a sequence of atoms: wildcards, and expressions for one character each."""

    def __init__(self, atoms: Sequence[str]) -> None:
        self._atoms = tuple(re.compile(atom) for atom in atoms)
        self._stars = _bits(atom == STAR for atom in atoms)
        self._anything = _bits(atom == ANY for atom in atoms)
        self._directories = _bits(atom == DIRECTORIES for atom in atoms)
        self._optional = self._stars | self._anything | self._directories
        self._end = 1 << len(atoms)
        self._moves: dict[str, int] = {}

    def matches(self, text: str) -> bool:
        """Tell whether the whole text matches."""
        here, inside = self._skip(1), 0  # before which atoms we may be, and in the middle of which directories
        for character in text:
            moved = (here & self._move(character)) << 1
            if character != "/":
                moved |= here & self._stars
            if character != "\n":  # as the dot of an expression
                moved |= here & self._anything
                inside |= here & self._directories
            else:
                inside = 0
            if character == "/":
                moved |= inside << 1
            here = self._skip(moved)
            if not here and not inside:
                return False
        return bool(here & self._end)

    def _skip(self, here: int) -> int:
        """Add the places behind wildcards that may match nothing."""
        while (further := here | (here & self._optional) << 1) != here:
            here = further
        return here

    def _move(self, character: str) -> int:
        """Return which atoms for one character match this one."""
        known = self._moves.get(character)
        if known is None:
            single = (atom.fullmatch(character) is not None for atom in self._atoms)
            known = self._moves[character] = _bits(single) & ~self._optional
        return known


def _bits(flags: Iterable[bool]) -> int:
    return sum(1 << position for position, flag in enumerate(flags) if flag)
