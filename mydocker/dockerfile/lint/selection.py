"""Which rules a file wants to be checked with, as its own `check` directive says."""

from __future__ import annotations

from typing import NamedTuple

from mydocker.dockerfile.lint.rules import RULES


class Selection(NamedTuple):
    """What the directive `# check=skip=A,B;experimental=C;error=true` asks for; "all" stands for every rule."""

    skip: frozenset[str]
    experimental: frozenset[str]
    error: bool

    def wants(self, rule: str) -> bool:
        """Tell whether a rule is to be run."""
        if rule in self.skip or "all" in self.skip:
            return False
        return not RULES[rule].experimental or rule in self.experimental or "all" in self.experimental


def selection(directive: str) -> Selection:
    """Read the value of a `check` directive; what it cannot mean is passed over, as in BuildKit."""
    options: dict[str, str] = {}
    for part in directive.split(";"):
        key, _, value = part.partition("=")
        options[key.strip().lower()] = value.strip()

    def names(key: str) -> frozenset[str]:
        return frozenset(name.strip() for name in options.get(key, "").split(",") if name.strip())

    return Selection(names("skip"), names("experimental"), options.get("error", "").lower() in ("true", "1"))
