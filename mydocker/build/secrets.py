"""No secret leaves a step: what it wrote is searched for the bytes of the secrets that it had, in the usual disguises.

A secret that a command copies into a file would be in the layer, and from there everywhere. So a leak stops the build,
with the path named, before anything is committed; in a step's output secrets are masked. Secrets shorter than six bytes
are not looked for: they occur everywhere by chance.
"""

from __future__ import annotations

import base64
import os
import re
import stat
import urllib.parse

from mydocker.errors import BuildFailed
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mydocker.build.request import Secret

_SHORTEST = 6
_SHORTEST_LOOSE = 16
_SEPARATORS = b" \t\r\n:"
_ESCAPE = re.compile("%..")
_BLOCK = 1 << 20
MASK = b"[secret]"


class Needles:
    """The forms in which secrets are looked for: plain, base64 (at each of three offsets), hex, URL-encoded.

    Tools break long lines and put blanks between bytes (base64, xxd, od), so longer forms are found with those inside.
    """

    def __init__(self, secrets: Iterable[Secret]) -> None:
        self._forms: dict[bytes, str] = {}
        self._loose: dict[bytes, str] = {}
        for secret in secrets:
            value = secret.value.strip()
            if len(value) >= _SHORTEST:
                for form in _disguises(value):
                    self._forms[form] = secret.id
                    if len(joined := _joined(form)) >= _SHORTEST_LOOSE:
                        self._loose[joined] = secret.id

    def __bool__(self) -> bool:
        return bool(self._forms)

    def mask(self, data: bytes) -> bytes:
        """Return `data` with every secret in it replaced."""
        for form in self._forms:
            data = data.replace(form, MASK)
        if self._loose:
            joined = _joined(data)
            for form in self._loose:
                if form in joined:
                    data = _pattern(form).sub(MASK, data)
        return data

    def unfinished(self, data: bytes) -> int:
        """Return how many bytes at the end of `data` may be the beginning of a secret, whose rest has yet to come."""
        if not self._forms:
            return 0
        longest = max((_overlap(data, form) for form in self._forms), default=0)
        places = [at for at, byte in enumerate(data[-4 * self.longest :]) if byte not in _SEPARATORS]
        tail = _joined(data[-4 * self.longest :])
        loose = max((_overlap(tail, form) for form in self._loose), default=0)
        return max(longest, min(len(data), 4 * self.longest) - places[-loose]) if loose else longest

    def find(self, data: bytes) -> str:
        """Return the id of a secret that is in `data`, or ""."""
        return self.find_exact(data) or (self.find_joined(_joined(data)) if self._loose else "")

    def find_exact(self, data: bytes) -> str:
        """Return the id of a secret that is in `data` without anything between its bytes, or ""."""
        return next((name for form, name in self._forms.items() if form in data), "")

    def find_joined(self, joined: bytes) -> str:
        """Return the id of a secret that is in data from which all separators were taken, or ""."""
        return next((name for form, name in self._loose.items() if form in joined), "")

    @property
    def longest(self) -> int:
        """The length of the longest form: how much two blocks have to overlap."""
        return max(map(len, self._forms), default=0)


def _joined(data: bytes) -> bytes:
    return data.translate(None, _SEPARATORS)


def _pattern(form: bytes) -> re.Pattern[bytes]:
    return re.compile(b"[ \\t\\r\\n:]*".join(re.escape(form[at : at + 1]) for at in range(len(form))))


def _overlap(data: bytes, form: bytes) -> int:
    """Return the length of the longest proper beginning of `form` with which `data` ends."""
    for length in range(min(len(form) - 1, len(data)), 0, -1):
        if data.endswith(form[:length]):
            return length
    return 0


def _disguises(value: bytes) -> Iterator[bytes]:
    yield value
    yield value.hex().encode()
    yield value.hex().upper().encode()
    for quoted in (urllib.parse.quote_from_bytes(value, safe=""), urllib.parse.quote_plus(value)):
        yield quoted.encode()
        yield _ESCAPE.sub(lambda escape: escape[0].lower(), quoted).encode()
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
    kept = kept_joined = b""
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            joined = kept_joined + _joined(block)
            if leaked := needles.find_exact(kept + block) or needles.find_joined(joined):
                return leaked
            kept, kept_joined = block[-needles.longest :], joined[-needles.longest :]
    return ""
