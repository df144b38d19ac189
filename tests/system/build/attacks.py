"""What tests of attacks share: a canary on the host, builds that must not show it, and the files of an image."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

    from tests.system.conftest import CommandLine

CANARY = "a secret of the host"


def build(mydocker: CommandLine, dockerfile: str, *words: object, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Build in the command line's directory; nothing of the canary is shown, and nothing is left."""
    (mydocker.directory / "Dockerfile").write_text(dockerfile)
    done = mydocker.run("build", "-t", "app:1", *words)
    assert done.returncode == status, done.stderr
    assert CANARY not in done.stdout + done.stderr
    assert mydocker.leftovers() == []
    return done


def files_of(mydocker: CommandLine) -> dict[str, bytes]:
    """Return the files of the image that was built last, with their contents."""
    out = mydocker.directory.parent / "out.tar"
    done = mydocker.run("build", "-q", "-o", f"type=tar,dest={out}")
    assert done.returncode == 0, done.stderr
    with tarfile.open(out) as archive:
        members = [member for member in archive.getmembers() if member.isfile()]
        return {member.name.removeprefix("./"): archive.extractfile(member).read() for member in members}  # type: ignore[union-attr]
