"""Every Dockerfile of the corpus parses to what the official parser, and its next stage, make of it."""

from __future__ import annotations

from typing import Any

import pytest

from mydocker.dockerfile import instructions as ins
from mydocker.dockerfile import options, parse, parse_syntax, tree
from mydocker.errors import DockerfileError
from tests.corpus.tables import Case, dockerfile, dockerfiles

pytestmark = pytest.mark.shared

FIELDS = ("cmd", "sub_cmd", "json", "start_line", "end_line", "flags", "value")


@pytest.mark.parametrize("name", dockerfiles())
def test_parser_agrees_with_the_official_one(name: str) -> None:
    text, case = dockerfile(name)
    expected = case["head"] or case  # `head` is the newest parser, where the two official ones disagree
    if not expected["ok"]:
        with pytest.raises(DockerfileError):
            parse_syntax(text)
        return
    syntax = parse_syntax(text)
    got = tree.syntax_tree(syntax)["commands"]
    assert [_pick(one) for one in got] == [_pick(one) for one in expected["commands"]]
    assert [_heredocs(one) for one in got] == [_heredocs(one) for one in expected["commands"]]
    for one, wanted in zip(got, expected["commands"], strict=True):
        if not one["heredocs"]:
            assert one["original"] == wanted["original"]
    assert syntax.escape == case["escape"]
    assert bool(syntax.empty_continuations) == bool(case["warnings"])


def _pick(command: Case) -> Case:
    return {field: command[field] for field in FIELDS}


def _heredocs(command: Case) -> list[tuple[str, int, str]]:
    return [(one["name"], one["file_descriptor"], one["content"]) for one in command.get("heredocs", [])]


@pytest.mark.parametrize("name", dockerfiles())
def test_types_agree_with_the_official_ones(name: str) -> None:
    text, case = dockerfile(name)
    expected = case["semantic"]
    if expected is None:
        if case["ok"]:  # a few huge files have no answer at this level
            parse(text)
            return
        with pytest.raises(DockerfileError):
            parse(text)
        return
    if not expected["ok"]:
        with pytest.raises(DockerfileError):
            parse(text)
        return
    found = parse(text)
    # "Empty fields are left out" of the corpus, so `ARG x=` and `ARG x` look alike there.
    meta = [(one.name, one.default or None) for arg in found.meta_args for one in arg.arguments]
    assert meta == [(one["key"], one["value"] or None) for one in expected["meta_args"]]
    heads = [(stage.name, stage.image, stage.platform) for stage in found.stages]
    assert heads == [(one["name"], one["base"], one["platform"]) for one in expected["stages"]]
    for stage, wanted in zip(found.stages, expected["stages"], strict=True):
        commands = wanted.get("commands") or []
        assert [one.keyword for one in stage.instructions] == [one["name"] for one in commands]
        for one, command in zip(stage.instructions, commands, strict=True):
            assert _told(one) == _wanted(one, command)


def _told(one: ins.Instruction) -> Any:
    """Return what the corpus can say about an instruction."""
    match one:
        case ins.Env() | ins.Label():
            return [tuple(pair) for pair in one.pairs]
        case ins.Arg():
            return [(argument.name, argument.default or None, argument.comment) for argument in one.arguments]
        case ins.Cmd() | ins.Entrypoint():
            return _line(one.command)
        case ins.Run():
            documents = [(document.name, document.content, document.chomp) for document in one.heredocs]
            return _line(one.command), documents, one.network, one.security, _mounts(one)
        case ins.Copy() | ins.Add():
            extra = (one.from_, one.parents) if isinstance(one, ins.Copy) else (one.checksum, bool(one.keep_git_dir))
            contents = [tuple(content) for content in one.contents]
            files = (list(one.sources), contents, one.destination)
            return files, one.chown, one.chmod, one.link, list(one.exclude), extra
        case ins.Healthcheck():
            return list(one.test), one.interval, one.timeout, one.start_period, one.start_interval, one.retries
        case ins.Expose():
            return sorted(one.ports)
        case ins.Volume():
            return list(one.paths)
        case ins.ShellForm():
            return list(one.argv)
        case _:
            return one[3]


