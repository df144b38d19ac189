"""Challenge: how a registry says which credential it wants (RFC 9110, 11.6.1, WWW-Authenticate)."""

from __future__ import annotations

import re
from typing import NamedTuple

_PARAMETER = re.compile(r'\s*([A-Za-z_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))\s*(?:,|$)')


class Challenge(NamedTuple):
    """The scheme (`basic`, `bearer`, empty for none) and, for a token, where and for what to ask."""

    scheme: str = ""
    realm: str = ""
    service: str = ""
    scope: str = ""


def parse_challenge(header: str) -> Challenge:
    """Return the challenge in a header; what cannot be read is left empty."""
    scheme, _, rest = header.strip()[:4096].partition(" ")
    found: dict[str, str] = {}
    at = 0
    while match := _PARAMETER.match(rest, at):
        name, quoted, plain = match.groups()
        found[name.lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
        at = match.end()
    return Challenge(scheme.lower(), found.get("realm", ""), found.get("service", ""), found.get("scope", ""))
