"""Checks of COPY and ADD."""

from __future__ import annotations

import re

from mydocker.dockerfile import globs
from mydocker.dockerfile.instructions import Add, Copy
from mydocker.dockerfile.lint.finding import Edit, Fix
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.dockerfile.lint.subject import Findings, Subject

_REMOTE = re.compile(r"https?://|git://|git@|ssh://|.*\.git(?:#|$)", re.IGNORECASE)
_ARCHIVE = re.compile(r".*\.(?:tar|tar\.\w+|tgz|tbz2?|txz|tzst|gz|bz2|xz|zst|lzma|tlz|z|zip)$", re.IGNORECASE)


def ignored_sources(subject: Subject) -> Findings:
    """CopyIgnoredFile: a source that the ignore file keeps out of the context.

    Where a pattern takes something back, an excluded directory may still have files to copy, so nothing is said.
    """
    if subject.ignore is None or any(pattern.reincludes for pattern in subject.ignore.patterns):
        return
    for step in subject.steps:
        one = step.expanded.instruction if step.expanded else None
        if not isinstance(one, Copy | Add) or (isinstance(one, Copy) and one.from_):
            continue
        command = subject.command(step.instruction)
        for source in one.sources:
            path = globs.clean(source).lstrip("/")
            if path and not _REMOTE.match(source) and not globs.has_wildcards(path) and subject.ignore.excluded(path):
                span = next((word.span for word in command.arguments if word.text == source), command.keyword.span)
                yield subject.finding("CopyIgnoredFile", f"the ignore file excludes '{source}'", span)


def add_for_copy(subject: Subject) -> Findings:
    """DL3020: ADD of plain local files, where COPY says what happens."""
    for step in subject.steps:
        one = step.instruction
        if not isinstance(one, Add) or one.checksum or one.unpack is not None or one.keep_git_dir is not None:
            continue
        if any("$" in source or _REMOTE.match(source) or _ARCHIVE.match(source) for source in one.sources):
            continue
        command = subject.command(one)
        # A wildcard or a directory could hold an archive; only plain names of files are safe to rewrite.
        plain = bool(one.sources) and all(re.search(r"\.\w+$", source) for source in one.sources)
        plain = plain and not any(globs.has_wildcards(source) for source in one.sources)
        fix = None
        if plain:
            keyword = "copy" if command.keyword.text.islower() else "COPY"
            fix = Fix("use COPY", (Edit(command.keyword.span.start, command.keyword.span.end, keyword),))
        yield subject.finding(
            "DL3020", "ADD of local files that are no archives: COPY is meant", command.keyword.span, fix
        )


def copy_destination(subject: Subject) -> Findings:
    """DL3021: several sources need a directory."""
    for step in subject.steps:
        one = step.expanded.instruction if step.expanded else step.instruction
        if isinstance(one, Copy | Add) and len(one.sources) + len(one.contents) > 1:
            word = subject.command(step.instruction).arguments[-1]
            if (
                not one.destination.endswith(("/", "\\"))
                and "$" not in word.text
                and one.destination not in (".", "..")
            ):
                yield subject.finding(
                    "DL3021",
                    f"the destination of several sources is a directory: '{one.destination}/'",
                    word.span,
                    subject.replacement("end the destination in /", word.span, f"{word.text}/")
                    if _bare(word.text)
                    else None,
                )


def _bare(text: str) -> bool:
    return re.fullmatch(r"[\w./-]+", text) is not None
