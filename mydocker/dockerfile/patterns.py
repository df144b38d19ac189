"""The patterns of `${x#p}`, `${x%p}` and `${x/p/r}`: * any characters, ? one of them, neither crosses a line's end.

As in BuildKit there are no bracket expressions, and a backslash protects only * ? and itself (and, where they would
end the substitution, } and /).

Between two stars a part of the pattern has a fixed length, so taking the first place where it fits is never wrong:
each star but a greedy last one becomes an atomic group, and matching cannot explode.
"""

from __future__ import annotations

import re

from mydocker.errors import DockerfileError

STAR, ANY = "*", "?"


def without_prefix(value: str, pattern: str, *, longest: bool) -> str:
    """Remove the shortest or the longest start of `value` that matches; raises `DockerfileError` for a bad escape."""
    found = _compile(_atoms(pattern), longest=longest).match(value)
    return value[found.end() :] if found else value


def without_suffix(value: str, pattern: str, *, longest: bool) -> str:
    """Remove the shortest or the longest end of `value` that matches; raises `DockerfileError` for a bad escape."""
    found = _compile(_atoms(pattern)[::-1], longest=longest).match(value[::-1])
    return value[: len(value) - found.end()] if found else value


def replace(value: str, pattern: str, replacement: str, *, everywhere: bool) -> str:
    """Replace the first match, or every one, by `replacement`; raises `DockerfileError` for a bad escape."""
    return _compile(_atoms(pattern), longest=True).sub(lambda _: replacement, value, count=0 if everywhere else 1)


def _atoms(pattern: str) -> list[str]:
    """Split a pattern into atoms: the two wildcards, and literals written as regular expressions."""
    atoms: list[str] = []
    characters = iter(pattern)
    for character in characters:
        if character in (STAR, ANY):
            atoms.append(character)
            continue
        if character == "\\":
            character = next(characters, "")
            if character == "" or character not in "*?\\}/":
                raise DockerfileError(
                    f"pattern {pattern!r}", f"invalid escape '\\{character}'", "a backslash goes before * ? or \\"
                )
        atoms.append(re.escape(character))
    return atoms


def _compile(atoms: list[str], *, longest: bool) -> re.Pattern[str]:
    parts: list[list[str]] = [[]]
    for atom in atoms:
        if atom == STAR:
            parts.append([])
        else:
            parts[-1].append("." if atom == ANY else atom)
    first, *others = ["".join(part) for part in parts]
    if not others:
        return re.compile(first)
    last = others.pop()
    between = "".join(f"(?>.*?{part})" for part in others)
    return re.compile(f"{first}{between}" + (f".*{last}" if longest else f".*?{last}"))
