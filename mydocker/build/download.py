"""Fetching a URL into the store, for ADD."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import IO, TYPE_CHECKING

from mydocker.errors import BuildFailed
from mydocker.events import Progress

if TYPE_CHECKING:
    from http.client import HTTPMessage

    from mydocker.events import Reporter
    from mydocker.image.digest import Digest
    from mydocker.image.store import ImageStore

_BLOCK = 1 << 20
_SECONDS = 60


class _OnlyHttp(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https only: whatever a server says, no file: or ftp: is opened for it."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        if not newurl.startswith(("http://", "https://")):
            raise BuildFailed(f"cannot fetch {req.full_url}", f"it sends us to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def download(source: str, store: ImageStore, reporter: Reporter) -> Digest:
    """Fetch `source` into a blob of the store and return its digest; a transfer that is cut short leaves nothing."""
    request = urllib.request.Request(source, headers={"User-Agent": "mydocker"})
    opener = urllib.request.build_opener(_OnlyHttp)
    try:
        with opener.open(request, timeout=_SECONDS) as answer, store.blobs.writer() as writer:
            total = int(answer.headers.get("Content-Length") or 0)
            done = 0
            while block := answer.read(_BLOCK):
                writer.write(block)
                done += len(block)
                reporter(Progress(f"download {source}", done, total))
            if total and done != total:
                raise BuildFailed(f"cannot fetch {source}", f"the connection ended after {done} of {total} bytes")
            return writer.commit()
    except (urllib.error.URLError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise BuildFailed(f"cannot fetch {source}", str(reason), "is the address right, and the network up?") from error
