"""Words: what the corpus does not show."""

from __future__ import annotations

import pytest

from mydocker.dockerfile import patterns, words
from mydocker.errors import DockerfileError


def expanded(word: str, escape: str = "\\", **variables: str) -> str:
    return words.expand(word, variables, escape=escape).text


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("plain", "plain"),
        ("$a$b", "1"),
        ("${a}b", "1b"),
        ("${none:-${a}}", "1"),
        ("${a:+[$a]}", "[1]"),
        ("${e:-d}${e-d}", "d"),
        ("'$a'\"$a\"\\$a", "$a1$a"),
        ("${p##*/}", "c.tar.gz"),
        ("${p%%.*}", "/a/b/c"),
        ("${p#*/}", "a/b/c.tar.gz"),
        ("${p%.*}", "/a/b/c.tar"),
        ("${p/a/x}", "/x/b/c.tar.gz"),
        ("${p//a/x}", "/x/b/c.txr.gz"),
        ("${none:-a\\}b}", "a}b"),
    ],
)
def test_word_expands(word: str, text: str) -> None:
    assert expanded(word, a="1", e="", p="/a/b/c.tar.gz") == text


def test_backtick_escapes_where_the_file_says_so() -> None:
    assert expanded("`$a\\$a", escape="`", a="1") == "$a\\1"


def test_variables_asked_for_are_told_apart_by_whether_they_were_set() -> None:
    found = words.expand("$a ${b:-$c} ${d:+$a}", {"a": "", "d": "x"})
    assert (sorted(found.used), sorted(found.missing)) == (["a", "d"], ["b", "c"])


def test_body_of_a_heredoc_keeps_its_quotes() -> None:
    assert words.expand("'$a' \"${b:-'c'}\" \\$a\n", {"a": "1"}, body=True).text == "'1' \"'c'\" $a\n"


def test_nesting_has_a_limit_instead_of_a_crash() -> None:
    with pytest.raises(DockerfileError, match="levels deep"):
        words.expand("${a:-" * 5000 + "}" * 5000, {})
    assert expanded("${a:-" * 40 + "x" + "}" * 40) == "x"


@pytest.mark.parametrize(
    ("value", "pattern", "shortest", "longest"),
    [
        ("aXbXc", "*X", "bXc", "c"),
        ("abc", "?", "bc", "bc"),
        ("abc", "x", "abc", "abc"),
        ("a*c", "a\\*", "c", "c"),
        ("a.c", "a.", "c", "c"),
        ("[x]y", "[x]", "y", "y"),
        ("line\nnext", "*next", "line\nnext", "line\nnext"),
    ],
)
def test_prefix_goes_by_shortest_and_longest_match(value: str, pattern: str, shortest: str, longest: str) -> None:
    assert patterns.without_prefix(value, pattern, longest=False) == shortest
    assert patterns.without_prefix(value, pattern, longest=True) == longest


@pytest.mark.parametrize(
    ("value", "pattern", "shortest", "longest"),
    [("aXbXc", "X*", "aXb", "a"), ("abc", "?", "ab", "ab"), ("a*c", "\\*c", "a", "a"), ("abab", "ab", "ab", "ab")],
)
def test_suffix_goes_by_shortest_and_longest_match(value: str, pattern: str, shortest: str, longest: str) -> None:
    assert patterns.without_suffix(value, pattern, longest=False) == shortest
    assert patterns.without_suffix(value, pattern, longest=True) == longest


@pytest.mark.parametrize("pattern", ["\\a", "\\"])
def test_backslash_before_anything_else_is_refused(pattern: str) -> None:
    with pytest.raises(DockerfileError, match="invalid escape"):
        patterns.without_prefix("x", pattern, longest=False)


def test_pattern_of_many_stars_does_not_explode() -> None:
    assert patterns.without_prefix("a" * 3000, "*a" * 30 + "b", longest=True) == "a" * 3000
