"""The flags of instructions: which one takes which, and what kind of value."""

from __future__ import annotations

from mydocker.dockerfile.suggest import did_you_mean
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mydocker.dockerfile.source import Source
    from mydocker.dockerfile.syntax import Command, Flag

TEXT, TEXTS, SWITCH = "text", "texts", "switch"

_FILES = {"chown": TEXT, "chmod": TEXT, "link": SWITCH, "exclude": TEXTS}
KINDS: dict[str, dict[str, str]] = {
    "FROM": {"platform": TEXT},
    "RUN": {"mount": TEXTS, "network": TEXT, "security": TEXT, "device": TEXTS},
    "COPY": {**_FILES, "from": TEXT, "parents": SWITCH},
    "ADD": {**_FILES, "checksum": TEXT, "keep-git-dir": SWITCH, "unpack": SWITCH},
    "HEALTHCHECK": {"interval": TEXT, "timeout": TEXT, "start-period": TEXT, "start-interval": TEXT, "retries": TEXT},
}
# BuildKit looks at no flags of these, so any are accepted and mean nothing.
_UNCHECKED = ("ARG", "STOPSIGNAL")


class Flags(NamedTuple):
    """The checked flags of one instruction, by name."""

    values: dict[str, tuple[Flag, ...]]

    def text(self, name: str) -> str:
        """Return the value of a flag, "" when it was not given."""
        given = self.values.get(name)
        return given[0].value or "" if given else ""

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the values of a flag that may be repeated."""
        return tuple(flag.value or "" for flag in self.values.get(name, ()))

    def switch(self, name: str) -> bool | None:
        """Return the state of a switch, None when it was not given."""
        given = self.values.get(name)
        return given[0].value is None or given[0].value.lower() == "true" if given else None


def check(source: Source, command: Command) -> Flags:
    """Check the flags of an instruction; raises `DockerfileError` at the first that cannot be meant."""
    if command.name in _UNCHECKED or (command.check and command.check.text.upper() == "NONE"):
        return Flags({})
    kinds = KINDS.get(command.name, {})
    found: dict[str, tuple[Flag, ...]] = {}
    for flag in command.flags:
        kind = kinds.get(flag.name)
        shown = f"--{flag.name}"
        if kind is None:
            known = ", ".join(f"--{name}" for name in sorted(kinds))
            hint = did_you_mean(flag.name, kinds).replace("mean ", "mean --")
            raise source.error(
                flag.span,
                f"unknown flag {shown} of {command.name}",
                f"known are {known}" if known else "it takes none",
                hint,
            )
        if flag.name in found and kind != TEXTS:
            raise source.error(flag.span, f"second {shown}", "it can be given once", "")
        if kind != SWITCH and flag.value is None:
            raise source.error(flag.span, f"{shown} has no value", "", f"write {shown}=VALUE")
        if kind == SWITCH and flag.value is not None and flag.value.lower() not in ("true", "false"):
            raise source.error(flag.span, f"{shown} is a switch", f"{flag.value!r} is neither true nor false", "")
        found[flag.name] = (*found.get(flag.name, ()), flag)
    return Flags(found)
