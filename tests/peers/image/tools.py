"""Other tools as tests call them, and what their results are compared with."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.system.image.trees import Fact, describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mydocker.image.image import Image
    from mydocker.image.store import ImageStore

_CLIENT = "/usr/bin/docker"  # the client that belongs to the daemon


def run(*command: str | Path, **options: Any) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.stderr[-2000:]}"
    return str(done.stdout)


def merged(store: ImageStore, image: Image, tmp_path: Path) -> dict[str, Fact]:
    """The image's files as overlayfs shows them."""
    directories = store.snapshot_dirs(image)
    if len(directories) == 1:
        return describe(directories[0])
    place = tmp_path / "merged"
    place.mkdir()
    lowers = ":".join(directories)
    run("mount", "-t", "overlay", "-o", f"ro,lowerdir={lowers}", "overlay", place)
    try:
        return describe(place)
    finally:
        run("umount", place)


def comparable(found: dict[str, Fact], *, attributes: bool = True) -> dict[str, Fact]:
    """Without what some tool leaves out: all but capabilities, and times before 1970."""
    return {
        name: fact._replace(
            xattrs=tuple(pair for pair in fact.xattrs if attributes or pair[0] == "security.capability"),
            mtime=max(fact.mtime, 0),
        )
        for name, fact in found.items()
    }


@contextmanager
def running_dockerd(place: Path) -> Iterator[Callable[..., str]]:
    address = f"unix://{place}/d.sock"
    command = ["dockerd", "-H", address, "--data-root", f"{place}/data", "--exec-root", f"{place}/exec", "--pidfile",
               f"{place}/pid", "--bridge=none", "--iptables=false", "--ip6tables=false", "--containerd-namespace",
               f"t{os.getpid()}", "--containerd-plugins-namespace", f"p{os.getpid()}"]  # fmt: skip

    def docker(*arguments: str) -> str:
        return run(_CLIENT, "-H", address, *arguments)

    with open(place / "log", "wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as daemon:
        try:
            deadline = time.monotonic() + 60
            while subprocess.run([_CLIENT, "-H", address, "version"], capture_output=True, check=False).returncode:
                assert daemon.poll() is None, (place / "log").read_text()[-2000:]
                assert time.monotonic() < deadline, (place / "log").read_text()[-2000:]
                time.sleep(0.2)
            yield docker
        finally:
            daemon.terminate()
            daemon.wait(30)
            for line in open("/proc/self/mounts", encoding="utf-8").read().splitlines():
                if line.split()[1].startswith(f"{place}/"):
                    run("umount", line.split()[1])
