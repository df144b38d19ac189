"""Ignore files (.dockerignore) and lists of patterns like `COPY --exclude`, to the answers of moby/patternmatcher.

A later pattern wins over an earlier one; `!` takes back what was excluded; a path is excluded with its directory.
`**` stands for any number of directories.
"""

from __future__ import annotations

import os
import re

from mydocker.dockerfile import globs
from mydocker.dockerfile.automaton import ANY, DIRECTORIES, STAR, Automaton
from mydocker.dockerfile.words import SPACES
from mydocker.errors import DockerfileError
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# Characters that mean something in a regular expression and nothing in a pattern. ^ is not among them, as in Go.
_LITERAL = ".+()|{}$"
# With more of them, a backtracking expression could take too long.
_MOST_WILDCARDS = 2


def read(text: bytes | str) -> list[str]:
    """Read the patterns of an ignore file: comments and blank lines dropped, each pattern cleaned."""
    decoded = text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else text
    patterns = []
    for line in decoded.removeprefix("\ufeff").split("\n"):
        if line.startswith("#"):
            continue
        pattern = line.strip(SPACES)
        if not pattern:
            continue
        mark = "!" if pattern[0] == "!" else ""
        pattern = pattern[len(mark) :].strip(SPACES)
        if pattern:
            pattern = globs.clean(pattern)
            pattern = pattern[1:] if len(pattern) > 1 and pattern[0] == "/" else pattern
        patterns.append(mark + pattern)
    return patterns


def find(dockerfile: str, context: str) -> str | None:
    """Return the path of the ignore file that counts: NAME.dockerignore beside the Dockerfile, else the context's."""
    for path in (f"{dockerfile}.dockerignore", os.path.join(context, ".dockerignore")):
        if os.path.isfile(path):
            return path
    return None


class Pattern:
    """One pattern. `reincludes` tells that it began with `!`; `text` is without it."""

    def __init__(self, text: str) -> None:
        cleaned = globs.clean(text.strip(SPACES))
        self.reincludes = cleaned.startswith("!")
        self.text = cleaned[1:] if self.reincludes else cleaned
        if not self.text:
            raise DockerfileError(f"malformed pattern {text!r}", "nothing after the !", "write !PATTERN")
        globs.compiled(self.text)  # refuses what Go's filepath.Match refuses
        self.matches: Callable[[str], bool] = _matcher(self.text)
        """Tell whether a path, relative to the root and with slashes, matches by itself."""

    def is_prefix(self) -> bool:
        """Tell whether the pattern is a plain path, maybe with a wildcard for all below it."""
        return not globs.has_wildcards(self.without_trailing_glob())

    def without_trailing_glob(self) -> str:
        """Return the text without a `/*` or `/**` at its end."""
        return self.text.removesuffix("/**").removesuffix("/*")


class Matcher:
    """A list of patterns; remembers what it found out about directories, so one matcher serves one walk.

    Raises `DockerfileError` for a malformed pattern.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self.patterns = tuple(Pattern(text) for text in patterns if text.strip(SPACES))
        self._exceptions = tuple(pattern for pattern in self.patterns if pattern.reincludes)
        self._plain_exceptions = all(pattern.is_prefix() for pattern in self._exceptions)
        self._directories: dict[str, tuple[bool, ...]] = {}

    def excluded(self, path: str) -> bool:
        """Tell whether a path (relative to the root, with slashes) is excluded, itself or with a directory above it."""
        above = self._above(path)
        excluded = False
        for pattern, by_directory in zip(self.patterns, above, strict=True):
            if pattern.reincludes == excluded and (by_directory or pattern.matches(path)):
                excluded = not excluded
        return excluded

    def may_reinclude_below(self, directory: str) -> bool:
        """Tell whether a walk has to enter an excluded directory, as a `!` pattern could match something below it."""
        if not self._plain_exceptions:
            return True
        return any(f"{one.without_trailing_glob()}/".startswith(f"{directory}/") for one in self._exceptions)

    def _above(self, path: str) -> tuple[bool, ...]:
        """Tell of each pattern whether it matches a directory above the path."""
        cut = path.rfind("/")
        directory = globs.clean(path[: cut + 1]) if cut >= 0 else "."
        unknown: list[str] = []
        while directory != "." and directory not in self._directories:
            unknown.append(directory)
            if directory == "/":
                break
            head, slash, _ = directory.rpartition("/")
            directory = head or slash or "."
        found = self._directories.get(directory, (False,) * len(self.patterns))
        for each in reversed(unknown):
            found = tuple(seen or pattern.matches(each) for pattern, seen in zip(self.patterns, found, strict=True))
            self._directories[each] = found
        return found


def _matcher(text: str) -> Callable[[str], bool]:
    """Return the test of one cleaned pattern: a comparison where that is enough, else a regular expression."""
    wild = re.search(r"[*?\[\]\\]", text)
    if not wild:
        return text.__eq__
    inner = text[2:]
    if text.startswith("**") and not re.search(r"[*?\[\]\\]", inner):
        # "**/name": any path that ends in "/name", and "name" itself.
        return lambda path: path.endswith(inner) or (inner[:1] == "/" and path == inner[1:])
    if text.endswith("**") and wild.start() == len(text) - 2:
        prefix = text[:-2]
        return lambda path: path.startswith(prefix)
    try:
        return _whole_matcher(_atoms(text))
    except re.error as error:
        raise DockerfileError(f"malformed pattern {text!r}", str(error), "") from None


def _whole_matcher(atoms: list[str]) -> Callable[[str], bool]:
    wildcards = sum(atom in (STAR, ANY, DIRECTORIES) for atom in atoms)
    # A ^ stands for the start of the text, as in Go, where no automaton has a place for it.
    if wildcards > _MOST_WILDCARDS and "^" not in atoms:
        return Automaton(atoms).matches
    expression = re.compile(f"^{''.join(atoms)}\\Z")
    return lambda path: expression.match(path) is not None


def _atoms(text: str) -> list[str]:
    """Split a pattern into wildcards and expressions for one character."""
    atoms: list[str] = []
    at = 0
    while at < len(text):
        character = text[at]
        at += 1
        if text.startswith("**", at - 1):
            at += 2 if text.startswith("/", at + 1) else 1
            atoms.append(ANY if at == len(text) else DIRECTORIES)
        elif character == "*":
            atoms.append(STAR)
        elif character == "?":
            atoms.append("[^/]")
        elif character in _LITERAL:
            atoms.append("\\" + character)
        elif character == "\\":
            atoms.append(re.escape(text[at]))
            at += 1
        elif character == "[":
            inside, at = _class(text, at)
            atoms.append(inside)
        else:
            atoms.append(character)
    return atoms


def _class(text: str, at: int) -> tuple[str, int]:
    """Translate a class from behind its bracket. A ! is a character like any other; ^ negates."""
    out = ["["]
    if text.startswith("^", at):
        out.append("^")
        at += 1
    while text[at] != "]":
        if text[at] == "\\":
            at += 1
            out.append(re.escape(text[at]))
        else:
            out.append("\\" + text[at] if text[at] in "[&~|" else text[at])
        at += 1
    return "".join(out) + "]", at + 1
