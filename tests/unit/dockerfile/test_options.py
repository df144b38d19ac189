"""Values inside flags: mounts, devices, sizes, durations."""

from __future__ import annotations

import pytest

from mydocker.dockerfile import options, parse
from mydocker.dockerfile.instructions import Device, Healthcheck, Run
from mydocker.dockerfile.lint import lint
from mydocker.errors import DockerfileError


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("a,b=c", ["a", "b=c"]),
        ('"a,b",c', ["a,b", "c"]),
        ('"a""b"', ['a"b']),
        ("", [""]),
        ("a,", ["a", ""]),
    ],
)
def test_fields_are_split_at_commas_outside_of_quotes(text: str, fields: list[str]) -> None:
    assert list(options.fields(text)) == fields


@pytest.mark.parametrize("text", ['a"b', '"a', '"a"b'])
def test_misplaced_quote_is_refused(text: str) -> None:
    with pytest.raises(DockerfileError, match="cannot split"):
        list(options.fields(text))


@pytest.mark.parametrize(
    ("text", "read_only"),
    [
        ("type=bind", True),
        ("type=bind,rw", False),
        ("type=bind,readwrite=false", True),
        ("type=cache", False),
        ("type=cache,ro=true", True),
        ("type=tmpfs", False),
        ("type=secret,id=a", True),
        ("TYPE=BIND,RO=0", False),
    ],
)
def test_mount_is_read_only_by_type_unless_it_says_otherwise(text: str, read_only: bool) -> None:
    assert options.mount(text, str).read_only is read_only


@pytest.mark.parametrize(
    "text",
    [
        "type=disk",
        "typ=bind",
        "target",
        "type=bind,mode=7",
        "type=cache,mode=8",
        "type=cache,uid=-1",
        "type=cache,sharing=all",
        "type=bind,sharing=locked",
        "type=cache,required",
        "type=secret",
        "type=secret,id=a,source=b",
        "type=secret,id=a,from=b",
        "type=cache,env=A",
        "type=tmpfs,size=big",
        "ro=maybe",
    ],
)
def test_mount_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(DockerfileError):
        options.mount(text, str)


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("nvidia.com/gpu=all", Device("nvidia.com/gpu=all", False)),
        ("name=x,required", Device("x", True)),
        ("x,required=false", Device("x", False)),
    ],
)
def test_device(text: str, device: Device) -> None:
    assert options.device(text) == device


def test_second_name_of_a_device_is_refused() -> None:
    with pytest.raises(DockerfileError):
        options.device("a,b")


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("64m", 64 << 20), ("1.5G", 3 << 29), ("2kib", 2048), ("7B", 7), ("1 TB", 1 << 40)]
)
def test_size_is_in_powers_of_1024(text: str, size: int) -> None:
    assert options.size(text) == size


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("5s", 5 * 10**9),
        ("1m30s", 90 * 10**9),
        ("1.5h", 5400 * 10**9),
        ("2.3s", 2_300_000_000),
        (".5s", 500_000_000),
        ("1.s", 10**9),
        ("1h2m3.004s", 3_723_004_000_000),
        ("250ms", 250 * 10**6),
        ("-1s", -(10**9)),
    ],
)
def test_duration(text: str, nanoseconds: int) -> None:
    assert options.duration(text) == nanoseconds


@pytest.mark.parametrize(
    "text", ["", "5", "s", "1d", "1 s", "1s2", ".s", "-+1s", "-", "1.2.3s", "²s", "9" * 5000 + "s"]
)
def test_duration_needs_units(text: str) -> None:
    with pytest.raises(DockerfileError, match="cannot read the duration"):
        options.duration(text)


def test_duration_beyond_the_range_of_go_is_refused() -> None:
    with pytest.raises(DockerfileError, match="cannot wait as long"):
        options.duration("9999999h")


@pytest.mark.parametrize("digits", ["9" * 5000, "²", "٣"])
def test_strange_numbers_are_mistakes_or_texts_and_never_crash(digits: str) -> None:
    for line in (
        f"RUN --mount=type=tmpfs,size={digits}t x",
        f"RUN --mount=type=cache,uid={digits} x",
        f"HEALTHCHECK --retries={digits} CMD x",
        f"HEALTHCHECK --interval={digits}s CMD x",
        f"EXPOSE {digits}",
        f"COPY --from={digits} a b",
        f"RUN {digits}<<EOF\nEOF",
    ):
        report = lint(f"FROM a\n{line}\n")
        assert len(report.dockerfile.stages) == 1


def test_healthcheck_has_its_times_in_nanoseconds() -> None:
    text = "FROM a\nHEALTHCHECK --interval=1m --timeout=3s --start-period=0s --start-interval=1ms --retries=4 CMD x\n"
    found = parse(text).stages[0].instructions[0]
    assert isinstance(found, Healthcheck)
    assert found[4:] == (60 * 10**9, 3 * 10**9, 0, 10**6, 4)
    assert found.test == ("CMD-SHELL", "x")


@pytest.mark.parametrize(
    "line",
    [
        "HEALTHCHECK",
        "HEALTHCHECK CMD",
        "HEALTHCHECK RUN x",
        "HEALTHCHECK NONE x",
        "HEALTHCHECK --interval=1us CMD x",
        "HEALTHCHECK --retries=-1 CMD x",
        "HEALTHCHECK --retries=x CMD x",
        "FROM",
        "FROM a as",
        "FROM a as b c",
        "ENV",
        "ENV =x",
        "ARG",
        "ARG =x",
        "COPY a",
        "COPY a <<EOF\nEOF",
        "COPY --link=yes a b",
        "COPY --from a b",
        "ADD --unpack= a b",
        "VOLUME",
        'VOLUME [""]',
        "EXPOSE",
        "USER",
        "WORKDIR",
        "STOPSIGNAL",
        "MAINTAINER",
        "SHELL sh",
        "SHELL []",
        "ONBUILD",
        "ONBUILD ONBUILD RUN x",
        "ONBUILD FROM a",
        "RUN --network=maybe x",
        "RUN --security=none x",
        "RUN --mount=from=$x,target=/x y",
        "USER --x a",
    ],
)
def test_instruction_that_makes_no_sense_is_refused(line: str) -> None:
    with pytest.raises(DockerfileError):
        parse(f"FROM a\n{line}\n")


@pytest.mark.parametrize("line", ["ARG --x a", "STOPSIGNAL --x 9", "HEALTHCHECK --x NONE"])
def test_flags_that_buildkit_does_not_look_at_are_accepted(line: str) -> None:
    assert len(parse(f"FROM a\n{line}\n").stages[0].instructions) == 1


def test_run_has_its_flags_typed() -> None:
    found = parse("FROM a\nRUN --network=none --security=insecure --device=a,required --mount=target=/b x\n").stages[0]
    run = found.instructions[0]
    assert isinstance(run, Run)
    assert (run.network, run.security, run.devices) == ("none", "insecure", (Device("a", True),))
    assert (run.mount_flags, run.mounts) == (("target=/b",), ())


def test_trigger_that_is_no_instruction_is_a_mistake_only_once_it_fires() -> None:
    found = parse("FROM a\nONBUILD RUM x\nONBUILD RUN y\n").stages[0].instructions
    assert [getattr(one, "expression", "") for one in found] == ["RUM x", "RUN y"]
    assert [type(getattr(one, "trigger", None)).__name__ for one in found] == ["NoneType", "Run"]
