"""A registry that does what a test tells it, on loopback, and remembers every request that came."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple

from mydocker.image.digest import DiffID, Digest
from mydocker.image.manifest import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Reply(NamedTuple):
    """An answer; `endless` repeats the body until nobody listens any more."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    endless: bool = False


class Request(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Double:
    """The registry: `replies` maps paths (without the query) to answers, or to calls that give one."""

    def __init__(self, scheme: str, name: str, port: int) -> None:
        self.scheme = scheme
        self.address = f"{name}:{port}"
        self.replies: dict[str, Reply | Callable[[Request], Reply]] = {}
        self.requests: list[Request] = []
        self.sent = 0

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.address}"

    def paths(self) -> list[str]:
        return [each.path for each in self.requests]

    def authorizations(self) -> list[str]:
        return [each.headers["authorization"] for each in self.requests if "authorization" in each.headers]

    def put_blob(self, data: bytes, *, repository: str = "app", really: bytes | None = None) -> dict[str, object]:
        """Serve a blob, or other bytes in its place, and return its descriptor."""
        digest = Digest.of(data)
        self.replies[f"/v2/{repository}/blobs/{digest}"] = Reply(body=data if really is None else really)
        return {"digest": digest, "size": len(data)}

    def put_manifest(self, document: object, *, tag: str = "1", repository: str = "app", kind: str = "") -> Digest:
        """Serve a document (bytes as they are) under its tag and its digest."""
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        known = OCI_INDEX if isinstance(document, dict) and "manifests" in document else OCI_MANIFEST
        reply = Reply(body=data, headers=(("Content-Type", kind or known),))
        digest = Digest.of(data)
        self.replies[f"/v2/{repository}/manifests/{tag}"] = self.replies[f"/v2/{repository}/manifests/{digest}"] = reply
        return digest

    def image(self, *layers: bytes, architecture: str = "amd64") -> dict[str, object]:
        """Serve config and layers (plain tars), and return the manifest, which is not served yet."""
        config = {
            "architecture": architecture,
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [DiffID.of(layer) for layer in layers]},
        }
        return {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": OCI_CONFIG, **self.put_blob(json.dumps(config).encode())},
            "layers": [{"mediaType": OCI_LAYER, **self.put_blob(layer)} for layer in layers],
        }


@contextlib.contextmanager
def running(name: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Iterator[Double]:
    """Serve on loopback; `name` is what the registry is called, for a test that makes it mean 127.0.0.1."""
    double: Double

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            headers = {key.lower(): value for key, value in self.headers.items()}
            request = Request(self.command, self.path, headers, self.rfile.read(length))
            double.requests.append(request)
            found = double.replies.get(self.path.partition("?")[0], Reply(404))
            reply = found(request) if callable(found) else found
            self.send_response(reply.status)
            for key, value in reply.headers:
                self.send_header(key, value)
            if not reply.endless:
                self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            with contextlib.suppress(OSError):
                while self.command != "HEAD":
                    self.wfile.write(reply.body)
                    double.sent += len(reply.body)
                    if not reply.endless:
                        break

        do_HEAD = do_POST = do_PUT = do_PATCH = do_GET  # noqa: N815 (the names that http.server looks for)

        def log_message(self, *unused: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *unused: object) -> None:
            """A client that goes away is what these tests are about."""

    with Server(("127.0.0.1", 0), Handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        double = Double("https" if tls else "http", name, server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield double
        finally:
            server.shutdown()
            thread.join()


def certificate(place: Path, *names: str) -> Path:
    """Make a certificate that speaks for `names` and signs itself; the key is in the same file."""
    target = place / "certificate.pem"
    subject = ",".join(f"DNS:{name}" for name in names)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=test", "-addext", f"subjectAltName={subject}", "-keyout", target, "-out", place / "only.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    target.write_bytes(target.read_bytes() + (place / "only.pem").read_bytes())
    return target
