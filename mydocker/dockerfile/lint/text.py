"""Findings as text: the place, the rule, the line and a caret under the very word."""

from __future__ import annotations

from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.dockerfile.lint.finding import Finding
    from mydocker.dockerfile.source import Source


def lines(source: Source, finding: Finding) -> list[str]:
    """Return a finding as lines of text; `lint` and the warnings of `build` look like this."""
    hint = f"--fix can {finding.fix.title}" if finding.fix else ""
    return source.error(finding.span, f"{finding.level}: {finding.message} [{finding.rule}]", "", hint).lines()
