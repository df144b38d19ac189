"""Applying the fixes of findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mydocker.dockerfile.source import BYTE_ORDER_MARK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mydocker.dockerfile.lint.finding import Finding
    from mydocker.dockerfile.source import Source


def apply(source: Source, findings: Sequence[Finding]) -> tuple[bytes, int]:
    """Return the file's bytes with every fix applied that does not overlap an earlier one, and how many were.

    The text outside of the edits stays as it is, to the byte.
    """
    text = source.text
    parts: list[str] = []
    applied = done = 0
    fixable = [finding.fix for finding in findings if finding.fix]
    for fix in sorted(fixable, key=lambda one: (one.edits[0].start, one.edits[0].end)):
        if fix.edits[0].start < done:
            continue
        for edit in fix.edits:
            parts += [text[done : edit.start], edit.text]
            done = edit.end
        applied += 1
    fixed = "".join(parts) + text[done:]
    return ((BYTE_ORDER_MARK if source.has_mark else "") + fixed).encode("utf-8", "surrogateescape"), applied
