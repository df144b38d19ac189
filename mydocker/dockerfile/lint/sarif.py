"""Reports as SARIF 2.1.0, which code hosts show beside the lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mydocker.dockerfile.lint.finding import ERROR, INFO, WARNING
from mydocker.dockerfile.lint.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mydocker.dockerfile.lint.finding import Finding, Fix
    from mydocker.dockerfile.lint.report import Report
    from mydocker.dockerfile.source import Source
    from mydocker.errors import DockerfileError

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {ERROR: "error", WARNING: "warning", INFO: "note"}
_MISTAKE = "DockerfileError"


def sarif(report: Report, findings: Iterable[Finding]) -> dict[str, Any]:
    """Return a SARIF log of one run: the mistakes, and those findings that are to be shown."""
    source = report.dockerfile.source
    shown = list(findings)
    results = [_mistake(source, mistake) for mistake in report.mistakes] + [_finding(source, one) for one in shown]
    used = sorted({one.rule for one in shown})
    rules: list[dict[str, Any]] = [
        {"id": name, "shortDescription": {"text": RULES[name].summary}, "helpUri": RULES[name].url} for name in used
    ]
    if report.mistakes:
        rules.append({"id": _MISTAKE, "shortDescription": {"text": "a mistake that keeps the file from being built"}})
    driver = {"name": "mydocker", "rules": rules}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}


def _finding(source: Source, one: Finding) -> dict[str, Any]:
    span = one.span
    region = {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }
    result = _result(source, one.rule, _LEVELS[one.level], one.message, region)
    if one.fix:
        result["fixes"] = [_fix(source, one.fix)]
    return result


def _mistake(source: Source, mistake: DockerfileError) -> dict[str, Any]:
    region = {"startLine": max(mistake.line, 1)}
    if mistake.column:
        region |= {"startColumn": mistake.column, "endColumn": max(mistake.end_column, mistake.column + 1)}
    return _result(source, _MISTAKE, "error", str(mistake), region)


def _result(source: Source, rule: str, level: str, message: str, region: dict[str, int]) -> dict[str, Any]:
    location = {"artifactLocation": {"uri": source.filename}, "region": region}
    return {
        "ruleId": rule,
        "level": level,
        "message": {"text": message},
        "locations": [{"physicalLocation": location}],
    }


def _fix(source: Source, fix: Fix) -> dict[str, Any]:
    replacements = [
        {
            "deletedRegion": {"charOffset": edit.start, "charLength": edit.end - edit.start},
            "insertedContent": {"text": edit.text},
        }
        for edit in fix.edits
    ]
    change = {"artifactLocation": {"uri": source.filename}, "replacements": replacements}
    return {"description": {"text": fix.title}, "artifactChanges": [change]}
