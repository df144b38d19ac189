"""Where a build's context comes from: a directory, a tar on standard input, a git repository, a Dockerfile alone.

Whatever it is, the build sees a directory. What is fetched or unpacked lies in a workspace of the store and goes with
it.
"""

from __future__ import annotations

import os
from contextlib import contextmanager

from mydocker.errors import NotFound
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mydocker.build.request import BuildRequest
    from mydocker.image.store import ImageStore

STDIN = "-"


@contextmanager
def local(request: BuildRequest, store: ImageStore, stdin: int = 0) -> Iterator[BuildRequest]:
    """Give the request with a directory as its context, and a path as its Dockerfile.

    `-` as context is a tar (in any compression that layers have), or a Dockerfile alone, read from `stdin`; as
    Dockerfile it is the file's text. A git URL is fetched. A Dockerfile of a fetched context is looked up inside it.
    """
    from mydocker.build.remote import is_git

    if request.context == STDIN:
        with store.layout.workspace("context") as place:
            yield _from_stream(request, store, place, stdin)
    elif is_git(request.context):
        from mydocker.build.git import fetch

        with store.layout.workspace("context") as place:
            yield _inside(request, fetch(request.context, place))
    elif request.dockerfile == STDIN:
        with store.layout.workspace("dockerfile") as place:
            yield request._replace(dockerfile=_write(f"{place}/Dockerfile", _read_all(stdin)))
    else:
        yield request


def _from_stream(request: BuildRequest, store: ImageStore, place: str, stdin: int) -> BuildRequest:
    from mydocker.image.compression import decompressed, read_chunks
    from mydocker.image.tar_reader import TarReader
    from mydocker.image.unpack import UnpackRules, unpack

    spool = _write(f"{place}/stream", _read_all(stdin))
    context = f"{place}/context"
    os.mkdir(context, 0o755)
    with open(spool, "rb") as file:
        chunks = decompressed(read_chunks(file.fileno()), store.limits)
        head = next(chunks, b"")
        if head[257:262] != b"ustar":
            return request._replace(context=context, dockerfile=spool)
        os.lseek(file.fileno(), 0, os.SEEK_SET)
        into = os.open(context, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            reader = TarReader(decompressed(read_chunks(file.fileno()), store.limits), store.limits)
            unpack(reader, into, UnpackRules(whiteouts=False, clamp_parents=True, keeps_root=True))
        finally:
            os.close(into)
    return _inside(request, context)


def _inside(request: BuildRequest, context: str) -> BuildRequest:
    """Return the request for a context that was brought here; its Dockerfile is a file of the context."""
    if request.dockerfile is None:
        return request._replace(context=context)
    path = os.path.normpath(os.path.join("/", request.dockerfile)).lstrip("/")
    whole = os.path.join(context, path)
    # What came from elsewhere may hold a link that leads out of it.
    if os.path.realpath(whole) != os.path.join(os.path.realpath(context), path):
        raise NotFound(f"the Dockerfile {request.dockerfile} is a link", "it has to be a file of the context")
    return request._replace(context=context, dockerfile=whole)


def _read_all(stdin: int) -> bytes:
    with os.fdopen(os.dup(stdin), "rb") as file:
        return file.read()


def _write(path: str, data: bytes) -> str:
    with open(path, "wb") as file:
        file.write(data)
    return path
