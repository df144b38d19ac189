"""References normalise as docker's do (the table is that of the distribution project's own tests, by hand)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mydocker.errors import ImageError, MydockerError, UsageError
from mydocker.image.reference import Reference

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "whole", "familiar"),
    [
        ("base", "docker.io/library/base:latest", "base:latest"),
        ("xx:0.01", "docker.io/library/xx:0.01", "xx:0.01"),
        ("docker.io/debian", "docker.io/library/debian:latest", "debian:latest"),
        ("index.docker.io/library/debian:12", "docker.io/library/debian:12", "debian:12"),
        ("team/app", "docker.io/team/app:latest", "team/app:latest"),
        ("docker.io/library/team/app", "docker.io/library/team/app:latest", "library/team/app:latest"),
        ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
        ("localhost:5000/app", "localhost:5000/app:latest", "localhost:5000/app:latest"),
        ("quay.io/a/b/c:t", "quay.io/a/b/c:t", "quay.io/a/b/c:t"),
        ("UPPER/app", "UPPER/app:latest", "UPPER/app:latest"),
        ("[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000/app:latest"),
        ("a__b-c.d--e:T_1", "docker.io/library/a__b-c.d--e:T_1", "a__b-c.d--e:T_1"),
        (f"app@{DIGEST}", f"docker.io/library/app@{DIGEST}", f"app@{DIGEST}"),
        (f"r.io/app:1@{DIGEST}", f"r.io/app:1@{DIGEST}", f"r.io/app:1@{DIGEST}"),
    ],
)
def test_names_normalise(text: str, whole: str, familiar: str) -> None:
    reference = Reference.parse(text)
    assert (str(reference), reference.familiar) == (whole, familiar)
    assert Reference.parse(str(reference)) == reference
    assert Reference.parse(familiar) == reference


@pytest.mark.parametrize(
    "text",
    ["", ":", "app:", "app:-x", "app:" + "t" * 129, "App", "docker.io/App", "a//b", "/a", "a/", "-a", "a..b", "a b",
     "a\n", "ä", "a___b", "../a", "a/../b", "a" * 300, "http://x/y", DIGEST[7:], "[::1/app", "host.:5000/app", "a:b:c",
     "x.y/"],
)  # fmt: skip
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Reference.parse(text)


@pytest.mark.parametrize("digest", ["", "sha256:", "sha256:abc", DIGEST.upper(), "md5:" + "0" * 32, DIGEST + "0"])
def test_digest_behind_a_name_has_to_be_one(digest: str) -> None:
    with pytest.raises(ImageError):
        Reference.parse(f"app@{digest}")


@given(st.text(max_size=80) | st.from_regex(r"[a-zA-Z0-9./:@_-]{0,60}", fullmatch=True))
def test_what_parses_is_stable(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except MydockerError:
        return
    assert Reference.parse(str(reference)) == reference
    assert Reference.parse(reference.familiar) == reference
    assert len(reference.name) <= 255
