"""Commands to typed instructions: what each instruction takes, and what it refuses.

This is the level of BuildKit's instructions.Parse. What depends on variables is refused later, by `expansion`.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from mydocker.dockerfile import flags as flag_checks
from mydocker.dockerfile import heredocs, instructions, options
from mydocker.dockerfile.suggest import did_you_mean
from mydocker.dockerfile.words import SPACES
from mydocker.errors import DockerfileError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mydocker.dockerfile.flags import Flags
    from mydocker.dockerfile.instructions import CommandLine, Instruction
    from mydocker.dockerfile.source import Source, Span
    from mydocker.dockerfile.syntax import Command, Flag

_T = TypeVar("_T")

_STAGE_NAME = re.compile(r"[a-z][a-z0-9_.-]*")
_ONBUILD = re.compile(r"\s*ONBUILD\s*", re.IGNORECASE | re.ASCII)
_NO_TRIGGERS = {
    "ONBUILD": "one ONBUILD in another would fire in the grandchild, which is not supported",
    "MAINTAINER": "MAINTAINER is no trigger",
    "FROM": "FROM is no trigger",
}
NETWORKS = ("default", "none", "host")
SECURITIES = ("sandbox", "insecure")
# As in Docker's API: shorter health checks make no sense.
_SHORTEST_INTERVAL = 10**6


class Head(NamedTuple):
    """What all instructions begin with."""

    keyword: str
    span: Span
    original: str


class Given(NamedTuple):
    """A command to be typed, with its checked flags."""

    source: Source
    command: Command
    flags: Flags

    @property
    def head(self) -> Head:
        """The fields that all instructions begin with."""
        return Head(self.command.keyword.text, self.command.span, self.command.original.strip(SPACES))

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts of the arguments."""
        return tuple(word.text for word in self.command.arguments)

    def error(self, why: str, hint: str = "", span: Span | None = None) -> DockerfileError:
        """Return the error about this instruction, at `span` or at its keyword."""
        return self.source.error(span or self.command.keyword.span, f"{self.command.name} {why}", "", hint)


def instruction(source: Source, command: Command) -> Instruction:
    """Give a command its type; raises `DockerfileError` with the place of what cannot be meant."""
    make = _MAKERS.get(command.name)
    if make is None:
        word = command.keyword
        raise source.error(
            word.span, f"unknown instruction {word.text!r}", "", did_you_mean(word.text.upper(), instructions.NAMES)
        )
    return make(Given(source, command, flag_checks.check(source, command)))


def _from(given: Given) -> instructions.From:
    texts = given.texts
    if len(texts) not in (1, 3) or (len(texts) == 3 and texts[1].lower() != "as"):
        words = given.command.arguments
        span = words[1].span if len(words) > 1 else None
        raise given.error("takes an image, or an image, AS and a name", "write FROM IMAGE AS NAME", span)
    name = texts[2].lower() if len(texts) == 3 else ""
    if name and not _STAGE_NAME.fullmatch(name):
        raise given.error(
            f"cannot name a stage {texts[2]!r}",
            "a name begins with a letter and has letters, digits, - _ and .",
            given.command.arguments[2].span,
        )
    comment = _comment(given.command.comments, name)
    return instructions.From(*given.head, texts[0], name, given.flags.text("platform"), comment)


def _comment(comments: tuple[str, ...], name: str) -> str:
    """Return what the comment before the instruction says of `name`: `# NAME what it is for`."""
    if not name:
        return ""
    return next((line[len(name) + 1 :] for line in comments if line.startswith(name + " ")), "")


def _arg(given: Given) -> instructions.Arg:
    _need_arguments(given)
    arguments = []
    for word in given.command.arguments:
        name, equals, default = word.text.partition("=")
        if not name:
            raise given.error("has a name that is empty", "write ARG NAME or ARG NAME=DEFAULT", word.span)
        comment = _comment(given.command.comments, name)
        arguments.append(instructions.Argument(name, default if equals else None, comment))
    return instructions.Arg(*given.head, tuple(arguments))


def _pairs(given: Given) -> tuple[instructions.Pair, ...]:
    _need_arguments(given)
    words = given.command.arguments
    if given.command.form == "old":
        return (instructions.Pair(words[0].text, words[1].text, old=True),)
    pairs = []
    for word in words:
        key, _, value = word.text.partition("=")
        if not key:
            raise given.error("has a name that is empty", f"write {given.command.name} NAME=VALUE", word.span)
        pairs.append(instructions.Pair(key, value, old=False))
    return tuple(pairs)


