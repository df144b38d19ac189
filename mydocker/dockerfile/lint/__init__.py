"""Lint: what is allowed in a Dockerfile and still should not be there.

The rules and where they come from are in `rules`; `lint` runs them all, `fix` applies what they propose.
"""

from __future__ import annotations

from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.dockerfile.ignore import Matcher
    from mydocker.dockerfile.lint.report import Report


def lint(text: bytes | str, filename: str = "Dockerfile", ignore: Matcher | None = None) -> Report:
    """Check a Dockerfile with every rule that needs no build: its text, and the ignore file of its context if given.

    Never raises for what the file says: its mistakes are in the report.
    """
    from mydocker.dockerfile.lint.report import check

    return check(text, filename, ignore)
