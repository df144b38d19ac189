"""Go's path patterns: `filepath.Match`, which COPY uses for wildcards, and `path.Clean`, to the same answers.

`*` and `?` do not match a slash; a class, `[a-z]` or `[^a-z]`, may; a backslash protects the next character.
"""

from __future__ import annotations

import re
from functools import lru_cache

from mydocker.errors import DockerfileError


def match(pattern: str, name: str) -> bool:
    """Tell whether a whole name matches a pattern; raises `DockerfileError` for a malformed pattern."""
    return compiled(pattern).fullmatch(name) is not None


def has_wildcards(path: str) -> bool:
    """Tell whether a path is a pattern rather than a plain name."""
    return any(character in path for character in "*?[\\")


def clean(path: str) -> str:
    """Return the shortest equal path: no empty, `.` or needless `..` elements, no slash at the end; "" becomes "."."""
    rooted = path.startswith("/")
    kept: list[str] = []
    for part in path.split("/"):
        if part in ("", "."):
            continue
        if part == ".." and kept and kept[-1] != "..":
            kept.pop()
        elif part != ".." or not rooted:
            kept.append(part)
    return ("/" if rooted else "") + "/".join(kept) or "."


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> re.Pattern[str]:
    """Compile a pattern to a regular expression for `fullmatch`; raises `DockerfileError` for a malformed pattern."""
    parts: list[list[str]] = [[]]  # what stands between the stars
    at = 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if character == "*":
            parts.append([])
        elif character == "?":
            parts[-1].append("[^/]")
        elif character == "[":
            text, at = _character_class(pattern, at)
            parts[-1].append(text)
        elif character == "\\":
            if at == len(pattern):
                raise _malformed(pattern, "a backslash at the end")
            parts[-1].append(re.escape(pattern[at]))
            at += 1
        else:
            parts[-1].append(re.escape(character))
    return re.compile(_joined(["".join(part) for part in parts]), re.DOTALL)


def _joined(parts: list[str]) -> str:
    """Put the stars back. As in Go a part stays at the first place where it fits, so matching cannot explode."""
    first, *others = parts
    if not others:
        return first
    last = others.pop()
    between = "".join(f"(?>[^/]*?{part})" for part in others if part)
    return f"{first}{between}[^/]*{last}"


def _character_class(pattern: str, at: int) -> tuple[str, int]:
    """Translate a class from behind its bracket; return the translation and the place after the class."""
    negated = pattern.startswith("^", at)
    at += negated
    ranges: list[str] = []
    while not (ranges and pattern.startswith("]", at)):
        low, at = _class_character(pattern, at)
        high = low
        if pattern.startswith("-", at):
            high, at = _class_character(pattern, at + 1)
        if low <= high:
            ranges.append(f"{re.escape(low)}-{re.escape(high)}")
        else:
            ranges.append("")  # an empty range matches nothing, but it is a range
    inside = "".join(ranges)
    if not inside:
        return (r"[\s\S]" if negated else r"(?!)"), at + 1
    return f"[{'^' if negated else ''}{inside}]", at + 1


def _class_character(pattern: str, at: int) -> tuple[str, int]:
    if pattern.startswith("\\", at):
        at += 1
    elif at < len(pattern) and pattern[at] in "-]":
        raise _malformed(pattern, f"{pattern[at]!r} out of place in a class")
    # A class has to end behind every character, so the pattern cannot end there.
    if at + 1 >= len(pattern):
        raise _malformed(pattern, "a class that does not end")
    return pattern[at], at + 1


def _malformed(pattern: str, why: str) -> DockerfileError:
    return DockerfileError(f"malformed pattern {pattern!r}", why, "a backslash before [ or * takes its meaning away")
