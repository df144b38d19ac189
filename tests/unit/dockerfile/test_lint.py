"""Every rule of lint: what breaks it, what does not, where it points, and what its fix makes of the file."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from mydocker.dockerfile import parse, parse_syntax
from mydocker.dockerfile.ignore import Matcher
from mydocker.dockerfile.lint import fix, lint, text
from mydocker.dockerfile.lint.platform import base_image_platform
from mydocker.dockerfile.lint.rules import RULES
from mydocker.dockerfile.lint.selection import selection

OFFICIAL = 22


def broken(content: str, rule: str, ignore: Matcher | None = None) -> list[str]:
    """Return the pieces of a text at which a rule points."""
    report = lint(content, ignore=ignore)
    assert not report.mistakes, report.mistakes[0].lines()
    return [content[one.span.start : one.span.end] for one in report.every if one.rule == rule]


BROKEN = [
    ("StageNameCasing", "FROM a AS Build", ["Build"]),
    ("StageNameCasing", "FROM a AS build", []),
    ("FromAsCasing", "FROM a as b", ["as"]),
    ("FromAsCasing", "from a as b\nFROM c AS d", []),
    ("FromAsCasing", "From a as b", []),
    ("NoEmptyContinuation", "FROM a\nRUN b \\\n\n  c", [""]),
    ("NoEmptyContinuation", "FROM a\nRUN b \\\n# d\n  c", []),
    ("ConsistentInstructionCasing", "FROM a\nrun b\nRUN c\nCmd d", ["run", "Cmd"]),
    ("ConsistentInstructionCasing", "from a\nrun b\nRUN c", ["RUN"]),
    ("DuplicateStageName", "FROM a AS b\nFROM c AS d\nFROM e AS B", ["B"]),
    ("ReservedStageName", "FROM a AS scratch\nFROM a AS context\nFROM a AS x", ["scratch", "context"]),
    ("JSONArgsRecommended", "FROM a\nCMD b c\nENTRYPOINT d", ["b c", "d"]),
    ("JSONArgsRecommended", 'FROM a\nSHELL ["x"]\nCMD b\nENTRYPOINT ["d"]', []),
    ("JSONArgsRecommended", 'FROM a AS b\nSHELL ["x"]\nFROM b\nCMD c', []),
    ("MaintainerDeprecated", "FROM a\nMAINTAINER b", ["MAINTAINER"]),
    ("UndefinedArgInFrom", "ARG base=a\nFROM $bas\nFROM $base", ["$bas"]),
    ("UndefinedArgInFrom", "FROM --platform=$BUILDPLATFORM a\nFROM a-${TARGETARCH}", []),
    ("WorkdirRelativePath", "FROM a\nWORKDIR b\nWORKDIR c", ["b"]),
    ("WorkdirRelativePath", "FROM a AS x\nWORKDIR /b\nWORKDIR c\nFROM x\nWORKDIR d", []),
    ("WorkdirRelativePath", "FROM a\nENV d=/x\nWORKDIR $d/y\nWORKDIR C:\\\\x", []),
    ("UndefinedVar", "FROM a\nARG fo\nCOPY $foo $PATH /d", ["$foo"]),
    ("UndefinedVar", "FROM a\nARG foo\nENV bar=1\nCOPY $foo ${bar} ${none:-x}$JAVA_HOME /d", ["${none"]),
    ("UndefinedVar", "FROM a AS x\nARG foo\nFROM x\nCOPY $foo /d", []),
    ("UndefinedVar", "ARG foo=1\nFROM a\nCOPY $foo /d", ["$foo"]),
    ("UndefinedVar", "FROM scratch\nCOPY $JAVA_HOME /d", ["$JAVA_HOME"]),
    ("UndefinedVar", "FROM a\nENV PATH=$PAHT:/x", ["$PAHT"]),
    ("MultipleInstructionsDisallowed", "FROM a\nCMD b\nCMD c\nENTRYPOINT d\nFROM e\nCMD f", ["CMD"]),
    ("MultipleInstructionsDisallowed", "FROM a\nHEALTHCHECK NONE\nHEALTHCHECK CMD x", ["HEALTHCHECK"]),
    ("LegacyKeyValueFormat", "FROM a\nENV b c d\nLABEL e f\nENV g=h", ["b", "e"]),
    ("RedundantTargetPlatform", "FROM --platform=${TARGETPLATFORM} a", ["--platform=${TARGETPLATFORM}"]),
    ("RedundantTargetPlatform", "FROM --platform=$BUILDPLATFORM a", []),
    (
        "SecretsUsedInArgOrEnv",
        "ARG TOKEN\nFROM a\nARG x A_PASSWORD=1\nENV auth=2 KEYBOARD=3",
        ["TOKEN", "A_PASSWORD", "auth"],
    ),
    ("SecretsUsedInArgOrEnv", "FROM a\nENV PUBLIC_KEY=1 TOKENIZER=2 PASSWORD_FILE=3 AUTH_VERSION=4", []),
    ("InvalidDefaultArgInFrom", "ARG tag\nARG x=ok\nFROM a:${tag}\nFROM a:$x\nFROM b:${tag:-1}", ["a:${tag}"]),
    ("FromPlatformFlagConstDisallowed", "FROM --platform=linux/amd64 a", ["--platform=linux/amd64"]),
    ("FromPlatformFlagConstDisallowed", "FROM --platform=linux/amd64 a AS build-amd64\nFROM --platform=$x a", []),
    ("ExposeProtoCasing", "FROM a\nEXPOSE 80/TCP 81/udp 82", ["80/TCP"]),
    ("ExposeInvalidFormat", "FROM a\nEXPOSE 127.0.0.1:80:80 5000:5000 8000", ["127.0.0.1:80:80", "5000:5000"]),
    ("InvalidDefinitionDescription", "# what it is\nFROM a AS b\n# c is this\nARG c\n# far\n\nARG d", ["FROM"]),
    ("DL3002", "FROM a\nUSER root\nFROM b\nUSER x\nUSER root:root", ["root:root"]),
    ("DL3002", "FROM a\nUSER root\nUSER x", []),
    ("DL3004", "FROM a\nRUN a && sudo b", ["sudo"]),
    ("DL3006", "FROM a AS b\nFROM b\nFROM scratch\nFROM c@sha256:0\nFROM r:5000/d\nFROM d:1", ["a", "r:5000/d"]),
    ("DL3007", "ARG t=latest\nFROM a:$t", ["a:$t"]),
    ("DL3009", "FROM a\nRUN apt-get update && apt-get install -y b", ["apt-get"]),
    ("DL3009", "FROM a\nRUN apt-get update && rm -rf /var/lib/apt/lists/*", []),
    ("DL3009", "FROM a\nRUN --mount=type=cache,target=/var/lib/apt apt-get update", []),
    ("DL3011", "FROM a\nEXPOSE 65536 1-70000 65535 $p", ["65536", "1-70000"]),
    ("DL3014", "FROM a\nRUN apt-get install b; apt-get -qy install c; apt-get --yes install d", ["apt-get"]),
    ("DL3015", "FROM a\nRUN apt-get install -y b", ["apt-get"]),
    ("DL3019", "FROM a\nRUN apk add b\nRUN apk --no-cache add c\nRUN apk update", ["apk"]),
    ("DL3020", "FROM a\nADD b.txt /\nADD c.tar.gz /\nADD https://d /\nADD $e /", ["ADD"]),
    ("DL3021", "FROM a\nCOPY b c d\nCOPY b c d/\nCOPY b c .\nCOPY b d", ["d"]),
    ("DL3022", "FROM a AS b\nFROM c\nCOPY --from=d e /\nCOPY --from=b e /\nCOPY --from=0 e /", ["--from=d"]),
    ("DL3023", "FROM a AS b\nCOPY --from=b c /\nFROM d\nCOPY --from=1 c /", ["--from=b", "--from=1"]),
    ("DL3027", "FROM a\nRUN apt install b", ["apt"]),
    ("DL3042", "FROM a\nRUN pip3 install b && python3 -m pip install c", ["pip3", "python3"]),
    ("DL3042", "FROM a\nRUN --mount=type=cache,target=/root/.cache/pip pip install b", []),
    ("DL3044", "FROM a\nENV b=1 c=$b\nENV d=$b", ["$b"]),
    ("DL4006", "FROM a\nRUN b | c", ["b"]),
    ("DL4006", 'FROM a\nSHELL ["/bin/bash", "-o", "pipefail", "-c"]\nRUN b | c', []),
    ("DL4006", "FROM a\nRUN set -o pipefail; b | c || d\nRUN 'x | y'\nRUN a || b", []),
    ("DL4006", "FROM a\nRUN <<EOF\nset -e\nb | c\nEOF", ["b"]),
]


@pytest.mark.parametrize(
    ("rule", "content", "places"), BROKEN, ids=[f"{rule}-{i}" for i, (rule, _, _) in enumerate(BROKEN)]
)
def test_rule_points_at_what_breaks_it(rule: str, content: str, places: list[str]) -> None:
    assert broken(content + "\n", rule) == places


def test_ignored_source_is_found_with_the_ignore_file() -> None:
    content = "FROM a AS b\nCOPY docs/x y /\nCOPY --from=b docs /\nADD https://docs /\n"
    assert broken(content, "CopyIgnoredFile", Matcher(["docs"])) == ["docs/x"]
    assert broken(content, "CopyIgnoredFile", Matcher(["docs", "!docs/keep"])) == []


def test_platform_of_the_base_image_is_judged_by_the_build() -> None:
    dockerfile = parse("ARG x\nFROM --platform=$x a AS b\n")
    found = base_image_platform(dockerfile.source, dockerfile.stages[0], "linux/arm64", "linux/amd64")
    assert found is not None
    assert (found.rule, found.span[:4]) == ("InvalidBaseImagePlatform", (2, 20, 2, 21))
    assert base_image_platform(dockerfile.source, dockerfile.stages[0], "linux/arm64", "linux/arm64/v8") is None


def test_every_rule_is_tested_here() -> None:
    tested = {rule for rule, _, places in BROKEN if places}
    assert set(RULES) - tested == {"CopyIgnoredFile", "InvalidBaseImagePlatform"}


def test_rules_have_the_official_number_and_a_page_each() -> None:
    assert len([name for name in RULES if not name.startswith("DL")]) == OFFICIAL
    assert RULES["JSONArgsRecommended"].url == "https://docs.docker.com/go/dockerfile/rule/json-args-recommended/"
    assert RULES["FromAsCasing"].url == "https://docs.docker.com/go/dockerfile/rule/from-as-casing/"
    assert RULES["DL3006"].url == "https://github.com/hadolint/hadolint/wiki/DL3006"


def test_page_about_lint_lists_every_rule() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "lint.md").read_text()
    listed = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    assert listed == list(RULES)


FIXED = [
    ("FROM a AS Build", "FROM a AS build"),
    ("FROM a as b", "FROM a AS b"),
    ("FROM a\nRUN b \\\n\n  c", "FROM a\nRUN b \\\n  c"),
    ('FROM a\nrun b\n  cmd ["c"]\nRUN d\n', 'FROM a\nRUN b\n  CMD ["c"]\nRUN d\n'),
    ("FROM a\nMAINTAINER me <me@x>", 'FROM a\nLABEL org.opencontainers.image.authors="me <me@x>"'),
    ('FROM a\nMAINTAINER "me"', None),
    ("FROM a\nENV b c $d  e", 'FROM a\nENV b="c $d  e"'),
    ("FROM a\nENV b   c", "FROM a\nENV b=c"),
    ("FROM a\nENV b 'c'", None),
    ("FROM a\nENV b c \\\n d", None),
    ("FROM --platform=$TARGETPLATFORM  a", "FROM a"),
    ('FROM a\nCMD ["b"]\n# c\nCMD ["d"]', 'FROM a\n# c\nCMD ["d"]'),
    ("FROM a\nEXPOSE 80/TCP", "FROM a\nEXPOSE 80/tcp"),
    ("FROM a\nRUN apt install b", "FROM a\nRUN apt-get install b"),
    ("FROM a\nRUN apt-get install \\\n  b", "FROM a\nRUN apt-get install -y \\\n  b"),
    ("FROM a\nRUN apk add b", "FROM a\nRUN apk add --no-cache b"),
    ("FROM a\nRUN pip install b", "FROM a\nRUN pip install --no-cache-dir b"),
    ("FROM a\nADD b.txt /", "FROM a\nCOPY b.txt /"),
    ("FROM a\nADD dir /", None),
    ("FROM a\nCOPY b c d", "FROM a\nCOPY b c d/"),
    ('FROM a\nCOPY b c "d"', None),
]


@pytest.mark.parametrize(("before", "after"), FIXED, ids=[before.split("\n")[-1] or before for before, _ in FIXED])
def test_fix_changes_what_it_says_and_nothing_else(before: str, after: str | None) -> None:
    report = lint(before)
    fixed, applied = fix.apply(report.dockerfile.source, report.findings)
    assert fixed.decode() == (before if after is None else after)
    assert bool(applied) == (after is not None)


def test_fix_keeps_every_other_byte() -> None:
    before = b"\xef\xbb\xbf# \xff\r\nfrom a as b\r\nRUN x\xfe\r\nRUN y\r\nRUN z"
    report = lint(before)
    fixed, _ = fix.apply(report.dockerfile.source, report.findings)
    assert fixed == b"\xef\xbb\xbf# \xff\r\nFROM a as b\r\nRUN x\xfe\r\nRUN y\r\nRUN z"


def test_fixes_that_overlap_are_applied_one_at_a_time() -> None:
    report = lint('FROM a\ncmd b\nCMD ["c"]\nRUN x\n')
    fixed, applied = fix.apply(report.dockerfile.source, report.findings)
    assert (fixed.decode(), applied) == ('FROM a\nCMD ["c"]\nRUN x\n', 1)


def test_fixed_file_has_nothing_left_to_fix_and_the_same_meaning() -> None:
    before = "from a as B\nrun apk add x\nRUN y\nLABEL k v w\nENV p q\n"
    fixed, applied, report = fix.settle(lint(before), lambda one: one.findings)
    assert (applied, [one for one in report.findings if one.fix]) == (7, [])
    assert len(parse_syntax(fixed).commands) == len(parse_syntax(before).commands)


def test_finding_reads_like_a_mistake() -> None:
    report = lint("FROM a:1 as b\n", "D")
    assert [text.lines(report.dockerfile.source, one) for one in report.findings] == [
        textwrap.dedent(
            """\
            D:1:10: warning: 'as' and 'FROM' do not match in case [FromAsCasing]
                FROM a:1 as b
                         ^^
            hint: --fix can match the case of FROM"""
        ).split("\n")
    ]


@pytest.mark.parametrize(
    ("directive", "rules"),
    [
        ("skip=FromAsCasing", {"DL3006"}),
        ("skip=all", set()),
        ("skip=FromAsCasing,DL3006", set()),
        ("error=true", {"DL3006", "FromAsCasing"}),
        ("experimental=InvalidDefinitionDescription", {"DL3006", "FromAsCasing", "InvalidDefinitionDescription"}),
        ("skip=DL3006;experimental=all", {"FromAsCasing", "InvalidDefinitionDescription"}),
    ],
)
def test_check_directive_chooses_rules(directive: str, rules: set[str]) -> None:
    report = lint(f"# check={directive}\n\n# x\nFROM a as b\n")
    assert {one.rule for one in report.findings} == rules


def test_check_before_an_instruction_counts_for_that_instruction_alone() -> None:
    content = """\
FROM a:1
# check=skip=SecretsUsedInArgOrEnv // it is a test's
ENV password=bar
# check=skip=all
# check=skip=nothing
ENV key=1 \\

  secret=2
ENV token=3
"""
    assert broken(content, "SecretsUsedInArgOrEnv") == ["token"]
    assert broken(content, "NoEmptyContinuation") == []


def test_check_directive_can_make_findings_errors() -> None:
    assert selection("error=true;skip=X").error
    assert not selection("skip=X").error
    assert selection(" skip = A , B ").skip == {"A", "B"}


def test_mistakes_in_words_are_told_before_any_build() -> None:
    report = lint("FROM a\nCOPY 'b /c\nWORKDIR ${x:?set x}\nRUN --mount=type=x y\nRUN --mount=type=$t y\n")
    assert [one.line for one in report.mistakes] == [2, 4]
