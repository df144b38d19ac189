"""Which fields are expanded, with which variables, and what may not be expanded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mydocker.dockerfile import expand, parse, scope
from mydocker.dockerfile import instructions as ins
from mydocker.dockerfile.instructions import Arg, Env
from mydocker.errors import DockerfileError

if TYPE_CHECKING:
    from mydocker.dockerfile.expansion import Expanded

VARIABLES = {"x": "X", "two": "1 2", "quoted": '"q"', "empty": ""}


def expanded(line: str, head: str = "") -> Expanded:
    """Expand the one instruction of a stage."""
    dockerfile = parse(f"{head}FROM a\n{line}\n")
    return expand(dockerfile.stages[0].instructions[0], VARIABLES, escape=dockerfile.escape)


def fields(line: str, *names: str) -> list[Any]:
    found = expanded(line).instruction
    return [getattr(found, name) for name in names]


def test_copy_expands_every_field_also_from() -> None:
    line = "COPY --from=$x --chown=$x:$x --chmod=$x --exclude=*.$x $x/a 'b' /${x}/"
    names = ("from_", "chown", "chmod", "exclude", "sources", "destination")
    assert fields(line, *names) == ["X", "X:X", "X", ("*.X",), ("X/a", "b"), "/X/"]


def test_add_expands_its_checksum() -> None:
    assert fields("ADD --checksum=sha256:$x https://a/$x /", "checksum", "sources") == ["sha256:X", ("https://a/X",)]


def test_heredocs_of_copy_are_expanded_unless_quoted() -> None:
    found = expanded("COPY <<A <<'B' /d/\n$x \"$x\" \\$x\nA\n$x\nB").instruction
    assert isinstance(found, ins.Copy)
    assert [content.data for content in found.contents] == ['X "X" $x\n', "$x\n"]


@pytest.mark.parametrize(
    "line",
    [
        "RUN echo $x",
        'RUN ["echo", "$x"]',
        "CMD $x",
        "ENTRYPOINT $x",
        "HEALTHCHECK CMD $x",
        'SHELL ["$x"]',
        "ONBUILD RUN $x",
        "MAINTAINER $x",
        "RUN <<EOF\n$x\nEOF",
    ],
)
def test_what_belongs_to_the_shell_stays_as_written(line: str) -> None:
    found = expanded(line)
    assert found.instruction == parse(f"FROM a\n{line}\n").stages[0].instructions[0]
    assert not found.used


def test_mounts_of_run_are_expanded_and_read() -> None:
    [mounts] = fields(
        "RUN --mount=type=cache,target=/c/$x,id=${none:-i},sharing=locked,mode=0700,uid=1 "
        "--mount=type=tmpfs,dst=/t,size=64m --mount=type=secret,id=$x,required,env=TOKEN --mount=ro,src=a,target=b x",
        "mounts",
    )
    assert mounts == (
        ins.Mount("cache", target="/c/X", id="i", sharing="locked", mode=0o700, uid=1),
        ins.Mount("tmpfs", target="/t", size=64 << 20),
        ins.Mount("secret", id="X", required=True, read_only=True, env="TOKEN"),
        ins.Mount("bind", source="a", target="b", read_only=True),
    )


def test_expose_splits_at_the_blanks_in_a_variable() -> None:
    assert fields("EXPOSE $two 80/tcp", "ports") == [("1", "2", "80/tcp")]


def test_values_of_one_env_see_the_variables_before_it() -> None:
    [pairs] = fields("ENV x=new y=$x z='$x' $x=k", "pairs")
    assert [(pair.key, pair.value) for pair in pairs] == [("x", "new"), ("y", "X"), ("z", "$x"), ("X", "k")]


def test_old_form_of_env_expands_the_rest_of_the_line() -> None:
    [pairs] = fields("ENV key a  $x 'b'", "pairs")
    assert pairs[0].value == "a  X b"


def test_from_expands_image_and_platform() -> None:
    head = parse("FROM --platform=$p a:${v:-1}\n").stages[0].from_
    found = expand(head, {"p": "linux/arm64"}).instruction
    assert isinstance(found, ins.From)
    assert (found.image, found.platform) == ("a:1", "linux/arm64")


def test_variables_are_reported() -> None:
    found = expanded("COPY $x $none ${empty:-$other} /d")
    assert (sorted(found.used), sorted(found.missing)) == (["empty", "x"], ["none", "other"])


def test_value_of_a_variable_is_not_expanded_again() -> None:
    assert expand(parse("FROM a\nWORKDIR $v").stages[0].instructions[0], {"v": "$x'"}).instruction[3] == "$x'"


def test_backtick_is_the_escape_token_of_words_but_not_of_heredocs() -> None:
    found = expanded("COPY `$x <<A c:\\\n`$x \\$x\nA", "# escape=`\n").instruction
    assert isinstance(found, ins.Copy)
    assert (found.sources, found.destination, found.contents[0].data) == (("$x",), "c:\\", "`X $x\n")


def arg(line: str) -> Arg:
    return parse(f"{line}\n").meta_args[0]


def env(line: str) -> Env:
    found = parse(f"FROM a\n{line}\n").stages[0].instructions[0]
    assert isinstance(found, Env)
    return found


def test_platform_args_tell_both_platforms() -> None:
    found = scope.platform_args("linux/arm/v7", "linux/amd64", stage="out")
    assert found == {
        "TARGETSTAGE": "out",
        "TARGETPLATFORM": "linux/arm/v7",
        "TARGETOS": "linux",
        "TARGETARCH": "arm",
        "TARGETVARIANT": "v7",
        "BUILDPLATFORM": "linux/amd64",
        "BUILDOS": "linux",
        "BUILDARCH": "amd64",
        "BUILDVARIANT": "",
    }


def test_arg_takes_the_build_argument_before_its_default_and_the_global_one() -> None:
    top = scope.start({"a": "given"}, {"TARGETARCH": "arm64"}).declare_global(arg("ARG a=0 b=1 c"))
    stage = top.stage({})
    assert stage.variables == {}
    assert stage.declare(arg("ARG a=2 b c TARGETARCH d=3 b2=4")).variables == {
        "a": "given",
        "b": "1",
        "TARGETARCH": "arm64",
        "d": "3",
        "b2": "4",
    }


def test_env_wins_over_arg_whichever_comes_later() -> None:
    stage = scope.start({"x": "given"}, {}).stage({"base": "0"})
    both = stage.declare(arg("ARG x=1")).assign(env("ENV x=2"))
    assert both.variables == {"base": "0", "x": "2"}
    assert both.declare(arg("ARG x=3")).variables["x"] == "2"


def test_stage_inherits_the_args_of_the_stage_that_it_is_based_on() -> None:
    first = scope.start({}, {}).stage({}).declare(arg("ARG x=1"))
    assert first.stage({"e": "2"}, inherited=first).variables == {"x": "1", "e": "2"}
    assert first.stage({"e": "2"}).variables == {"e": "2"}


def test_mistake_without_a_source_keeps_its_words() -> None:
    with pytest.raises(DockerfileError, match="no closing }"):
        expand(parse("FROM a\nWORKDIR ${x").stages[0].instructions[0], {})
