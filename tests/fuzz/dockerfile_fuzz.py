"""Coverage-guided fuzzing of the Dockerfile language (docs/dockerfile.md tells how to run it).

    python -m tests.fuzz.dockerfile_fuzz CORPUS -runs=1000000 -max_len=4096 -timeout=10

Every input goes through the whole room: parse, type, expand, lint, fix, print. Only `DockerfileError` may come out,
what is printed must parse to the same tree, and a fixed file must have no more mistakes than before.
"""

from __future__ import annotations

import sys

import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]

with atheris.instrument_imports(include=["mydocker.dockerfile"]):
    from mydocker.dockerfile import ignore, parsing, printing
    from mydocker.dockerfile.expansion import expand
    from mydocker.dockerfile.lint import fix
    from mydocker.dockerfile.lint.report import check
    from mydocker.errors import DockerfileError
    from tests.unit.dockerfile.shapes import shape

_VARIABLES = {"x": "a b", "PATH": "/bin", "empty": ""}


def one_input(data: bytes) -> None:
    """Try one input; anything but `DockerfileError` is a defect."""
    report = check(data, "Dockerfile", None)
    for stage in report.dockerfile.stages:
        for instruction in (stage.from_, *stage.instructions):
            try:
                expand(instruction, _VARIABLES, escape=report.dockerfile.escape, source=report.dockerfile.source)
            except DockerfileError as error:
                error.lines()
    if not report.mistakes:
        _, _, after = fix.settle(report, lambda one: one.every)
        assert not after.mistakes
        assert not [one for one in after.every if one.fix]
    try:
        syntax = parsing.parse_syntax(data)
    except DockerfileError as error:
        error.lines()
    else:
        again = parsing.parse_syntax(printing.print_syntax(syntax))
        assert shape(again) == shape(syntax)
    try:
        matcher = ignore.Matcher(ignore.read(data))
        matcher.excluded("a/b/c.txt")
    except DockerfileError:
        pass


def main() -> None:
    """Hand over to libFuzzer, which reads the command line."""
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
