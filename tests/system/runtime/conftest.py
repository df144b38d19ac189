"""One store with a small image for all tests of containers; every test's containers are removed after it."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mydocker.engine import Engine
from tests.system.conftest import CommandLine

if TYPE_CHECKING:
    from collections.abc import Iterator

BUSYBOX = shutil.which("busybox") or "/bin/busybox"
APPLETS = [
    "sh",
    "cat",
    "echo",
    "ls",
    "id",
    "ps",
    "mount",
    "umount",
    "sleep",
    "true",
    "false",
    "head",
    "tail",
    "seq",
    "dd",
    "touch",
    "mkdir",
    "rm",
    "ln",
    "readlink",
    "grep",
    "tr",
    "wc",
    "env",
    "pwd",
    "hostname",
    "kill",
    "mknod",
    "chmod",
    "stat",
    "sort",
    "unshare",
    "yes",
    "test",
    "tty",
    "stty",
    "ip",
    "nc",
    "sed",
    "find",
    "cp",
    "date",
    "cut",
    "ping",
    "nslookup",
    "wget",
    "timeout",
    "ifconfig",
]
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nbob:x:1000:1000::/home/bob:/bin/sh\n1001:x:0:0:digits:/:/bin/sh\n",
    "etc/group": "root:x:0:\nwheel:x:10:root,bob\nbob:x:1000:\n",
    "data/seed": "from the image\n",
}


def image_tar(path: Path) -> Path:
    """Write a root file system made of a static busybox and a few files."""
    with tarfile.open(path, "w") as archive:
        archive.add(BUSYBOX, "bin/busybox")
        for name in APPLETS:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
        for name in ("tmp", "root", "home/bob"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(folder)
        for name, text in FILES.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """The command line on a store with the image `base`."""
    if not Path(BUSYBOX).exists():
        pytest.skip("needs a static busybox (package busybox-static)")
    top = tmp_path_factory.mktemp("runtime")
    command = CommandLine(top / "store", top)
    command("buildBase", image_tar(top / "rootfs.tar"))
    return command


@pytest.fixture
def box(store: CommandLine) -> Iterator[CommandLine]:
    """The same, with all containers and volumes removed after the test."""
    yield store
    engine = Engine(str(store.root))
    for container in engine.containers.list():
        engine.containers.remove(container.id, force=True)
    for volume in engine.volumes.list():
        engine.volumes.remove(volume.name, ())


def python_flags() -> list[str]:
    """Return the flags that put this interpreter into a container: `run *flags IMAGE PYTHON -c ...`."""
    places = {sys.base_prefix, "/lib", "/lib64", "/usr/lib"}
    found = [path for path in sorted(places) if Path(path).is_dir()]
    return [word for path in found for word in ("-v", f"{path}:{path}:ro")]


PYTHON = str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}")


def image_with(box: CommandLine, tmp_path: Path, change: str) -> str:
    """Make an image whose root file system was changed by a shell command."""
    root = tmp_path / "changed"
    root.mkdir()
    subprocess.run(["tar", "-xf", box.directory / "rootfs.tar", "-C", root], check=True)
    subprocess.run(["sh", "-c", change.replace(" /", f" {root}/")], check=True)
    # absolute targets of links stay as they are meant
    for path in root.iterdir():
        if path.is_symlink() and os.readlink(path).startswith(str(root)):
            target = os.readlink(path)[len(str(root)) :]
            path.unlink()
            path.symlink_to(target)
    archive = tmp_path / "changed.tar"
    subprocess.run(["tar", "-C", root, "-cf", archive, "."], check=True)
    name = f"changed-{tmp_path.name.replace('_', '-')}".lower()
    Engine(str(box.root)).build_base(str(archive), name)
    return name
