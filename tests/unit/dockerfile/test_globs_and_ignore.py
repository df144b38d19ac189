"""Go's path patterns, and ignore files beyond the corpus."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mydocker.dockerfile import globs, ignore
from mydocker.dockerfile.automaton import Automaton
from mydocker.errors import DockerfileError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        # The table of Go's path/filepath (match_test.go).
        ("abc", "abc", True),
        ("*", "abc", True),
        ("*c", "abc", True),
        ("a*", "a", True),
        ("a*", "ab/c", False),
        ("a*/b", "abc/b", True),
        ("a*/b", "a/c/b", False),
        ("a*b*c*d*e*/f", "axbxcxdxexxx/f", True),
        ("a*b*c*d*e*/f", "axbxcxdxexxx/fff", False),
        ("a*b?c*x", "abxbbxdbxebxczzx", True),
        ("a*b?c*x", "abxbbxdbxebxczzy", False),
        ("ab[c]", "abc", True),
        ("ab[b-d]", "abc", True),
        ("ab[e-g]", "abc", False),
        ("ab[^c]", "abc", False),
        ("ab[^e-g]", "abc", True),
        ("a\\*b", "a*b", True),
        ("a\\*b", "ab", False),
        ("a?b", "a☺b", True),
        ("a[^a]b", "a☺b", True),
        ("a???b", "a☺b", False),
        ("[a-ζ]*", "α", True),
        ("*[a-ζ]", "A", False),
        ("a?b", "a/b", False),
        ("a*b", "a/b", False),
        ("[\\]a]", "]", True),
        ("[\\-]", "-", True),
        ("[x\\-]", "x", True),
        ("[\\-x]", "a", False),
        ("[z-a]", "b", False),
        ("[^z-a]", "b", True),
        ("[^a]", "/", True),
        ("*x", "xxx", True),
    ],
)
def test_pattern_matches_as_in_go(pattern: str, name: str, matches: bool) -> None:
    assert globs.match(pattern, name) is matches


@pytest.mark.parametrize(
    "pattern", ["[]a]", "[-]", "[x-]", "[-x]", "[a-b-c]", "[", "[^", "[^bc", "a[", "a\\", "[\\", "x[a\\"]
)
def test_malformed_pattern_is_refused_as_in_go(pattern: str) -> None:
    with pytest.raises(DockerfileError, match="malformed pattern"):
        globs.match(pattern, "a")


@pytest.mark.parametrize(
    ("path", "cleaned"),
    [
        ("", "."),
        ("a//b/./c/..", "a/b"),
        ("../a", "../a"),
        ("a/../..", ".."),
        ("/..", "/"),
        ("/../a/", "/a"),
        ("//a", "/a"),
        ("./", "."),
    ],
)
def test_path_is_cleaned_as_in_go(path: str, cleaned: str) -> None:
    assert globs.clean(path) == cleaned


def test_ignore_file_beside_the_dockerfile_counts_before_the_one_of_the_context(tmp_path: Path) -> None:
    dockerfile = str(tmp_path / "x.Dockerfile")
    assert ignore.find(dockerfile, str(tmp_path)) is None
    (tmp_path / ".dockerignore").touch()
    assert ignore.find(dockerfile, str(tmp_path)) == str(tmp_path / ".dockerignore")
    (tmp_path / "x.Dockerfile.dockerignore").touch()
    assert ignore.find(dockerfile, str(tmp_path)) == f"{dockerfile}.dockerignore"


@pytest.mark.parametrize(
    ("patterns", "directory", "enter"),
    [
        (["*"], "a", False),
        (["*", "!b"], "a", False),
        (["*", "!a/b"], "a", True),
        (["*", "!a/b"], "a/c", False),
        (["*", "!a/**"], "a", True),
        (["*", "!**/x"], "a", True),
    ],
)
def test_walk_enters_an_excluded_directory_only_for_something_below(
    patterns: list[str], directory: str, enter: bool
) -> None:
    assert ignore.Matcher(patterns).may_reinclude_below(directory) is enter


def test_pattern_with_two_stars_serves_parents() -> None:
    pattern = ignore.Pattern("src/**/*.c")
    assert [pattern.matches(path) for path in ("src/a.c", "src/x/y/a.c", "a.c", "src/a.h")] == [
        True,
        True,
        False,
        False,
    ]


def test_one_matcher_gives_the_same_answers_in_any_order() -> None:
    paths = ["a", "a/b", "a/b/c", "a/d", "e/a/b", "x/y"]
    patterns = ["a", "!a/b", "a/b/c", "**/y"]
    forward = ignore.Matcher(patterns)
    backward = ignore.Matcher(patterns)
    assert {path: forward.excluded(path) for path in paths} == {path: backward.excluded(path) for path in paths[::-1]}
    assert [path for path in paths if forward.excluded(path)] == ["a", "a/b/c", "a/d", "x/y"]


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a" * 40 + "*b", "a" * 250),
        ("**/a/" * 20 + "b", "a/" * 1000 + "c"),
        ("**/*a*/" * 10 + "**/b", "a/" * 300 + "c"),
    ],
)
def test_many_wildcards_take_no_time(pattern: str, path: str) -> None:
    began = time.process_time()
    assert not ignore.Pattern(pattern).matches(path)
    assert not globs.match(pattern, path)
    assert time.process_time() - began < 1


@given(
    st.lists(st.sampled_from(["a", "b", "/", "*", "**", "**/", "?", "[ab]", "[^a]", "."]), max_size=10).map("".join),
    st.lists(st.sampled_from(["a", "b", "/", ".", "\n"]), max_size=10).map("".join),
)
@settings(max_examples=500, deadline=None)
def test_automaton_matches_what_the_expression_matches(pattern: str, path: str) -> None:
    atoms = ignore._atoms(pattern)
    expression = re.compile(f"^{''.join(atoms)}\\Z")
    assert Automaton(atoms).matches(path) == (expression.match(path) is not None)


def test_very_deep_path_is_looked_at_level_by_level() -> None:
    matcher = ignore.Matcher(["**/x", "!a/a/a/x"])
    assert matcher.excluded("a/" * 3000 + "x/y")
    assert not matcher.excluded("a/" * 3000 + "y")
