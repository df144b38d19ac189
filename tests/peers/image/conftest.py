"""A store of the test's own with an image in it, and a registry on loopback."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mydocker.image.config import Healthcheck, History, ImageConfig
from mydocker.image.layout import Layout
from mydocker.image.reference import Reference
from mydocker.image.store import ImageStore
from tests.peers.image.tools import run
from tests.system.image.trees import make_museum, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mydocker.image.image import Image


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(Layout.open(str(tmp_path / "store")))


@pytest.fixture
def other(tmp_path: Path) -> ImageStore:
    return ImageStore(Layout.open(str(tmp_path / "other")))


@pytest.fixture
def image(store: ImageStore, tmp_path: Path) -> Image:
    """An image of two layers that has everything in its config and, in its files, everything a layer gets wrong."""
    tree = tmp_path / "tree"
    tree.mkdir()
    make_museum(str(tree))
    for name in ("dir/one", "dir/two"):
        write(f"{tree}/{name}", name.encode(), 0o644)
    fd = os.open(tree, os.O_RDONLY)
    first = store.layers.pack_tree(fd, None)
    os.close(fd)
    upper = f"{store.layout.containers}/upper"
    write(f"{upper}/etc/added", b"added", 0o600)
    os.makedirs(f"{upper}/dir")
    os.mknod(f"{upper}/dir/one", 0o020000, 0)
    os.chmod(upper, 0o755)
    second = store.layers.commit_upper(upper, store.stack_dirs((first,)), 1_500_000_000)
    config = ImageConfig(
        architecture="amd64",
        created="2020-01-02T03:04:05Z",
        author="someone",
        user="12:13",
        exposed_ports=("80/tcp",),
        env=("PATH=/bin", "GRÜSSE=1"),
        entrypoint=("/bin/sh", "-c"),
        cmd=("echo",),
        volumes=("/data",),
        working_dir="/etc",
        labels={"a": "b"},
        stop_signal="SIGINT",
        healthcheck=Healthcheck(("CMD", "true"), interval=10**9),
        onbuild=("RUN true",),
        shell=("/bin/ash",),
        diff_ids=(first.diff_id, second.diff_id),
        history=(History("ADD tree", created="2020-01-02T03:04:05Z"), History("RUN x", created="2020-01-02T03:04:05Z")),
    )
    return store.add(config, (first, second), [Reference.parse("museum:1")])


def free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port: int = chosen.getsockname()[1]
        return port


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """Debian's docker-registry on loopback; its `host:port`."""
    with running_registry(tmp_path) as address:
        yield address


@contextlib.contextmanager
def running_registry(place: Path, auth: str = "") -> Iterator[str]:
    address = f"127.0.0.1:{free_port()}"
    settings = place / "registry.yml"
    settings.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {place}/registry}}}}\n"
        f"http: {{addr: '{address}'}}\n{auth}"
    )
    with subprocess.Popen(["docker-registry", "serve", settings], stderr=subprocess.PIPE) as process:
        try:
            wait_for(address)
            yield address
        finally:
            process.terminate()
            process.wait(10)


def wait_for(address: str) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://{address}/v2/", timeout=1).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(f"no registry at {address}")


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short name: podman refuses a run root of more than 50 characters, dockerd a long socket."""
    place = Path(tempfile.mkdtemp(prefix="t", dir="/tmp"))
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def podman(short: Path) -> Iterator[Callable[..., str]]:
    base = ["podman", "--root", f"{short}/root", "--runroot", f"{short}/run", "--storage-driver", "vfs",
            "--tmpdir", f"{short}/tmp"]  # fmt: skip

    def call(*arguments: str) -> str:
        return run(*base, *arguments)

    yield call
    run(*base, "system", "reset", "--force")