def _env(given: Given) -> instructions.Env:
    return instructions.Env(*given.head, _pairs(given))


def _label(given: Given) -> instructions.Label:
    return instructions.Label(*given.head, _pairs(given))


def _command_line(given: Given) -> CommandLine:
    if given.command.form == "exec":
        return instructions.Exec(given.texts)
    return instructions.Shell(" ".join(given.texts))


def _run(given: Given) -> instructions.Run:
    flags = given.flags
    mount_flags = flags.texts("mount")
    for flag in flags.values.get("mount", ()):
        _refuse_variable_in_from(given, flag.value or "", flag.span)
    _one_of(given, "network", NETWORKS)
    _one_of(given, "security", SECURITIES)
    devices = tuple(_device(given, flag) for flag in flags.values.get("device", ()))
    return instructions.Run(
        *given.head,
        _command_line(given),
        given.command.heredocs,
        mount_flags,
        (),
        flags.text("network") or "default",
        flags.text("security") or "sandbox",
        devices,
    )


def _device(given: Given, flag: Flag) -> instructions.Device:
    return _at(given, flag.span, lambda: options.device(flag.value or ""))


def _refuse_variable_in_from(given: Given, text: str, span: Span) -> None:
    for field in _at(given, span, lambda: tuple(options.fields(text))):
        key, _, value = field.partition("=")
        if key.lower() == "from" and re.search(r"\$.", value):
            raise given.error(
                f"cannot mount from {value!r}: the stage of a mount is found before variables are known",
                f"name a stage for it: FROM {value} AS NAME, then from=NAME",
                span,
            )


def _one_of(given: Given, name: str, known: tuple[str, ...]) -> None:
    for flag in given.flags.values.get(name, ()):
        if flag.value not in known:
            hint = did_you_mean(flag.value or "", known)
            raise given.error(f"has no --{name} {flag.value!r}: known are {', '.join(known)}", hint, flag.span)


def _cmd(given: Given) -> instructions.Cmd:
    return instructions.Cmd(*given.head, _command_line(given))


def _entrypoint(given: Given) -> instructions.Entrypoint:
    return instructions.Entrypoint(*given.head, _command_line(given))


def _shell(given: Given) -> instructions.ShellForm:
    _need_arguments(given)
    if given.command.form != "exec":
        raise given.error(
            "takes a JSON array", 'write SHELL ["executable", "parameter"]', given.command.arguments[0].span
        )
    return instructions.ShellForm(*given.head, given.texts)


def _healthcheck(given: Given) -> instructions.Healthcheck:
    check = given.command.check
    if check is None:
        raise given.error("takes CMD or NONE", "write HEALTHCHECK CMD COMMAND")
    kind = check.text.upper()
    if kind == "NONE":
        if given.command.arguments:
            raise given.error("NONE takes no arguments", "", given.command.arguments[0].span)
        return instructions.Healthcheck(*given.head, None, 0, 0, 0, 0, 0)
    if kind != "CMD":
        raise given.error(f"takes CMD or NONE, not {check.text!r}", "write HEALTHCHECK CMD COMMAND", check.span)
    if not given.command.arguments:
        raise given.error("CMD has no command", "", check.span)
    return instructions.Healthcheck(
        *given.head,
        _command_line(given),
        interval=_interval(given, "interval"),
        timeout=_interval(given, "timeout"),
        start_period=_interval(given, "start-period"),
        start_interval=_interval(given, "start-interval"),
        retries=_retries(given),
    )


def _interval(given: Given, name: str) -> int:
    for flag in given.flags.values.get(name, ()):
        text = flag.value or ""
        nanoseconds = _at(given, flag.span, partial(options.duration, text)) if text else 0
        if nanoseconds and nanoseconds < _SHORTEST_INTERVAL:
            raise given.error(f"has a --{name} of less than 1ms", "", flag.span)
        return nanoseconds
    return 0


def _retries(given: Given) -> int:
    for flag in given.flags.values.get("retries", ()):
        text = flag.value or "0"
        if not re.fullmatch(r"\+?\d{1,10}", text, re.ASCII) or int(text) >= 2**31:
            raise given.error(f"has no number in --retries={text}", "", flag.span)
        return int(text)
    return 0


