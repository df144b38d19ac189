"""Mistakes: the place, the line, a caret under the very word, what was expected, and a suggestion."""

from __future__ import annotations

import textwrap

import pytest

from mydocker.dockerfile import expand, ignore, parse
from mydocker.dockerfile.suggest import nearest
from mydocker.errors import DockerfileError, DockerfileErrors

MESSAGES = [
    (
        "FROM a\nRUM x\n",
        """\
        Dockerfile:2:1: unknown instruction 'RUM'
            RUM x
            ^^^
        hint: did you mean RUN?
        """,
    ),
    (
        "FROM a\nCOPY --form=b c d\n",
        """\
        Dockerfile:2:6: unknown flag --form of COPY: known are --chmod, --chown, --exclude, --from, --link, --parents
            COPY --form=b c d
                 ^^^^^^^^
        hint: did you mean --from?
        """,
    ),
    (
        "FROM a\nENV a=b c\n",
        """\
        Dockerfile:2:9: cannot find = in 'c': ENV takes key=value pairs here, as the first one is a pair
            ENV a=b c
                    ^
        hint: put the value between quotes if it holds blanks
        """,
    ),
    (
        "FROM a\nLABEL \\\n  key\n",
        """\
        Dockerfile:3:3: LABEL key has no value: expected key=value
              key
              ^^^
        hint: write LABEL key=VALUE
        """,
    ),
    (
        'FROM a\nCMD ["a", 1]\n',
        """\
        Dockerfile:2:5: not an array of strings: the exec form is a JSON array whose elements are all strings
            CMD ["a", 1]
                ^^^^^^^^
        hint: put every element between double quotes: ["executable", "argument"]
        """,
    ),
    (
        "FROM a\nRUN cat <<EOF\nx\n",
        """\
        Dockerfile:2:9: unterminated here-document: no line after this one holds 'EOF' and nothing else
            RUN cat <<EOF
                    ^^^^^
        hint: end it with a line EOF, or quote the << if no here-document is meant
        """,
    ),
    (
        'FROM a\nRUN <<${A/b}/"x y"c}/\n',
        """\
        Dockerfile:2:5: cannot expand '${A/b}/"x': no closing double quote
            RUN <<${A/b}/"x y"c}/
                ^^^^^^^^^^^^^^^^^
        hint: add the missing "
        """,
    ),
    (
        "FROM a AS 1x\n",
        """\
        Dockerfile:1:11: FROM cannot name a stage '1x'
            FROM a AS 1x
                      ^^
        hint: a name begins with a letter and has letters, digits, - _ and .
        """,
    ),
    (
        "RUN x\nFROM a\n",
        """\
        Dockerfile:1:1: RUN before the first FROM: only ARG can stand there
            RUN x
            ^^^
        hint: begin the file with FROM
        """,
    ),
    (
        "# escape=`\n# escape=\\\nFROM a\n",
        """\
        Dockerfile:2:1: second escape directive: the first is on line 1
            # escape=\\
            ^^^^^^^^^^
        hint: keep one of them
        """,
    ),
    (
        "FROM a\nHEALTHCHECK --interval=5 CMD x\n",
        """\
        Dockerfile:2:13: cannot read the duration '5'
            HEALTHCHECK --interval=5 CMD x
                        ^^^^^^^^^^^^
        hint: write numbers with ms, s, m or h, like 1m30s
        """,
    ),
    (
        "FROM a\nRUN --network=nome x\n",
        """\
        Dockerfile:2:5: RUN has no --network 'nome': known are default, none, host
            RUN --network=nome x
                ^^^^^^^^^^^^^^
        hint: did you mean none?
        """,
    ),
]


@pytest.mark.parametrize(("text", "message"), MESSAGES, ids=[text.split("\n")[-2] for text, _ in MESSAGES])
def test_mistake_shows_the_place_and_helps(text: str, message: str) -> None:
    with pytest.raises(DockerfileErrors) as caught:
        parse(text)
    assert caught.value.lines() == textwrap.dedent(message).splitlines()


def test_caret_stands_under_the_word_where_tabs_come_before_it() -> None:
    with pytest.raises(DockerfileErrors) as caught:
        parse("\tFROM\ta b\n")
    assert caught.value.lines()[1:3] == ["    \tFROM\ta b", "    \t    \t  ^"]


def test_all_mistakes_of_a_file_come_at_once_and_in_order() -> None:
    with pytest.raises(DockerfileErrors) as caught:
        parse("FROM a\nENV x\nRUM\nCOPY a\nRUN --foo=1 x\nENV a=b c\n")
    assert [(one.line, one.column) for one in caught.value.mistakes] == [(2, 5), (3, 1), (4, 1), (5, 5), (6, 9)]


@pytest.mark.parametrize("text", ["", "# only\n", "\n\n"])
def test_file_without_instructions_is_said_with_its_name(text: str) -> None:
    with pytest.raises(DockerfileErrors) as caught:
        parse(text, "x/Dockerfile")
    assert caught.value.lines() == [
        "x/Dockerfile:1: no instructions: the file is empty or all comments",
        "hint: begin with FROM",
    ]


def test_mistake_without_a_place_pretends_none() -> None:
    with pytest.raises(DockerfileError) as caught:
        ignore.Matcher(["a["])
    assert caught.value.lines()[0] == "malformed pattern 'a[': a class that does not end"


def test_stage_with_a_mistake_does_not_make_its_instructions_mistakes() -> None:
    with pytest.raises(DockerfileErrors) as caught:
        parse("FROM a b\nRUN x\n")
    assert len(caught.value.mistakes) == 1


EXPANSIONS = [
    ("COPY a${b c /x", 7, "no closing } after ${"),
    ("WORKDIR /a/${b!c}", 15, "unknown modifier '!' in ${}"),
    ("WORKDIR ${x:=y}", 12, "unknown modifier ':=' in ${}"),
    ("WORKDIR /'a", 10, "no closing single quote"),
    ('WORKDIR /"$a', 10, "no closing double quote"),
    ("WORKDIR ${}", 9, "no variable name after ${"),
    ("WORKDIR ${a/b}", 9, "no closing / and } after ${"),
    ("WORKDIR ${a:?who is a}", 9, "who is a"),
    ("RUN --mount=type=tmps x", 13, "known are bind, cache, tmpfs, secret, ssh"),
    ("RUN --mount=type=bind,size=1 x", 13, "it is for tmpfs"),
    ("RUN --mount=type=cache,target x", 13, ""),
]


@pytest.mark.parametrize(("line", "column", "why"), EXPANSIONS, ids=[line for line, _, _ in EXPANSIONS])
def test_mistake_in_a_word_shows_where_the_word_goes_wrong(line: str, column: int, why: str) -> None:
    dockerfile = parse(f"FROM a\n{line}\n")
    with pytest.raises(DockerfileError) as caught:
        expand(dockerfile.stages[0].instructions[0], {}, source=dockerfile.source)
    assert (caught.value.line, caught.value.column, caught.value.why) == (2, column, why)


@pytest.mark.parametrize(
    ("word", "found"),
    [("RUM", "RUN"), ("FORM", "FROM"), ("COPPY", "COPY"), ("ENTRPOINT", "ENTRYPOINT"), ("XYZZY", None)],
)
def test_nearest_name_is_suggested_when_one_is_near(word: str, found: str | None) -> None:
    assert nearest(word, ("ADD", "COPY", "ENTRYPOINT", "FROM", "RUN")) == found
