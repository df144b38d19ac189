"""What people see: the seed's tables to the letter, and nothing that could drive their terminal."""

from __future__ import annotations

import io

from mydocker.cli.output import Output, visible
from mydocker.errors import DockerfileError, MydockerError


def captured() -> tuple[Output, io.StringIO, io.StringIO]:
    out, err = io.StringIO(), io.StringIO()
    return Output(out, err), out, err


def test_the_table_of_networks_is_the_seeds() -> None:
    output, out, _ = captured()
    output.table(["NAME", "IpRange", "Driver"], [["testbridge", "10.72.0.1/24", "bridge"]])
    assert out.getvalue() == ("NAME         IpRange        Driver\ntestbridge   10.72.0.1/24   bridge\n")


def test_the_table_of_images_is_the_seeds() -> None:
    output, out, _ = captured()
    output.table(
        ["ID", "NAME", "VERSION", "FROM", "EXPOSE", "CREATED"], [["base", "base", "", "", "[]", "2023-10-08 11:31:29"]]
    )
    assert out.getvalue() == (
        "ID          NAME        VERSION     FROM        EXPOSE      CREATED\n"
        "base        base                                []          2023-10-08 11:31:29\n"
    )


def test_an_empty_table_still_has_its_header() -> None:
    output, out, _ = captured()
    output.table(["ID", "NAME"], [])
    assert out.getvalue() == "ID          NAME\n"


def test_control_characters_of_names_are_shown_not_obeyed() -> None:
    assert visible("a\x1b[31mb\rc\udc80\x9b") == "a\\x1b[31mb\\x0dc\\udc80\\x9b"
    output, out, _ = captured()
    output.table(["NAME"], [["evil\x1b]0;title\x07"]])
    assert "\x1b" not in out.getvalue()


def test_an_error_is_two_lines_at_most_with_the_programs_name() -> None:
    output, out, err = captured()
    output.error(MydockerError("cannot open x", "no such file", "name another"))
    assert err.getvalue() == "mydocker: cannot open x: no such file\nhint: name another\n"
    assert out.getvalue() == ""


def test_a_dockerfile_error_shows_the_line_and_a_caret_under_the_word() -> None:
    output, _, err = captured()
    output.error(
        DockerfileError(
            "unknown instruction RUM", hint="did you mean RUN?", line=2, column=1, end_column=4, source="RUM ls"
        )
    )
    assert err.getvalue() == (
        "mydocker: Dockerfile:2:1: unknown instruction RUM\n    RUM ls\n    ^^^\nhint: did you mean RUN?\n"
    )
