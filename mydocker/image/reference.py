"""References: names of images as people and registries write them, with docker's normalisation.

The grammar is that of the distribution project (reference.go): `[domain/]path[:tag][@digest]`. What has no domain is
docker.io's, and what has no path besides its name is in `library/` there.
"""

from __future__ import annotations

import re

from mydocker.errors import UsageError
from mydocker.image.digest import Digest
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Self


DEFAULT_DOMAIN = "docker.io"
DEFAULT_TAG = "latest"
_OFFICIAL = "library/"

_DOMAIN = re.compile(
    r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])"
    r"(?::[0-9]+)?"
)
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_HEX64 = re.compile(r"[0-9a-f]{64}")
_LONGEST = 255


class Reference(NamedTuple):
    """A normalised name: `docker.io`, `library/debian`, `12`, and a digest where one was written.

    `tag` is empty only when a digest stands alone. Make one with `parse`.
    """

    domain: str
    path: str
    tag: str = DEFAULT_TAG
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the reference that `text` means; raise `UsageError` saying which part cannot be meant."""
        rest, at, digest_text = text.partition("@")
        digest = Digest.parse(digest_text) if at else None
        head, colon, tag = rest.rpartition(":")
        if not colon or "/" in tag:
            head, tag = rest, ""
        elif not _TAG.fullmatch(tag):
            raise _invalid(
                text, f"{tag!r} is no tag: letters, digits, '_', '.', '-', at most 128, not first '.' or '-'"
            )
        domain, path = _split_domain(head)
        if len(domain) + 1 + len(path) > _LONGEST:
            raise _invalid(text, f"a name has at most {_LONGEST} characters")
        if not _DOMAIN.fullmatch(domain):
            raise _invalid(text, f"{domain!r} is no host name")
        if not _PATH.fullmatch(path):
            why = "a name is in lower case" if path != path.lower() else f"{path!r} is no name"
            raise _invalid(text, why)
        if not digest and not tag and _HEX64.fullmatch(head):
            raise _invalid(text, "64 hex digits would be taken for an image's id")
        return cls(domain, path, tag or ("" if digest else DEFAULT_TAG), digest)

    @property
    def name(self) -> str:
        """Domain and path: what a registry is asked for."""
        return f"{self.domain}/{self.path}"

    @property
    def familiar_name(self) -> str:
        """The name as short as it can be written: without `docker.io/` and `library/`."""
        if self.domain != DEFAULT_DOMAIN:
            return self.name
        return self.path.removeprefix(_OFFICIAL) if self.path.count("/") == 1 else self.path

    @property
    def familiar(self) -> str:
        """The whole reference as short as it can be written, tag and digest included."""
        return self.familiar_name + self._tail

    @property
    def _tail(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    def __str__(self) -> str:
        return self.name + self._tail


def _split_domain(head: str) -> tuple[str, str]:
    first, slash, rest = head.partition("/")
    names_host = "." in first or ":" in first or first == "localhost" or first != first.lower()
    if not slash or not names_host:
        domain, path = DEFAULT_DOMAIN, head
    else:
        domain, path = ("docker.io" if first == "index.docker.io" else first), rest
    if domain == DEFAULT_DOMAIN and "/" not in path:
        path = _OFFICIAL + path
    return domain, path


def _invalid(text: str, why: str) -> UsageError:
    return UsageError(f"invalid image name {text[:300]!r}", why, "write name, name:tag or name@sha256:...")