def _wanted(one: ins.Instruction, command: Case) -> Any:
    match one:
        case ins.Env() | ins.Label():
            pairs = command["Env" if isinstance(one, ins.Env) else "Labels"]
            return [(pair["Key"], pair.get("Value", ""), pair.get("NoDelim", False)) for pair in pairs]
        case ins.Arg():
            return [(one["Key"], one.get("Value") or None, one.get("DocComment", "")) for one in command["Args"]]
        case ins.Cmd() | ins.Entrypoint():
            return _wanted_line(command)
        case ins.Run():
            files = command["ShellDependantCmdLine"].get("Files", [])
            documents = [(one["Name"], one.get("Data", ""), one.get("Chomp", False)) for one in files]
            network, security = command.get("Network") or "default", command.get("Security") or "sandbox"
            return _wanted_line(command), documents, network, security, _wanted_mounts(one, command)
        case ins.Copy() | ins.Add():
            return _wanted_files(one, command)
        case ins.Healthcheck():
            health = command["Health"]
            times = ("Interval", "Timeout", "StartPeriod", "StartInterval", "Retries")
            return health["Test"], *(health.get(key, 0) for key in times)
        case _:
            keys = {
                ins.Expose: "Ports",
                ins.Volume: "Volumes",
                ins.ShellForm: "Shell",
                ins.Workdir: "Path",
                ins.User: "User",
                ins.StopSignal: "Signal",
                ins.Maintainer: "Maintainer",
                ins.OnBuild: "Expression",
            }
            return command[keys[type(one)]]


def _wanted_files(one: ins.Copy | ins.Add, command: Case) -> Any:
    places = command["SourcesAndDest"]
    contents = [
        (one["Path"], one.get("Data", ""), one.get("Expand", False)) for one in places.get("SourceContents", [])
    ]
    extra: tuple[Any, ...] = (command.get("Checksum", ""), command.get("KeepGitDir", False))
    if isinstance(one, ins.Copy):
        extra = (command.get("From", ""), command.get("Parents", False))
    return (
        (places.get("SourcePaths") or [], contents, places["DestPath"]),
        command.get("Chown", ""),
        command.get("Chmod", ""),
        command.get("Link", False),
        command.get("ExcludePatterns", []),
        extra,
    )


def _line(command: ins.CommandLine) -> tuple[list[str], bool]:
    if isinstance(command, ins.Exec):
        return list(command.argv), False
    return [command.text] if command.text else [], True


def _wanted_line(command: Case) -> tuple[list[str], bool]:
    line = command["ShellDependantCmdLine"]
    return line.get("CmdLine") or [], line.get("PrependShell", False)


def _mounts(run: ins.Run) -> list[ins.Mount] | None:
    """Return the mounts; None where one cannot be read before variables are known, as the corpus gives none then."""
    try:
        return [options.mount(flag, str) for flag in run.mount_flags]
    except DockerfileError:
        return None


def _wanted_mounts(run: ins.Run, command: Case) -> list[ins.Mount] | None:
    if _mounts(run) is None:
        return None
    return [
        ins.Mount(
            one["Type"],
            target=one.get("Target", ""),
            source=one.get("Source", ""),
            from_=one.get("From", ""),
            read_only=one.get("ReadOnly", False),
            id=one.get("CacheID", ""),
            sharing=one.get("CacheSharing", ""),
            required=one.get("Required", False),
            size=one.get("SizeLimit", 0),
            mode=one.get("Mode"),
            uid=one.get("UID"),
            gid=one.get("GID"),
            env=one.get("Env") or "",
        )
        for one in command.get("Mounts") or []
    ]
