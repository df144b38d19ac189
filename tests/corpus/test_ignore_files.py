"""Ignore files exclude what moby/patternmatcher and BuildKit's walk exclude."""

from __future__ import annotations

from typing import Any

import pytest

from mydocker.dockerfile import ignore
from mydocker.errors import DockerfileError
from tests.corpus.tables import Case, table

pytestmark = pytest.mark.shared

MATCHES = table("dockerignore/match.json")
FILES = table("dockerignore/files.json")
CONTEXTS = table("dockerignore/contexts.json")

Tree = dict[str, Any]


@pytest.mark.parametrize("case", MATCHES, ids=[case["id"] for case in MATCHES])
def test_path_is_excluded_as_in_the_official_matcher(case: Case) -> None:
    if case["error"]:
        with pytest.raises(DockerfileError):
            ignore.Matcher(case["patterns"])
        return
    assert ignore.Matcher(case["patterns"]).excluded(case["path"]) == case["expected"]


@pytest.mark.parametrize("case", FILES, ids=[case["id"] for case in FILES])
def test_ignore_file_is_read_as_in_the_official_reader(case: Case) -> None:
    assert ignore.read(case["text"]) == case["patterns"]
    assert ignore.read(case["text"].encode()) == case["patterns"]


@pytest.mark.parametrize("case", CONTEXTS, ids=[case["id"] for case in CONTEXTS])
def test_context_keeps_what_the_official_builder_keeps(case: Case) -> None:
    if not case["ok"]:
        with pytest.raises(DockerfileError):
            ignore.Matcher(ignore.read(case["dockerignore"]))
        return
    matcher = ignore.Matcher(ignore.read(case["dockerignore"]))
    assert sorted(_walk(matcher, _tree(case["files"]), "")) == sorted(case["kept"])


def _tree(files: list[str]) -> Tree:
    root: Tree = {}
    for file in files:
        *folders, name = file.split("/")
        folder = root
        for part in folders:
            folder = folder.setdefault(part, {})
        folder[name] = None
    return root


def _walk(matcher: ignore.Matcher, tree: Tree, prefix: str) -> list[str]:
    """Walk as a builder does: an excluded directory is entered only where something below may come back."""
    kept: list[str] = []
    for name, below in tree.items():
        path = prefix + name
        excluded = matcher.excluded(path)
        if below is None:
            kept += [] if excluded else [path]
        elif not excluded or matcher.may_reinclude_below(path):
            inside = _walk(matcher, below, path + "/")
            kept += [path + "/"] if inside or not excluded else []
            kept += inside
    return kept
