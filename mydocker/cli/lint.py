"""`mydocker lint`: what should not be in a Dockerfile, and fixes for it (docs/lint.md)."""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import TYPE_CHECKING

from mydocker.cli.output import visible
from mydocker.cli.parse import STDIN, file_argument, read_file, shown_name
from mydocker.dockerfile.lint.finding import LEVELS, WARNING
from mydocker.errors import UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from mydocker.cli.main import Context
    from mydocker.dockerfile.ignore import Matcher
    from mydocker.dockerfile.lint.finding import Finding
    from mydocker.dockerfile.lint.report import Report


def lint_arguments(parser: ArgumentParser) -> None:
    """Declare the flags of `lint`."""
    parser.epilog = "examples:\n  mydocker lint\n  mydocker lint --fix -f app/Dockerfile"
    file_argument(parser)
    parser.add_argument("context", nargs="?", metavar="CONTEXT", help="the build context (where the Dockerfile lies)")
    parser.add_argument("--format", choices=("text", "json", "sarif"), default="text", help="how to tell (text)")
    parser.add_argument("--fix", action="store_true", help="rewrite the file where that is safe, then tell the rest")
    parser.add_argument("--skip", action="append", default=[], metavar="RULE", help="leave out a rule, or all")
    parser.add_argument("--experimental", action="append", default=[], metavar="RULE", help="run an experimental rule")
    parser.add_argument("--fail-on", choices=(*LEVELS, "never"), default=WARNING, help="the least level that fails")
    parser.add_argument("--rules", action="store_true", help="list the rules and exit")


def lint(args: Namespace, context: Context) -> int:
    """Tell the findings; return 1 for mistakes and for findings of the level of --fail-on or above."""
    from mydocker.dockerfile.lint import fix
    from mydocker.dockerfile.lint import lint as check

    if args.rules:
        return _list_rules(context)
    _check_rules(args)
    if args.fix and args.file == STDIN:
        raise UsageError("lint --fix", "standard input cannot be rewritten", "name a file with -f")
    text, name, ignore = read_file(args.file), shown_name(args.file), _ignore(args)
    report = check(text, name, ignore)
    if args.fix and not report.mistakes:
        fixed, applied, report = fix.settle(report, lambda one: one.select(args.skip, args.experimental), ignore)
        if applied:
            _rewrite(args.file, fixed)
            context.out.note(f"{name}: {applied} fixed")
    findings = report.select(args.skip, args.experimental)
    _tell(report, findings, args.format, context)
    failing = [] if args.fail_on == "never" else LEVELS[: LEVELS.index(args.fail_on) + 1]
    if report.selection.error and args.fail_on != "never":
        failing = list(LEVELS)
    return 1 if report.mistakes or any(finding.level in failing for finding in findings) else 0


def _check_rules(args: Namespace) -> None:
    from mydocker.dockerfile.lint.rules import RULES
    from mydocker.dockerfile.suggest import did_you_mean

    for name in (*args.skip, *args.experimental):
        if name != "all" and name not in RULES:
            raise UsageError(f"there is no rule '{name}'", hint=did_you_mean(name, RULES) or "lint --rules lists them")


def _ignore(args: Namespace) -> Matcher | None:
    from mydocker.dockerfile import ignore

    context = args.context or os.path.dirname(args.file) or "."
    path = ignore.find(args.file, context)
    return ignore.Matcher(ignore.read(read_file(path))) if path else None


def _tell(report: Report, findings: list[Finding], form: str, context: Context) -> None:
    from mydocker.dockerfile.lint import sarif, text
    from mydocker.dockerfile.lint.listing import listing

    source = report.dockerfile.source
    if form == "json":
        context.out.json(listing(report, findings))
    elif form == "sarif":
        context.out.json(sarif.sarif(report, findings))
    else:
        lines = [line for mistake in report.mistakes for line in mistake.lines()]
        lines += [line for finding in findings for line in text.lines(source, finding)]
        context.out.raw("".join(visible(line, keep="\t") + "\n" for line in lines))


def _list_rules(context: Context) -> int:
    from mydocker.dockerfile.lint.rules import RULES

    rows = [(rule.name, rule.level, rule.summary, "experimental" * rule.experimental) for rule in RULES.values()]
    context.out.table(("RULE", "LEVEL", "SUMMARY", ""), rows)
    return 0


def _rewrite(path: str, text: bytes) -> None:
    """Replace a file by another text with the same permissions; a reader sees the old one or the new one."""
    path = os.path.realpath(path)
    handle, temporary = tempfile.mkstemp(prefix=".lint-", dir=os.path.dirname(path))
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text)
            status = os.stat(path)
            os.fchmod(file.fileno(), status.st_mode & 0o7777)
            with contextlib.suppress(PermissionError):
                os.fchown(file.fileno(), status.st_uid, status.st_gid)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
