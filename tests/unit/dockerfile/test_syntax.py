"""Text to syntax tree: lines, continuations, here-documents, flags, forms, and the exact place of every part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mydocker.dockerfile import parse_syntax
from mydocker.dockerfile.source import Source
from mydocker.errors import DockerfileError

if TYPE_CHECKING:
    from mydocker.dockerfile.syntax import Command


def only(text: str | bytes) -> Command:
    """Return the only command of a text."""
    [command] = parse_syntax(text).commands
    return command


def arguments(text: str) -> list[str]:
    return [word.text for word in only(text).arguments]


def written(text: str, command: Command) -> list[str]:
    """Return the pieces of the text where the arguments are said to lie."""
    return [text[word.span.start : word.span.end] for word in command.arguments]


def test_spans_point_at_the_words_as_written() -> None:
    text = "# note\nFROM --platform=$P  image \\\n   AS \tname\n"
    command = only(text)
    assert written(text, command) == ["image", "AS", "name"]
    assert [(w.span.line, w.span.column, w.span.end_column) for w in command.arguments] == [
        (2, 21, 26),
        (3, 4, 6),
        (3, 8, 12),
    ]
    flag = command.flags[0]
    assert text[flag.span.start : flag.span.end] == "--platform=$P"
    assert (command.span.line, command.span.end_line) == (2, 3)


def test_word_that_a_continuation_cuts_in_two_has_a_span_over_both_lines() -> None:
    text = "RUN --mo\\\nunt=type=tmpfs x\n"
    command = only(text)
    assert str(command.flags[0]) == "--mount=type=tmpfs"
    assert (command.flags[0].span.line, command.flags[0].span.end_line) == (1, 2)
    assert text[command.flags[0].span.start : command.flags[0].span.end] == "--mo\\\nunt=type=tmpfs"


def test_keyword_cut_in_two_is_one_keyword() -> None:
    assert only("RU\\\nN x\n").name == "RUN"


@pytest.mark.parametrize("ending", ["\n", "\r\n", ""])
def test_line_endings_and_a_missing_last_one_make_no_difference(ending: str) -> None:
    assert arguments(f"EXPOSE 1 \\{ending or chr(10)}  2{ending}") == ["1", "2"]


def test_byte_order_mark_is_dropped_at_the_start_only() -> None:
    assert only(b"\xef\xbb\xbfFROM a\n").name == "FROM"
    assert [one.name for one in parse_syntax(b"FROM a\n\xef\xbb\xbfRUN x\n").commands] == ["FROM", "\ufeffRUN"]


def test_bytes_that_are_no_utf8_survive() -> None:
    assert only(b"RUN \xff\n").arguments[0].text.encode("utf-8", "surrogateescape") == b"\xff"


def test_comments_and_blank_lines_inside_an_instruction_are_left_out() -> None:
    syntax = parse_syntax("RUN a \\\n# one \\\n\n   # two\n  b\n")
    assert syntax.commands[0].arguments[0].text == "a   b"
    assert [span.line for span in syntax.empty_continuations] == [3]


def test_comment_with_a_continuation_ends_with_its_line() -> None:
    assert [one.name for one in parse_syntax("# x \\\nRUN a\n").commands] == ["RUN"]


@pytest.mark.parametrize(("text", "count"), [("RUN a\\\\\nb\n", 2), ("RUN a\\ \t\nb\n", 1), ("RUN a\\ x\nb\n", 2)])
def test_escape_token_continues_when_it_is_last_and_single(text: str, count: int) -> None:
    assert len(parse_syntax(text).commands) == count


def test_escape_directive_changes_continuations_and_words() -> None:
    syntax = parse_syntax('# escape=`\nRUN a `\n b\nENV x=c:\\ y=`"\n')
    assert syntax.escape == "`"
    assert [word.text for word in syntax.commands[0].arguments] == ["a  b"]
    assert [word.text for word in syntax.commands[1].arguments] == ["x=c:\\", 'y=`"']


def test_directives_end_at_the_first_line_that_is_none() -> None:
    syntax = parse_syntax("# syntax=docker/dockerfile:1\n# check = skip=all \n#\n# escape=`\nFROM a\n")
    assert [(one.name, one.value) for one in syntax.directives] == [
        ("syntax", "docker/dockerfile:1"),
        ("check", "skip=all"),
    ]
    assert syntax.escape == "\\"


def test_flags_lose_their_quotes_and_two_dashes_end_them() -> None:
    command = only('RUN --mount=type=bind,"source=a b",x=\'c d\' --net\\ work="" -- --rest of it\n')
    assert [str(flag) for flag in command.flags] == ["--mount=type=bind,source=a b,x=c d", "--net work="]
    assert command.arguments[0].text == "--rest of it"


@pytest.mark.parametrize("array", ['["a", "b"]', '[ "a","b" ] ', '\t["\\u0061", "b"]'])
def test_array_of_strings_is_the_exec_form(array: str) -> None:
    command = only(f"CMD {array}\n")
    assert (command.form, arguments(f"CMD {array}\n")) == ("exec", ["a", "b"])


@pytest.mark.parametrize(
    "text", ['["a"] b', "['a']", '["a",]', '["a\tb"', '["a" "b"]', "[", '["\\x"]', "[1e999]", "[NaN]"]
)
def test_what_is_no_json_array_is_the_shell_form(text: str) -> None:
    command = only(f"RUN {text}\n")
    assert (command.form, command.arguments[0].text) == ("text", text)


@pytest.mark.parametrize("array", ["[1]", '["a", null]', '[["a"]]', '["a", {}]', "[" * 5000 + "]" * 5000])
def test_array_of_other_things_is_refused(array: str) -> None:
    with pytest.raises(DockerfileError, match="not an array of strings"):
        parse_syntax(f"RUN {array}\n")


def test_half_a_surrogate_pair_in_json_becomes_the_replacement_character() -> None:
    assert arguments('CMD ["\\ud800"]\n') == ["\ufffd"]


def test_pairs_keep_their_quotes_and_blanks_in_quotes() -> None:
    assert arguments('ENV a="b c" d=\'e f\' g=h\\ i "j k"=l\n') == ['a="b c"', "d='e f'", "g=h\\ i", '"j k"=l']


def test_equals_sign_in_quotes_makes_the_new_form() -> None:
    assert only('ENV "a=b"\n').form == "pairs"


def test_old_form_takes_the_rest_of_the_line() -> None:
    command = only("ENV  a   b c=d \n")
    assert (command.form, [word.text for word in command.arguments]) == ("old", ["a", "b c=d"])


def test_heredocs_take_the_lines_up_to_their_names_in_order() -> None:
    command = only("COPY <<A 3<<-'B' /x/\n# no comment \\\nA\n\tb\n\tB\n")
    first, second = command.heredocs
    assert (first.name, first.content, first.expand, first.chomp) == ("A", "# no comment \\\n", True, False)
    assert (second.name, second.content, second.text) == ("B", "\tb\n", "b\n")
    assert (second.file_descriptor, second.expand, second.chomp) == (3, False, True)
    assert command.span.end_line == 5


@pytest.mark.parametrize(
    "line",
    [
        "CMD cat <<A",
        'RUN ["cat", "<<A"]',
        "RUN cat '<<A'",
        "RUN cat \\<<A",
        "RUN it's <<A",
        "RUN a <<<A",
        "RUN cat << ",
    ],
)
def test_what_looks_like_a_heredoc_and_is_none(line: str) -> None:
    assert only(f"{line}\n").heredocs == ()


def test_heredoc_mark_may_have_blanks_before_the_name() -> None:
    assert [one.name for one in only("RUN <<  EOF cat\nx\nEOF\n").heredocs] == ["EOF"]


def test_onbuild_holds_an_instruction_with_flags_and_heredocs() -> None:
    command = only("ONBUILD copy --link <<A /x\nb\nA\n")
    assert command.inner is not None
    assert (command.inner.name, str(command.inner.flags[0]), command.heredocs[0].content) == ("COPY", "--link", "b\n")


def test_healthcheck_keeps_its_kind_apart() -> None:
    command = only('HEALTHCHECK --retries=2 cmd ["a"]\n')
    assert command.check is not None
    assert (command.check.text, command.form, command.arguments[0].text) == ("cmd", "exec", "a")


def test_unknown_instruction_is_no_mistake_at_this_level() -> None:
    assert only("RUM x\n").name == "RUM"


def test_comments_before_an_instruction_belong_to_it() -> None:
    first, second = parse_syntax("# far\n\n# a b\n#c\nARG a\nARG b\n").commands
    assert (first.comments, second.comments) == (("a b", "c"), ())


def test_places_are_counted_in_characters_from_one() -> None:
    source = Source("añb\nc\n")
    assert source.span(1, 2)[:4] == (1, 2, 1, 3)
    assert source.span(4, 5)[:4] == (2, 1, 2, 2)
    assert source.span(2, 5)[:4] == (1, 3, 2, 2)
    assert (source.line(1), source.line(2), source.line(3), source.line(9)) == ("añb", "c", "", "")
