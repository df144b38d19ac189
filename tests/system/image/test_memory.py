"""Memory does not grow with a layer: everything goes through in chunks."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.system.image.hostile import header

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.root

_MEGABYTE = 2**20
_SIZE = 600 * _MEGABYTE
_MOST = 100 * 1024  # KiB, as getrusage(2) counts
# A program's peak counts what its process was before it: so a small one starts it, and not this one.
_LAUNCHER = """
import os, resource, sys
child = os.fork()
if not child:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.execv(sys.argv[1], sys.argv[1:])
status = os.waitpid(child, 0)[1]
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def peak(root: Path, *words: str, stdin: int = subprocess.DEVNULL) -> int:
    """Run a command and return the most memory that it had, in KiB."""
    command = [sys.executable, "-m", "mydocker", "--root", str(root), *words]
    done = subprocess.run([sys.executable, "-c", _LAUNCHER, *command], stdin=stdin, stdout=subprocess.PIPE, check=True)
    return int(done.stdout)


def test_large_layer_in_and_out_in_a_hundred_megabytes(tmp_path: Path) -> None:
    """A tenth of the layer cannot be compressed; the rest are zeros, which the unpacker leaves as holes."""
    reading, writing = os.pipe()
    with open(reading, "rb") as source:
        child = os.fork()
        if not child:
            os.close(reading)
            with open(writing, "wb") as out:
                out.write(header(b"big", b"0", _SIZE))
                for at in range(_SIZE // _MEGABYTE):
                    out.write(os.urandom(_MEGABYTE) if at % 10 == 0 else bytes(_MEGABYTE))
                out.write(bytes(1024))
            os._exit(0)
        os.close(writing)
        used = {"import": peak(tmp_path / "store", "import", "-", "big", stdin=source.fileno())}
        os.waitpid(child, 0)
    for form in ("docker-archive", "oci-archive"):
        archive = str(tmp_path / form)
        used[f"save {form}"] = peak(tmp_path / "store", "save", "--format", form, "-o", archive, "big")
        used[f"load {form}"] = peak(tmp_path / f"from-{form}", "load", "-i", archive)
        os.unlink(archive)
    used["fsck"] = peak(tmp_path / "store", "fsck")
    assert {what: amount for what, amount in used.items() if amount > _MOST} == {}
