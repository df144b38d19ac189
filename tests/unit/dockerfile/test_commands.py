"""`mydocker parse` and `mydocker lint` as commands: formats, statuses, and what --fix writes."""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from mydocker.cli.main import run_command_line
from mydocker.cli.output import Output

if TYPE_CHECKING:
    from pathlib import Path


def run(*words: str) -> tuple[int, str, str]:
    """Run a command line; return its status and what it wrote."""
    stdout, stderr = io.StringIO(), io.StringIO()
    status = run_command_line(list(words), Output(stdout, stderr))
    return status, stdout.getvalue(), stderr.getvalue()


def told(*words: str) -> tuple[int, Any]:
    status, stdout, _ = run(*words)
    return status, json.loads(stdout)


@pytest.fixture
def dockerfile(tmp_path: Path) -> Path:
    return tmp_path / "Dockerfile"


def test_parse_gives_the_tree_at_the_level_of_the_official_parser(dockerfile: Path) -> None:
    dockerfile.write_text("FROM a\nRUM x\nONBUILD copy --link b <<E /\nc\nE\nENV k v\n")
    status, tree = told("parse", "-f", str(dockerfile))
    assert (status, tree["ok"], tree["escape"]) == (0, True, "\\")
    keys = ("cmd", "sub_cmd", "json", "start_line", "end_line", "flags", "value")
    assert [tuple(one[key] for key in keys) for one in tree["commands"]] == [
        ("FROM", None, False, 1, 1, [], ["a"]),
        ("RUM", None, False, 2, 2, [], [""]),
        ("ONBUILD", "copy", False, 3, 5, ["--link"], ["b", "<<E", "/"]),
        ("ENV", None, False, 6, 6, [], ["k", "v"]),
    ]
    assert tree["commands"][2]["heredocs"] == [
        {"name": "E", "file_descriptor": 0, "expand": True, "chomp": False, "content": "c\n"}
    ]
    assert tree["commands"][1]["original"] == "RUM x"


def test_parse_tells_a_mistake_in_the_same_format(dockerfile: Path) -> None:
    dockerfile.write_text("FROM a\nENV b\nENV c=d e\n")
    status, stdout, stderr = run("parse", "-f", str(dockerfile), "--format", "json")
    tree = json.loads(stdout)
    assert (status, tree["ok"], tree["line"], tree["column"]) == (1, False, 2, 5)
    assert tree["error"] == "ENV b has no value: expected key=value"
    assert [one["line"] for one in tree["errors"]] == [2, 3]
    assert f"{dockerfile}:2:5: ENV b has no value" in stderr


def test_typed_parse_gives_stages_and_refuses_more(dockerfile: Path) -> None:
    dockerfile.write_text("ARG v=1\nFROM a:$v AS B\nRUN --mount=type=cache,target=/c x\nMAINTAINER m\nONBUILD USER u\n")
    status, tree = told("parse", "--typed", "-f", str(dockerfile))
    assert status == 0
    assert tree["meta_args"] == [{"key": "v", "value": "1", "comment": ""}]
    [stage] = tree["stages"]
    assert (stage["name"], stage["base"], stage["platform"]) == ("b", "a:$v", "")
    run_, maintainer, onbuild = stage["commands"]
    assert (run_["name"], run_["mounts"]) == ("RUN", [{"type": "cache", "target": "/c"}])
    assert (run_["command"], run_["line"], maintainer["maintainer"]) == ({"text": "x"}, 3, "m")
    assert (onbuild["expression"], onbuild["trigger"]["user"]) == ("USER u", "u")
    dockerfile.write_text("FROM a\nRUM x\n")
    assert run("parse", "-f", str(dockerfile))[0] == 0
    status, tree = told("parse", "--typed", "-f", str(dockerfile))
    assert (status, tree["ok"], tree["hint"]) == (1, False, "did you mean RUN?")


def test_parse_as_text_prints_the_plainest_form(dockerfile: Path) -> None:
    dockerfile.write_text('from  a \\\n  as b\n\n# note\nRUN   [ "x" ,"y" ]\n')
    assert run("parse", "--format", "text", "-f", str(dockerfile))[1] == 'from a as b\n# note\nRUN ["x", "y"]\n'


def test_bytes_that_are_no_utf8_do_not_break_the_output(dockerfile: Path) -> None:
    dockerfile.write_bytes(b"FROM a\nRUN \xff\n")
    assert told("parse", "-f", str(dockerfile))[1]["commands"][1]["value"] == ["\ufffd"]
    assert "\ufffd" in run("parse", "--format", "text", "-f", str(dockerfile))[1]


def test_missing_file_is_said(tmp_path: Path) -> None:
    status, _, stderr = run("parse", "-f", str(tmp_path / "none"))
    assert (status, "cannot read" in stderr, "no such file" in stderr) == (1, True, True)


def test_lint_of_a_clean_file_says_nothing(dockerfile: Path) -> None:
    dockerfile.write_text('FROM a:1\nRUN x\nCMD ["y"]\n')
    assert run("lint", "-f", str(dockerfile)) == (0, "", "")


