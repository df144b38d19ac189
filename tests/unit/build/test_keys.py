"""Keys: equal parts give equal keys, and a difference is told in a sentence."""

from __future__ import annotations

import pytest

from mydocker.build.keys import digest_of, explain, make_key


def test_the_order_of_parts_does_not_matter() -> None:
    assert make_key({"a": "1", "b": "2"}) == make_key({"b": "2", "a": "1"})


def test_any_part_changes_the_key() -> None:
    key = make_key({"a": "1"})
    assert key.digest != make_key({"a": "2"}).digest
    assert key.digest != make_key({"a": "1", "b": ""}).digest


def test_no_two_sequences_look_alike() -> None:
    assert digest_of(["ab", "c"]) != digest_of(["a", "bc"])
    assert digest_of(["a", ""]) != digest_of(["a"])
    assert digest_of(["1:a"]) != digest_of(["a"])


_FILES = {
    "1": [("file a", "1"), ("file b", "1")],
    "2": [("file a", "2"), ("file b", "1")],
    "many": [(f"file {name}", "1") for name in "bcde"],
}


@pytest.mark.parametrize(
    ("before", "now", "sentence"),
    [
        ({"a": "1"}, {"a": "1"}, ""),
        ({"instruction": "RUN a"}, {"instruction": "RUN b"}, "the instruction itself changed"),
        ({"base": "sha256:" + 32 * "1"}, {"base": "sha256:" + 32 * "2"},
         "the base image changed from 111111111111 to 222222222222"),
        ({"base": "nothing"}, {"parent": "2"}, "the base image changed"),
        ({"parent": "1"}, {"parent": "2"}, "a step before it gave another result"),
        ({"env PATH": "/a"}, {"env PATH": "/b"}, "variable PATH changed from '/a' to '/b'"),
        ({}, {"env NEW": "1"}, "variable NEW is new"),
        ({"env OLD": "1"}, {}, "variable OLD is gone"),
        ({"content": "1"}, {"content": "2"}, "file a changed"),
        ({"content": "2"}, {"content": "1"}, "file a changed"),
        ({"content": "1"}, {"content": "forgotten"}, "content changed"),
        ({"mount 0 content": "1"}, {"mount 0 content": "many"},
         "file a is gone, file c is new, file d is new, and 1 more"),
    ],
)  # fmt: skip
def test_explanations(before: dict[str, str], now: dict[str, str], sentence: str) -> None:
    assert explain(make_key(now).parts, make_key(before).parts, lambda content: _FILES.get(content, ())) == sentence
