"""Every word of the corpus expands to what BuildKit's lexer makes of it."""

from __future__ import annotations

import pytest

from mydocker.dockerfile import words
from mydocker.errors import DockerfileError
from tests.corpus.tables import Case, table

pytestmark = pytest.mark.shared

# Answers of the oracle that are not followed, and why. The cases run all the same and have to differ.
_KEPT = (
    "skip_unset_env is set, yet the answer drops the unset variable; the same parser keeps `$EOF` as the name of "
    "`<<$EOF` (case bkt-testparseextractsheredoc-1), for which the option exists"
)
QUIRKS = {
    "wordsTest:2:raw": _KEPT,
    "own:76": _KEPT,
    "own:221": _KEPT,
    "own:531": "splitting into words loses what stands before a substitution with an operand; as one word it is kept",
}

CASES = [case for case in table("words/cases.json") if case["platform"] != "W"]


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_word_expands_as_in_buildkit(case: Case) -> None:
    options = case["options"]
    rules = words.Rules(
        options.get("raw_quotes", False), options.get("raw_escapes", False), options.get("skip_unset_env", False)
    )
    variables = dict(entry.partition("=")[::2] for entry in case["env"])
    if case["error"]:
        with pytest.raises(DockerfileError):
            words.expand(case["input"], variables, escape=case["escape"], rules=rules)
        return
    found = words.expand(case["input"], variables, escape=case["escape"], rules=rules)
    got = found.text if case["mode"] == "word" else list(found.words)
    agrees = got == (case["expected"] or type(got)())
    assert agrees == (case["id"] not in QUIRKS), found
    if "matched" in case:
        assert sorted(found.used) == case["matched"]
        assert sorted(found.missing) == case["unmatched"]