@pytest.mark.parametrize(
    ("text", "words", "status"),
    [
        ("FROM a", (), 1),
        ("FROM a", ("--skip", "DL3006"), 0),
        ("FROM a", ("--skip", "all"), 0),
        ("FROM a", ("--fail-on", "error"), 0),
        ("FROM a", ("--fail-on", "never"), 0),
        ("FROM a:1\nRUN apk add x", (), 0),
        ("FROM a:1\nRUN apk add x", ("--fail-on", "info"), 1),
        ("# check=error=true\nFROM a:1\nRUN apk add x", (), 1),
        ("# check=skip=all\nFROM a", (), 0),
        ("FROM a\nRUM", ("--fail-on", "never"), 1),
    ],
)
def test_status_of_lint_fits_for_ci(dockerfile: Path, text: str, words: tuple[str, ...], status: int) -> None:
    dockerfile.write_text(text)
    assert run("lint", "-f", str(dockerfile), *words)[0] == status


def test_unknown_rule_is_refused(dockerfile: Path) -> None:
    dockerfile.write_text("FROM a")
    status, _, stderr = run("lint", "-f", str(dockerfile), "--skip", "FromAsCasin")
    assert (status, "did you mean FromAsCasing?" in stderr) == (125, True)


def test_lint_shows_mistakes_and_findings_with_carets(dockerfile: Path) -> None:
    dockerfile.write_text("FROM a:1 as b\nRUM\tx\n")
    _, stdout, _ = run("lint", "-f", str(dockerfile))
    assert stdout == (
        f"{dockerfile}:2:1: unknown instruction 'RUM'\n    RUM\tx\n    ^^^\nhint: did you mean RUN?\n"
        f"{dockerfile}:1:10: warning: 'as' and 'FROM' do not match in case [FromAsCasing]\n"
        "    FROM a:1 as b\n             ^^\nhint: --fix can match the case of FROM\n"
    )


def test_lint_as_json(dockerfile: Path) -> None:
    dockerfile.write_text("FROM a:1 as b\n")
    status, found = told("lint", "-f", str(dockerfile), "--format", "json")
    assert (status, found["ok"], found["mistakes"]) == (1, True, [])
    [finding] = found["findings"]
    assert (finding["rule"], finding["level"], finding["line"], finding["column"]) == ("FromAsCasing", "warning", 1, 10)
    assert finding["fix"] == {"title": "match the case of FROM", "edits": [{"start": 9, "end": 11, "text": "AS"}]}


def test_lint_as_sarif(dockerfile: Path) -> None:
    dockerfile.write_text("FROM a:1 as b\nRUM\n")
    _, log = told("lint", "-f", str(dockerfile), "--format", "sarif")
    assert log["version"] == "2.1.0"
    [one] = log["runs"]
    assert [(r["ruleId"], r["level"]) for r in one["results"]] == [
        ("DockerfileError", "error"),
        ("FromAsCasing", "warning"),
    ]
    place = one["results"][1]["locations"][0]["physicalLocation"]
    assert place["region"] == {"startLine": 1, "startColumn": 10, "endLine": 1, "endColumn": 12}
    assert place["artifactLocation"]["uri"] == str(dockerfile)
    replacement = one["results"][1]["fixes"][0]["artifactChanges"][0]["replacements"][0]
    assert replacement == {"deletedRegion": {"charOffset": 9, "charLength": 2}, "insertedContent": {"text": "AS"}}
    assert {rule["id"] for rule in one["tool"]["driver"]["rules"]} == {"DockerfileError", "FromAsCasing"}


def test_fix_rewrites_the_file_with_its_permissions_and_tells_the_rest(dockerfile: Path) -> None:
    dockerfile.write_text("FROM a as b\n")
    dockerfile.chmod(0o640)
    status, stdout, stderr = run("lint", "--fix", "-f", str(dockerfile))
    assert dockerfile.read_text() == "FROM a AS b\n"
    assert dockerfile.stat().st_mode & 0o777 == 0o640
    assert (status, "DL3006" in stdout, "FromAsCasing" in stdout) == (1, True, False)
    assert stderr == f"{dockerfile}: 1 fixed\n"
    assert os.listdir(dockerfile.parent) == ["Dockerfile"]


def test_fix_follows_a_link_and_leaves_it_one(dockerfile: Path) -> None:
    real = dockerfile.with_name("real")
    real.write_text("FROM a:1 as b\n")
    dockerfile.symlink_to(real)
    assert run("lint", "--fix", "-f", str(dockerfile))[0] == 0
    assert (dockerfile.is_symlink(), real.read_text()) == (True, "FROM a:1 AS b\n")


def test_fix_leaves_a_file_with_mistakes_and_skipped_rules_alone(dockerfile: Path) -> None:
    for text, words in (("FROM a:1 as b\nRUM\n", ()), ("FROM a:1 as b\n", ("--skip", "FromAsCasing"))):
        dockerfile.write_text(text)
        run("lint", "--fix", "-f", str(dockerfile), *words)
        assert dockerfile.read_text() == text


def test_ignore_file_of_the_context_is_asked(dockerfile: Path, tmp_path: Path) -> None:
    dockerfile.write_text("FROM a:1\nCOPY secret /\n")
    assert run("lint", "-f", str(dockerfile))[0] == 0
    context = tmp_path / "context"
    context.mkdir()
    (context / ".dockerignore").write_text("secret\n")
    assert "CopyIgnoredFile" in run("lint", "-f", str(dockerfile), str(context))[1]


def test_rules_are_listed() -> None:
    status, stdout, _ = run("lint", "--rules")
    assert (status, "FromAsCasing" in stdout, "DL4006" in stdout) == (0, True, True)
