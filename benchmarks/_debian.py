"""A Debian root file system made with debootstrap, once for all benchmarks of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path


def debian_tar(tar: Path) -> None:
    """Put the root file system as a plain tar at `tar`."""
    kept = Path(tempfile.gettempdir()) / "bench-debian-base.tar"
    if not kept.exists():
        with tempfile.TemporaryDirectory() as root:
            subprocess.run(["debootstrap", "--variant=minbase", "bookworm", root], check=True, capture_output=True)
            subprocess.run(["tar", "--numeric-owner", "-C", root, "-cf", f"{kept}.new", "."], check=True)
            os.rename(f"{kept}.new", kept)
    os.link(kept, tar) if kept.stat().st_dev == tar.parent.stat().st_dev else shutil.copy(kept, tar)
