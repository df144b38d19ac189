"""No secret leaves a step: what it wrote is searched for the bytes of the secrets that it had, in the usual disguises.

A secret that a command copies into a file would be in the layer, and from there everywhere. So a leak stops the build,
with the path named, before anything is committed; in a step's output secrets are masked. Secrets shorter than six bytes
are not looked for: they occur everywhere by chance.
"""

from __future__ import annotations

import base64
import os
import stat
import urllib.parse

from mydocker.errors import BuildFailed
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mydocker.build.request import Secret

_SHORTEST = 6
_BLOCK = 1 << 20
MASK = b"[secret]"


class Needles:
    """The forms in which secrets are looked for: plain, base64 (at each of three offsets), hex, URL-encoded."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        self._forms: dict[bytes, str] = {}
        for secret in secrets:
            value = secret.value.strip()
            if len(value) >= _SHORTEST:
                for form in _disguises(value):
                    self._forms[form] = secret.id

    def __bool__(self) -> bool:
        return bool(self._forms)

    def mask(self, data: bytes) -> bytes:
        """Return `data` with every secret in it replaced."""
        for form in self._forms:
            data = data.replace(form, MASK)
        return data

    def find(self, data: bytes) -> str:
        """Return the id of a secret that is in `data`, or ""."""
        return next((name for form, name in self._forms.items() if form in data), "")

    @property
    def longest(self) -> int:
        """The length of the longest form: how much two blocks have to overlap."""
        return max(map(len, self._forms), default=0)


def _disguises(value: bytes) -> Iterator[bytes]:
    yield value
    yield value.hex().encode()
    yield value.hex().upper().encode()
    for quoted in (urllib.parse.quote_from_bytes(value, safe=""), urllib.parse.quote_plus(value)):
        yield quoted.encode()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for shift in range(3):
            # Inside a longer text that is encoded as a whole, only the middle of our part is sure to look like this.
            whole = encode(b"\0" * shift + value)
            begin = 0 if shift == 0 else 4
            inner = whole[begin : len(whole) - len(whole) % 4 - 4 if len(whole) > begin + 8 else None].rstrip(b"=")
            if len(inner) >= _SHORTEST:
                yield inner


def search(directory: str, secrets: Iterable[Secret]) -> None:
    """Search names, link texts, attributes and contents below `directory`; raise `BuildFailed` naming the path."""
    needles = Needles(secrets)
    if not needles:
        return
    for folder, folders, files in os.walk(os.fsencode(directory)):
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            if leaked := _in_entry(path, name, needles):
                shown = os.fsdecode(path)[len(directory) :]
                raise BuildFailed(
                    f"the secret {leaked} would be in the image",
                    f"{shown} contains it",
                    "use it without writing it down, or write it to a tmpfs mount",
                )


def _in_entry(path: bytes, name: bytes, needles: Needles) -> str:
    facts = os.lstat(path)
    if leaked := needles.find(name):
        return leaked
    if stat.S_ISLNK(facts.st_mode):
        return needles.find(os.readlink(path))
    for attribute in os.listxattr(path, follow_symlinks=False):
        if leaked := needles.find(os.getxattr(path, attribute, follow_symlinks=False)):
            return leaked
    return _in_file(path, needles) if stat.S_ISREG(facts.st_mode) else ""


def _in_file(path: bytes, needles: Needles) -> str:
    kept = b""
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            if leaked := needles.find(kept + block):
                return leaked
            kept = block[-needles.longest :]
    return ""
