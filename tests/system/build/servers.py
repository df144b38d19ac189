"""Servers for tests, on loopback: a web server that answers as it is told, and git's own."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class WebServer:
    """Serves `pages` (path -> body) and `redirects` (path -> address); use it in a `with`."""

    def __init__(self, pages: Mapping[str, bytes], redirects: Mapping[str, str] | None = None) -> None:
        self.asked: list[tuple[str, str]] = []  # paths, each with the Authorization that came with it
        outer, moved = self, redirects or {}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append((self.path, self.headers.get("Authorization", "")))
                body = pages.get(self.path, b"")
                self.send_response(302 if self.path in moved else 200 if self.path in pages else 404)
                if self.path in moved:
                    self.send_header("Location", moved[self.path])
                self.send_header("Content-Disposition", 'attachment; filename="../../../evil"')
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class GitServer:
    """Serves the repositories in a folder by git's own protocol; use it in a `with`."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port: int = probe.getsockname()[1]
        self.address = f"git://127.0.0.1:{self._port}"
        flags = ["--listen=127.0.0.1", f"--port={self._port}", f"--base-path={folder}", "--export-all"]
        self._words = ["git", "daemon", *flags]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._words, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return self
            time.sleep(0.02)
        raise AssertionError("git daemon did not start")

    def __exit__(self, *exc: object) -> None:
        self._process.terminate()
        self._process.wait()
