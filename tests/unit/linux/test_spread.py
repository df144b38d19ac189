"""The flag that lets ext4 choose a place for each new directory: set where there is one, no error elsewhere."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from mydocker.linux import files

if TYPE_CHECKING:
    from pathlib import Path


def test_the_flag_is_set_or_there_is_none(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        took = files.spread(fd)
    finally:
        os.close(fd)
    listed = subprocess.run(["lsattr", "-d", tmp_path], capture_output=True, text=True)
    assert ("T" in listed.stdout.split(" ")[0]) == took
    (tmp_path / "below").mkdir()


def test_a_file_system_without_flags_is_no_error() -> None:
    fd = os.open("/proc/self", os.O_RDONLY)
    try:
        assert not files.spread(fd)
    finally:
        os.close(fd)