class _Files(NamedTuple):
    sources: tuple[str, ...]
    contents: tuple[instructions.Content, ...]
    destination: str


def _files(given: Given) -> _Files:
    words = given.command.arguments
    if len(words) < 2:
        raise given.error(
            "takes at least one source and a destination", f"write {given.command.name} SOURCE DESTINATION"
        )
    *sources, destination = words
    if _mark(destination.text):
        raise given.error("cannot copy to a here-document", "the last word is the destination", destination.span)
    documents = {document.name: document for document in given.command.heredocs}
    paths, contents = [], []
    for word in sources:
        mark = _mark(word.text)
        if not mark:
            paths.append(word.text)
            continue
        document = documents.get(mark.name)
        contents.append(instructions.Content(mark.name, document.text if document else "", mark.expand))
    return _Files(tuple(paths), tuple(contents), destination.text)


def _mark(word: str) -> heredocs.Mark | None:
    if "<<" not in word:
        return None
    try:
        return heredocs.mark(word)
    except DockerfileError:
        return None


def _copy(given: Given) -> instructions.Copy:
    flags = given.flags
    return instructions.Copy(
        *given.head,
        *_files(given),
        from_=flags.text("from"),
        chown=flags.text("chown"),
        chmod=flags.text("chmod"),
        link=bool(flags.switch("link")),
        parents=bool(flags.switch("parents")),
        exclude=flags.texts("exclude"),
    )


def _add(given: Given) -> instructions.Add:
    flags = given.flags
    return instructions.Add(
        *given.head,
        *_files(given),
        chown=flags.text("chown"),
        chmod=flags.text("chmod"),
        link=bool(flags.switch("link")),
        checksum=flags.text("checksum"),
        keep_git_dir=flags.switch("keep-git-dir"),
        unpack=flags.switch("unpack"),
        exclude=flags.texts("exclude"),
    )


def _volume(given: Given) -> instructions.Volume:
    _need_arguments(given)
    paths = []
    for word in given.command.arguments:
        if not word.text.strip(SPACES):
            raise given.error("has a path that is empty", "", word.span)
        paths.append(word.text.strip(SPACES))
    return instructions.Volume(*given.head, tuple(paths))


def _expose(given: Given) -> instructions.Expose:
    _need_arguments(given)
    return instructions.Expose(*given.head, given.texts)


def _one_text(given: Given) -> str:
    if not given.command.arguments:
        raise given.error("takes one argument", "")
    return given.command.arguments[0].text


def _user(given: Given) -> instructions.User:
    return instructions.User(*given.head, _one_text(given))


def _workdir(given: Given) -> instructions.Workdir:
    return instructions.Workdir(*given.head, _one_text(given))


def _stop_signal(given: Given) -> instructions.StopSignal:
    return instructions.StopSignal(*given.head, _one_text(given))


def _maintainer(given: Given) -> instructions.Maintainer:
    return instructions.Maintainer(*given.head, _one_text(given))


def _onbuild(given: Given) -> instructions.OnBuild:
    inner = given.command.inner
    if inner is None:
        raise given.error("takes an instruction", "write ONBUILD INSTRUCTION ARGUMENTS")
    if inner.name in _NO_TRIGGERS:
        raise given.error(f"cannot hold {inner.name}", _NO_TRIGGERS[inner.name], inner.keyword.span)
    expression = _ONBUILD.sub("", given.command.original, count=1)
    for document in given.command.heredocs:
        expression += f"\n{document.content}{document.name}"
    try:
        trigger = instruction(given.source, inner)
    except DockerfileError:
        trigger = None
    return instructions.OnBuild(*given.head, expression, trigger)


def _need_arguments(given: Given) -> None:
    if not given.command.arguments:
        raise given.error("takes at least one argument")


def _at(given: Given, span: Span, read: Callable[[], _T]) -> _T:
    """Read something inside a flag, and give its mistakes the flag's place."""
    try:
        return read()
    except DockerfileError as mistake:
        raise given.source.error(span, mistake.what, mistake.why, mistake.hint) from None


_MAKERS: dict[str, Callable[[Given], Instruction]] = {
    "ADD": _add,
    "ARG": _arg,
    "CMD": _cmd,
    "COPY": _copy,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "FROM": _from,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "MAINTAINER": _maintainer,
    "ONBUILD": _onbuild,
    "RUN": _run,
    "SHELL": _shell,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
