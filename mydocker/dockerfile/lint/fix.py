"""Applying the fixes of findings."""

from __future__ import annotations

from mydocker.dockerfile.lint.report import check
from mydocker.dockerfile.source import BYTE_ORDER_MARK
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mydocker.dockerfile.ignore import Matcher
    from mydocker.dockerfile.lint.finding import Finding
    from mydocker.dockerfile.lint.report import Report
    from mydocker.dockerfile.source import Source


# One fix can make another possible (of two that overlap, one waits), but each kind of fix is made once for a place.
_ROUNDS = 10


def settle(
    report: Report, choose: Callable[[Report], Sequence[Finding]], ignore: Matcher | None = None
) -> tuple[bytes, int, Report]:
    """Apply the fixes of the chosen findings until there are none left.

    Returns the file's bytes, the number of fixes, and the report on the fixed file.
    """
    source, total = report.dockerfile.source, 0
    text = _encoded(source, source.text)
    for _ in range(_ROUNDS):
        text, applied = apply(source, choose(report))
        if not applied:
            break
        total += applied
        report = check(text, source.filename, ignore)
        source = report.dockerfile.source
    return text, total, report


def apply(source: Source, findings: Sequence[Finding]) -> tuple[bytes, int]:
    """Return the file's bytes with every fix applied that does not overlap another, and how many were.

    Of two that overlap, the one that begins first, or else the longer one, is applied. The text outside of the edits
    stays as it is, to the byte.
    """
    text = source.text
    parts: list[str] = []
    applied = done = 0
    fixable = [finding.fix for finding in findings if finding.fix]
    for fix in sorted(fixable, key=lambda one: (one.edits[0].start, -one.edits[0].end)):
        if fix.edits[0].start < done:
            continue
        for edit in fix.edits:
            parts += [text[done : edit.start], edit.text]
            done = edit.end
        applied += 1
    return _encoded(source, "".join(parts) + text[done:]), applied


def _encoded(source: Source, text: str) -> bytes:
    return ((BYTE_ORDER_MARK if source.has_mark else "") + text).encode("utf-8", "surrogateescape")
