"""What COPY's words mean in a tree: wildcards, links, ignore rules, --exclude, --parents."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from mydocker.build.cache import Cache
from mydocker.build.selection import Rules, describe, has_wildcard, pick
from mydocker.build.tree import Tree, resolve
from mydocker.dockerfile import globs, ignore
from mydocker.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    root = tmp_path / "context"
    for name in ("a.txt", "b.txt", "c.md", "d/x.txt", "d/e/y.txt", "d/e/z.md", ".hidden"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (root / "out").symlink_to("../../../../etc/passwd")
    (root / "absolute").symlink_to("/d/x.txt")
    (root / "dirlink").symlink_to("d")
    (root / "ring").symlink_to("ring")
    with (
        Cache(str(tmp_path / "cache")) as cache,
        Tree(os.open(root, os.O_RDONLY | os.O_DIRECTORY), "the context", cache, owned=False) as opened,
    ):
        yield opened


def rules(*excludes: str, parents: bool = False) -> Rules:
    matcher = ignore.Matcher(excludes)
    return Rules(globs.match, matcher.excluded, lambda p, path: ignore.Matcher([p]).excluded(path), parents)


def names(tree: Tree, source: str, *excludes: str, parents: bool = False) -> list[str]:
    """Return what a source means: root entries with their names, and what is below."""
    found = []
    for picked in pick(tree, source, rules(*excludes, parents=parents)):
        found.append(picked.root.path)
        found += [f"+{place}" for _, place in picked.below]
    return found


def test_a_file_a_directory_and_everything(tree: Tree) -> None:
    assert names(tree, "a.txt") == ["a.txt"]
    assert names(tree, "d") == ["d", "+e", "+e/y.txt", "+e/z.md", "+x.txt"]
    assert names(tree, "./d/") == names(tree, "/d")
    assert names(tree, ".")[0] == ""


def test_wildcards_match_component_by_component_in_byte_order(tree: Tree) -> None:
    assert names(tree, "*.txt") == ["a.txt", "b.txt"]
    assert names(tree, "d/*/*.md") == ["d/e/z.md"]
    assert names(tree, "[ab].txt") == ["a.txt", "b.txt"]
    assert names(tree, "*.none") == []
    assert names(tree, "[a-c]*") == ["a.txt", "d/x.txt", "b.txt", "c.md"]


def test_nothing_leads_out_of_the_tree(tree: Tree) -> None:
    for path in ("out", "../../../etc/passwd", "d/../../../../etc/passwd"):
        with pytest.raises(NotFound):
            pick(tree, path, rules())
    assert names(tree, "../../a.txt") == ["a.txt"]
    assert resolve(tree.fd, "out") == "etc/passwd"


def test_links_are_followed_at_the_source_and_kept_below(tree: Tree) -> None:
    assert names(tree, "absolute") == ["d/x.txt"]
    (picked,) = pick(tree, "dirlink/e", rules())
    assert picked.root.path == "d/e"
    everything = {entry.path: entry for entry, _ in pick(tree, ".", rules())[0].below}
    assert everything["dirlink"].is_link
    assert everything["out"].target == "../../../../etc/passwd"


def test_a_ring_of_links_is_an_error_of_the_kernel(tree: Tree) -> None:
    with pytest.raises(OSError, match="Too many levels"):
        resolve(tree.fd, "ring")


def test_a_missing_name_is_an_error_and_an_empty_wildcard_is_not(tree: Tree) -> None:
    with pytest.raises(NotFound, match="'nope' is not in the context"):
        pick(tree, "nope", rules())


def test_excludes_are_relative_to_the_source(tree: Tree) -> None:
    assert names(tree, "d", "e/*.md") == ["d", "+e", "+e/y.txt", "+x.txt"]
    assert names(tree, "d", "e", "!e/y.txt") == ["d", "+e", "+e/y.txt", "+x.txt"]
    assert names(tree, "*.txt", "b*") == ["a.txt"]


def test_parents_keeps_the_path_behind_the_pivot(tree: Tree) -> None:
    assert names(tree, "d/e/y.txt", parents=True) == ["", "+d", "+d/e", "+d/e/y.txt"]
    assert names(tree, "./d/./e/*.txt", parents=True) == ["d", "+e", "+e/y.txt"]
    with pytest.raises(NotFound):
        pick(tree, "./", rules(parents=True))


def test_an_ignored_file_is_not_there_and_the_message_says_why(tree: Tree) -> None:
    tree.ignore = ignore.Matcher(["d", "!d/e/y.txt", "*.md"])
    assert names(tree, "d") == ["d", "+e", "+e/y.txt"]
    with pytest.raises(NotFound, match="the ignore file excludes it"):
        pick(tree, "c.md", rules())


def test_the_key_follows_content_and_mode_and_no_time(tree: Tree, tmp_path: Path) -> None:
    def digest() -> str:
        return describe(tree, pick(tree, "d", rules()))[0]

    first = digest()
    os.utime(tmp_path / "context/d/x.txt", (1, 1))
    assert digest() == first
    (tmp_path / "context/d/x.txt").chmod(0o600)
    second = digest()
    assert second != first
    (tmp_path / "context/d/x.txt").write_text("other")
    assert digest() not in (first, second)


@pytest.mark.parametrize(
    ("path", "wild"), [("a", False), ("a*", True), ("a?", True), ("[a]", True), (r"a\*", False), (r"a\\*", True)]
)
def test_what_counts_as_a_wildcard(path: str, wild: bool) -> None:
    assert has_wildcard(path) is wild
