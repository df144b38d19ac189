"""Parsed Dockerfiles, kept by content: what was parsed once is loaded again without lark.

An entry is named by the sha256 of the Dockerfile's bytes and of the code that parses it (the grammars and this room's
modules), so an entry is never stale, only unused. It is JSON below a line with its own sha256; an entry that does not
fit its checksum is ignored and written again. The words that were parsed are kept with it, so that expanding them needs
no parser either. Entries are written to a temporary and renamed, without syncing: one that
a power cut damaged is found out by its checksum.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from _thread import get_ident
from functools import cache
from pathlib import Path

from mydocker.dockerfile import encoding, grammars, stages, words
from mydocker.dockerfile.lint.selection import selection
from mydocker.dockerfile.source import Source
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mydocker.dockerfile.lint.finding import Finding
    from mydocker.dockerfile.stages import Dockerfile


# More entries than anybody works on at a time; the oldest go.
_MOST_ENTRIES = 256
_ABANDONED_AFTER = 3600


class Cached(NamedTuple):
    """A Dockerfile, and what lint finds in it without knowing more than its text.

    `findings_fail` says that the file itself asks for findings to be errors (`# check=error=true`).
    """

    dockerfile: Dockerfile
    findings: tuple[Finding, ...]

    @property
    def findings_fail(self) -> bool:
        """Tell whether the file's `check` directive makes every finding an error."""
        return selection(self.dockerfile.directive("check")).error


def parse_cached(text: bytes, directory: str, filename: str = "Dockerfile") -> Cached:
    """Parse a Dockerfile, or load what an earlier call made of the same bytes.

    Safe to call from any number of processes. Raises `DockerfileErrors`; mistakes are not cached. A directory that
    cannot be written only costs time.
    """
    path = Path(directory, f"{_key(text)}.json")
    source = Source(text, filename)
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
        return _decode(path.read_bytes(), source)
    with words.recording() as parsed:
        made = _parse(text, filename)
    with contextlib.suppress(OSError):
        _write(path, _encode(made, tuple(parsed.items())))
    return made


def _parse(text: bytes, filename: str) -> Cached:
    from mydocker.dockerfile.lint import lint

    report = lint(text, filename)
    report.raise_mistakes()
    return Cached(report.dockerfile, report.findings)


@cache
def _code() -> bytes:
    """Return a digest of everything that decides what becomes of a text."""
    found = hashlib.sha256(grammars.version().encode())
    room = Path(__file__).parent
    for path in sorted([*room.glob("*.py"), *room.glob("lint/*.py")]):
        found.update(path.read_bytes())
    return found.digest()


def _key(text: bytes) -> str:
    return hashlib.sha256(_code() + text).hexdigest()


def _write(path: Path, entry: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{get_ident()}.tmp")
    temporary.write_bytes(entry)
    temporary.replace(path)
    _tidy(path.parent)


def _tidy(directory: Path) -> None:
    """Remove the oldest entries beyond the number to keep, and temporaries whose writer was killed."""
    entries = sorted(directory.glob("*.json"), key=_changed)
    abandoned = [path for path in directory.glob(".*.tmp") if _changed(path) < time.time() - _ABANDONED_AFTER]
    for path in (*entries[:-_MOST_ENTRIES], *abandoned):
        path.unlink(missing_ok=True)


def _changed(path: Path) -> float:
    return path.stat().st_mtime


def _encode(made: Cached, parsed: tuple[tuple[words.Key, tuple[words.Piece, ...]], ...]) -> bytes:
    one = made.dockerfile
    parts = (one.directives, one.escape, one.meta_args, one.stages, made.findings, parsed)
    body = encoding.encode(parts)
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def _decode(entry: bytes, source: Source) -> Cached:
    """Read an entry; raises `ValueError` and the like for one that is damaged."""
    checksum, _, body = entry.partition(b"\n")
    if checksum != hashlib.sha256(body).hexdigest().encode():
        raise ValueError("the entry does not fit its checksum")
    directives, escape, meta_args, built, findings, parsed = encoding.decode(body)
    words.remember((tuple(key), tuple(pieces)) for key, pieces in parsed)
    dockerfile = stages.Dockerfile(source, tuple(directives), escape, tuple(meta_args), tuple(built))
    return Cached(dockerfile, tuple(findings))
