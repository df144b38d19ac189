"""Tables on terminals: cut to the width, coloured by state, wide letters counted as they are shown."""

from __future__ import annotations

import io

from mydocker.cli.output import Output, uses_colour
from mydocker.cli.table import lines, width

_HEADER = ("ID", "NAME", "STATUS", "COMMAND")
_ROWS = [("143e6a5ff039", "web", "running", "httpd -f -p 8080 -h /srv/site and many words more")]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_table_fits_every_terminal_that_has_room_for_its_columns() -> None:
    for columns in range(24, 120):
        for line in lines(_HEADER, _ROWS, columns):
            assert len(line) <= columns, (columns, line)


def test_what_has_room_is_whole_and_what_is_cut_says_so() -> None:
    assert lines(_HEADER, _ROWS, 200)[1].endswith("many words more")
    cut = lines(_HEADER, _ROWS, 60)[1]
    assert cut.startswith("143e6a5ff039  web")
    assert cut.endswith("…")


def test_off_a_terminal_nothing_is_cut() -> None:
    assert lines(_HEADER, _ROWS)[1].endswith("many words more")


def test_wide_letters_count_double() -> None:
    assert width("网络") == 4
    assert width("é") == 1
    rows = [("网络", "x"), ("net", "y")]
    found = lines(("NAME", "WHAT"), rows)
    assert found[1].index("x") + 2 == found[2].index("y")


def test_states_have_colours_and_only_they() -> None:
    def painted(status: str) -> str:
        return lines(("STATUS", "NAME"), [(status, "running")], 80, colour=True)[1]

    assert painted("running").startswith("\x1b[32mrunning\x1b[0m")
    assert painted("running (unhealthy)").startswith("\x1b[31m")
    assert painted("exited (1)").startswith("\x1b[31m")
    assert painted("exited (0)").startswith("exited (0)")
    assert painted("exited (0)").endswith("running")


def test_colour_does_not_move_columns() -> None:
    import re

    plain = lines(_HEADER, _ROWS, 80)
    assert [re.sub(r"\x1b\[\d*m", "", line) for line in lines(_HEADER, _ROWS, 80, colour=True)] == plain


def test_colour_is_for_terminals_that_have_it_and_never_with_no_color(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert uses_colour(Terminal())
    assert not uses_colour(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not uses_colour(Terminal())
    monkeypatch.setenv("NO_COLOR", "")
    monkeypatch.setenv("TERM", "dumb")
    assert not uses_colour(Terminal())


def test_a_pipe_gets_no_escapes() -> None:
    stream = io.StringIO()
    Output(stream).table(_HEADER, _ROWS)
    assert "\x1b" not in stream.getvalue()
