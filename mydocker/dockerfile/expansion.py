"""Variables in instructions: which fields the reference expands, and with which values.

FROM, ARG, ENV, LABEL, COPY, ADD, WORKDIR, USER, VOLUME, EXPOSE, STOPSIGNAL and the mounts of RUN are expanded. The
commands of RUN, CMD, ENTRYPOINT and HEALTHCHECK are left to the shell that runs them; SHELL and ONBUILD stay as they
are.

All parts of one instruction see the variables as they were before it: after `ENV a=1 b=$a`, b is the old a.
"""

from __future__ import annotations

from mydocker.dockerfile import options, words
from mydocker.dockerfile.instructions import (
    Add,
    Arg,
    Argument,
    Content,
    Copy,
    Env,
    Expose,
    From,
    Instruction,
    Label,
    Pair,
    Run,
    StopSignal,
    User,
    Volume,
    Workdir,
)
from mydocker.errors import DockerfileError
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from mydocker.dockerfile.source import Source


class Expanded(NamedTuple):
    """An instruction after expansion, the variables that it used, and those that it asked for and nobody had set."""

    instruction: Instruction
    used: frozenset[str]
    missing: frozenset[str]


def expand(
    instruction: Instruction, variables: Mapping[str, str], *, escape: str = "\\", source: Source | None = None
) -> Expanded:
    """Expand the fields of an instruction that its kind expands.

    An unset variable becomes "" and is listed in `missing`. Raises `DockerfileError` for a word that cannot be read,
    for `${x:?message}`, and for a mount that makes no sense once expanded; with `source` it shows the place.
    """
    expander = Expander(variables, escape)
    change = _CHANGES.get(type(instruction))
    if change is None:
        return Expanded(instruction, frozenset(), frozenset())
    try:
        changed = change(instruction, expander)
    except DockerfileError as mistake:
        raise _placed(mistake, expander.current, instruction, source) from None
    return Expanded(changed, frozenset(expander.used), frozenset(expander.missing))


class Expander:
    """Expands the words of one instruction, and remembers the variables and the word at hand."""

    def __init__(self, variables: Mapping[str, str], escape: str) -> None:
        self.variables = variables
        self.escape = escape
        self.used: set[str] = set()
        self.missing: set[str] = set()
        self.current = ""

    def text(self, word: str) -> str:
        """Return what a word stands for."""
        if words.is_plain(word, self.escape):
            return word
        return self._expand(word).text

    def texts(self, several: tuple[str, ...]) -> tuple[str, ...]:
        """Expand each of several words."""
        return tuple(self.text(word) for word in several)

    def split(self, word: str) -> tuple[str, ...]:
        """Expand a word that may become several, at the blanks in unquoted variables."""
        return self._expand(word).words

    def body(self, content: Content) -> Content:
        """Expand the body of a here-document unless its name was quoted. Its escape token is always a backslash."""
        if not content.expand:
            return content
        self.current = content.name
        return content._replace(data=self._count(words.expand(content.data, self.variables, body=True)).text)

    def _expand(self, word: str) -> words.Expansion:
        self.current = word
        return self._count(words.expand(word, self.variables, escape=self.escape))

    def _count(self, expansion: words.Expansion) -> words.Expansion:
        self.used |= expansion.used
        self.missing |= expansion.missing
        return expansion


def _placed(mistake: DockerfileError, word: str, instruction: Instruction, source: Source | None) -> DockerfileError:
    """Give a mistake its place: the word in the instruction's text, or the instruction where it cannot be found."""
    if source is None:
        return mistake
    span = instruction.span
    at = source.text.find(word, span.start, span.end) if word else -1
    if at >= 0:
        start = at + max(mistake.column - 1, 0)
        span = source.span(start, max(at + len(word), start + 1))
    else:
        span = source.span(span.start, span.start + len(instruction.keyword))
    return source.error(span, mistake.what, mistake.why, mistake.hint)


def _from(one: From, expander: Expander) -> From:
    return one._replace(image=expander.text(one.image), platform=expander.text(one.platform))


def _arg(one: Arg, expander: Expander) -> Arg:
    def expanded(argument: Argument) -> Argument:
        default = None if argument.default is None else expander.text(argument.default)
        return argument._replace(name=expander.text(argument.name), default=default)

    return one._replace(arguments=tuple(expanded(argument) for argument in one.arguments))


def _pairs(one: Env | Label, expander: Expander) -> Env | Label:
    pairs = tuple(Pair(expander.text(pair.key), expander.text(pair.value), pair.old) for pair in one.pairs)
    return one._replace(pairs=pairs)


def _run(one: Run, expander: Expander) -> Run:
    mounts = []
    for flag in one.mount_flags:
        expander.current = flag
        mounts.append(options.mount(flag, expander.text))
    return one._replace(mounts=tuple(mounts))


def _files(one: Copy | Add, expander: Expander) -> dict[str, Any]:
    return {
        "sources": expander.texts(one.sources),
        "contents": tuple(expander.body(content) for content in one.contents),
        "destination": expander.text(one.destination),
        "chown": expander.text(one.chown),
        "chmod": expander.text(one.chmod),
        "exclude": expander.texts(one.exclude),
    }


def _copy(one: Copy, expander: Expander) -> Copy:
    return one._replace(**_files(one, expander), from_=expander.text(one.from_))


def _add(one: Add, expander: Expander) -> Add:
    return one._replace(**_files(one, expander), checksum=expander.text(one.checksum))


def _expose(one: Expose, expander: Expander) -> Expose:
    return one._replace(ports=tuple(port for word in one.ports for port in expander.split(word)))


_CHANGES: dict[type, Callable[[Any, Expander], Instruction]] = {
    From: _from,
    Arg: _arg,
    Env: _pairs,
    Label: _pairs,
    Run: _run,
    Copy: _copy,
    Add: _add,
    Expose: _expose,
    Workdir: lambda one, expander: one._replace(path=expander.text(one.path)),
    User: lambda one, expander: one._replace(user=expander.text(one.user)),
    Volume: lambda one, expander: one._replace(paths=expander.texts(one.paths)),
    StopSignal: lambda one, expander: one._replace(signal=expander.text(one.signal)),
}
