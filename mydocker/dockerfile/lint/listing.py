"""Reports as plain JSON values (docs/lint.md has the schema)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mydocker.dockerfile.lint.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mydocker.dockerfile.lint.finding import Finding
    from mydocker.dockerfile.lint.report import Report


def listing(report: Report, findings: Iterable[Finding]) -> dict[str, Any]:
    """Return the mistakes of a file, and those findings that are to be shown."""
    mistakes = [
        {"error": str(one), "hint": one.hint, "line": one.line, "column": one.column, "end_column": one.end_column}
        for one in report.mistakes
    ]
    return {
        "filename": report.dockerfile.source.filename,
        "ok": not mistakes,
        "mistakes": mistakes,
        "findings": [_finding(one) for one in findings],
    }


def _finding(one: Finding) -> dict[str, Any]:
    edits = [{"start": edit.start, "end": edit.end, "text": edit.text} for edit in one.fix.edits] if one.fix else []
    return {
        "rule": one.rule,
        "level": one.level,
        "message": one.message,
        "url": RULES[one.rule].url,
        "line": one.span.line,
        "column": one.span.column,
        "end_line": one.span.end_line,
        "end_column": one.span.end_column,
        "fix": {"title": one.fix.title, "edits": edits} if one.fix else None,
    }
