"""The documents that are written here, carried out by another runtime."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from mydocker.runtime import spec
from mydocker.runtime.options import ContainerOptions
from tests.system.runtime.conftest import image_tar

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.root
@pytest.mark.peer("runc")
def test_runc_runs_our_document(tmp_path: Path) -> None:
    root = tmp_path / "rootfs"
    root.mkdir()
    subprocess.run(["tar", "-xf", image_tar(tmp_path / "image.tar"), "-C", root], check=True)
    name = f"peer-{tmp_path.name.replace('_', '-')}"
    script = "id -u; grep -E '^(CapEff|Seccomp):' /proc/self/status"
    options = ContainerOptions(("/bin/sh", "-c", script), env=("PATH=/bin",), hostname="peer")
    (tmp_path / "config.json").write_text(json.dumps(spec.document(options, name)))
    done = subprocess.run(
        ["runc", "--root", tmp_path / "state", "run", "--bundle", tmp_path, name],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["0", "CapEff:", "00000000a80425fb", "Seccomp:", "2"]
