"""A dockerd of the benchmark's own: its socket, its data, no bridge, no firewall; it ends with the block."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CLIENT = "/usr/bin/docker"


def missing() -> str:
    """Say what is not installed, or nothing."""
    return "" if shutil.which("dockerd") and os.path.exists(_CLIENT) else "docker.io is not installed"


@contextmanager
def dockerd(place: Path) -> Iterator[list[str]]:
    """Start a daemon and give the words that its client's commands begin with."""
    socket = f"unix://{place}/docker.sock"
    words = [
        "dockerd", "-H", socket, "--data-root", f"{place}/data", "--exec-root", f"{place}/exec",
        "--pidfile", f"{place}/pid", "--bridge=none", "--iptables=false",
    ]  # fmt: skip
    with (place / "dockerd.log").open("wb") as log:
        daemon = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    client = [_CLIENT, "-H", socket]
    try:
        deadline = time.monotonic() + 60
        while subprocess.run([*client, "version"], capture_output=True).returncode:
            if time.monotonic() > deadline or daemon.poll() is not None:
                raise RuntimeError((place / "dockerd.log").read_text()[-2000:])
            time.sleep(0.2)
        yield client
    finally:
        daemon.terminate()
        daemon.wait(30)
        with contextlib.suppress(FileNotFoundError), open("/proc/self/mountinfo") as file:
            for line in [each.split()[4] for each in file if f" {place}/" in each][::-1]:
                subprocess.run(["umount", "-l", line], capture_output=True)
