"""Which rules a file wants to be checked with, as its own `check` directive says."""

from __future__ import annotations

import re

from mydocker.dockerfile.lint.rules import RULES
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mydocker.dockerfile.syntax import Command

_LOCAL = re.compile(r"check\s*=\s*(.+)", re.IGNORECASE | re.DOTALL)


class Selection(NamedTuple):
    """What the directive `# check=skip=A,B;experimental=C;error=true` asks for; "all" stands for every rule."""

    skip: frozenset[str]
    experimental: frozenset[str]
    error: bool

    def skips(self, rule: str) -> bool:
        """Tell whether a rule is to be left out, by its name or as one of all."""
        return rule in self.skip or "all" in self.skip

    def wants(self, rule: str) -> bool:
        """Tell whether a rule is to be run."""
        if self.skips(rule):
            return False
        return not RULES[rule].experimental or rule in self.experimental or "all" in self.experimental


def selection(directive: str) -> Selection:
    """Read the value of a `check` directive; what it cannot mean is passed over, as in BuildKit.

    A reason may follow behind `//`.
    """
    options: dict[str, str] = {}
    for part in directive.partition("//")[0].split(";"):
        key, _, value = part.partition("=")
        options[key.strip().lower()] = value.strip()

    def names(key: str) -> frozenset[str]:
        return frozenset(name.strip() for name in options.get(key, "").split(",") if name.strip())

    return Selection(names("skip"), names("experimental"), options.get("error", "").lower() in ("true", "1"))


def local_selections(command: Command) -> list[Selection]:
    """Return what each `# check=...` right before an instruction says; it counts for that instruction alone."""
    found = (_LOCAL.fullmatch(comment) for comment in command.comments)
    return [selection(match[1]) for match in found if match]
