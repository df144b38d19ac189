"""ADD from elsewhere: a file by URL, a git repository (Dockerfile reference, "ADD").

A download is kept as a blob of the store, so the same bytes are never stored twice; its SHA-256 is what goes into the
step's key. With `--checksum` the bytes are known before anything is fetched, and a blob that is there is not fetched.
"""

from __future__ import annotations

import os
import posixpath
import re

from mydocker.dockerfile import instructions as ins
from mydocker.errors import BuildFailed, UsageError
from mydocker.image.digest import Digest
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.build.executor import Workshop
    from mydocker.build.placing import Placer

Files = ins.Copy | ins.Add

_GIT = re.compile(r"git@[^/]+:|git://|ssh://|https?://[^#]*\.git(?:[#?]|$)")


def is_remote(one: Files, source: str) -> bool:
    """Tell whether a source of ADD is fetched; COPY fetches nothing."""
    return isinstance(one, ins.Add) and bool(re.match(r"https?://", source) or _GIT.match(source))


def is_git(source: str) -> bool:
    """Tell whether a source names a git repository."""
    return bool(_GIT.match(source))


def identity(one: Files, source: str, shop: Workshop) -> str:
    """Return what names the bytes of a source: the given checksum, else the digest of what is fetched now."""
    assert isinstance(one, ins.Add)
    if is_git(source):
        from mydocker.build import git

        return git.commit_of(source, one.checksum)
    return str(_fetched(one, source, shop))


def add(one: Files, source: str, shop: Workshop, placer: Placer, destination: str, place: str) -> None:
    """Put a fetched source to its destination."""
    assert isinstance(one, ins.Add)
    if is_git(source):
        from mydocker.build import git

        git.add(one, source, shop, placer, destination, place)
        return
    import urllib.parse

    blob = _fetched(one, source, shop)
    name = posixpath.basename(urllib.parse.unquote(urllib.parse.urlsplit(source).path))
    into = destination.endswith("/") or placer.is_directory(destination)
    if into and (name in ("", ".", "..") or "\0" in name or "/" in name):
        raise BuildFailed(f"cannot tell the file name of {source}", hint="name the file in the destination")
    target = posixpath.join(destination, name) if into else destination
    with open(shop.store.layout.blob(blob), "rb") as file:
        placer.write_stream(target, file.fileno(), 0o600)


def _fetched(one: ins.Add, source: str, shop: Workshop) -> Digest:
    """Return the digest of a URL's bytes, which are in the store afterwards."""
    wanted = _checksum(one.checksum) if one.checksum else None
    if wanted and os.path.exists(shop.store.layout.blob(wanted)):
        return wanted
    got = shop.downloads.get(source)
    if got is None:
        from mydocker.build.download import download

        got = shop.downloads[source] = download(source, shop.store, shop.reporter)
    if wanted and got != wanted:
        raise BuildFailed(
            f"{source} is not what --checksum says", f"it is {got}, expected was {wanted}", "was the file replaced?"
        )
    return got


def _checksum(text: str) -> Digest:
    from mydocker.errors import ImageError

    try:
        return Digest.parse(text)
    except ImageError as error:
        raise UsageError(f"--checksum={text}", "expected sha256: and 64 hex digits") from error
