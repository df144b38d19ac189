"""A computer of our own for tests: Debian's cloud kernel on an emulated processor, control groups of version 2 only.

The machine that runs the tests may have the groups of version 1, and a kernel with everything. Most users have version
2, and many a kernel of some years: this one is 6.1, before `lowerdir+` and MFD_EXEC.

Its disk is a copy of this interpreter, of this checkout and of a static busybox. Nothing of the machine around it is
shared with it, and nothing is kept.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import REPOSITORY

_PACKAGE = "linux-image-cloud-amd64"
_NEEDED = ("mydocker", "pytest", "pytest-timeout")
_NOT_NEEDED = shutil.ignore_patterns(
    "test", "tests", "idlelib", "tkinter", "ensurepip", "lib2to3", "site-packages", "dist-packages", "*.a", "config-*"
)
_CHECKOUT = ("mydocker", "grammar", "tests", "pyproject.toml", "docs", "samples")
_DISK_SIZE = 2 << 30  # bytes; a sparse file

_INIT = """#!/bin/busybox sh
export PATH=/bin:/usr/bin:/sbin HOME=/root LANG=C.UTF-8 PYTHONPATH=/checkout:/packages MYDOCKER_TESTS_MAY_NOT_SKIP=1
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t mqueue mqueue /dev/mqueue 2>/dev/null
mount -t cgroup2 cgroup2 /sys/fs/cgroup
insmod /overlay.ko
ip link set lo up
hostname computer
cd /checkout
{command} >/dev/ttyS1 2>&1
echo "ended with $?" >/dev/ttyS1
sync
reboot -f
"""


class Report(NamedTuple):
    """What the computer said: the kernel's messages, and what pytest wrote."""

    console: str
    results: str

    def outcomes(self) -> dict[str, str]:
        """Return the outcome of each test, as `pytest -v` prints it: PASSED, FAILED, ERROR or SKIPPED."""
        found = re.findall(r"^(tests/\S+?::.+?) (PASSED|FAILED|ERROR|SKIPPED)\b", self.results, re.MULTILINE)
        return dict(found)


def kernel(cache: Path) -> Path:
    """Return a folder with Debian's cloud kernel unpacked, `boot` and `lib`; fetched once, without installing it."""
    unpacked = cache / "kernel"
    if not unpacked.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        if not _depends():
            subprocess.run(["apt-get", "update", "-q"], check=False, stdout=subprocess.DEVNULL)
        found = _depends()
        if not found:
            pytest.skip(f"needs the package {_PACKAGE}, which apt does not know")
        subprocess.run(["apt-get", "download", "-q", found], cwd=cache, check=True, capture_output=True)
        partial = cache / f"kernel.{os.getpid()}"
        subprocess.run(["dpkg", "-x", next(cache.glob("linux-image-*.deb")), partial], check=True)
        partial.rename(unpacked)
    return unpacked


def _depends() -> str:
    shown = subprocess.run(["apt-cache", "depends", _PACKAGE], capture_output=True, text=True, check=False).stdout
    found = re.search(r"Depends: (linux-image-\S+)", shown)
    return found[1] if found else ""


def make_disk(kernel_files: Path, command: str, place: Path) -> Path:
    """Write a file system with all that the tests need, and an init that runs `command`."""
    root = place / "root"
    for name in (
        "usr/bin",
        "usr/lib",
        "usr/lib64",
        "usr/sbin",
        "proc",
        "sys",
        "dev",
        "tmp",
        "run",
        "var",
        "root",
        "etc",
    ):
        (root / name).mkdir(parents=True)
    for name in ("bin", "lib", "lib64", "sbin"):
        (root / name).symlink_to(f"usr/{name}")
    (root / "tmp").chmod(0o1777)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/resolv.conf").touch()
    _add_busybox(root)
    _add_interpreter(root)
    _add_packages(root / "packages")
    _add_shared_libraries(root)
    for name in _CHECKOUT:
        _copy(REPOSITORY / name, root / "checkout" / name)
    shutil.copy2(next(kernel_files.glob("lib/modules/*/kernel/fs/overlayfs/overlay.ko")), root / "overlay.ko")
    init = root / "init"
    init.write_text(_INIT.format(command=command))
    init.chmod(0o755)
    disk = place / "disk"
    with disk.open("wb") as file:
        file.truncate(_DISK_SIZE)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-O", "^has_journal", "-d", root, disk], check=True)
    shutil.rmtree(root)
    return disk


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, ignore=_NOT_NEEDED if source.name != "checkout" else None)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


def _add_busybox(root: Path) -> None:
    busybox = shutil.which("busybox")
    assert busybox is not None, "busybox-static is among the packages of the tests"
    shutil.copy2(busybox, root / "usr/bin/busybox")
    for applet in subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split():
        if not (root / "usr/bin" / applet).exists():
            (root / "usr/bin" / applet).symlink_to("busybox")


def _add_interpreter(root: Path) -> None:
    """Copy the interpreter behind this environment, and its library."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    program, library = Path(sys.base_prefix, "bin", version), Path(sys.base_prefix, "lib", version)
    _copy(program.resolve(), root / program.relative_to("/"))
    shutil.copytree(library, root / library.relative_to("/"), symlinks=True, ignore=_NOT_NEEDED)


def _add_shared_libraries(root: Path) -> None:
    """Copy what the interpreter and the modules in machine code load (ldd(1))."""
    loading = [sys.executable, *map(str, root.rglob("*.so"))]
    shown = subprocess.run(["ldd", *loading], capture_output=True, text=True, check=False).stdout
    for name in sorted(set(re.findall(r"(/\S+\.so[.\d]*) \(0x", shown))):
        target = root / name.lstrip("/")
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(Path(name).resolve(), target)


def _add_packages(target: Path) -> None:
    """Copy the distributions that the tests inside import, and those that they ask for."""
    left, seen = list(_NEEDED), set[str]()
    while left:
        name = left.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:  # for other systems, or other versions of Python
            continue
        left += [re.split(r"[^\w.-]", text)[0] for text in found.requires or () if "extra ==" not in text]
        for file in found.files or () if name != "mydocker" else ():
            if ".." not in file.parts and Path(str(found.locate_file(file))).is_file():
                _copy(Path(str(found.locate_file(file))), target / file)


def run(kernel_files: Path, disk: Path, place: Path, *, seconds: int) -> Report:
    """Start the computer, wait until it switches itself off, return what it said. Fail after `seconds`."""
    console, results = place / "console", place / "results"
    line = "root=/dev/nvme0n1 rw init=/init console=ttyS0 quiet panic=-1"
    done = subprocess.run(
        ["qemu-system-x86_64", "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max", "-m", "2048", "-smp", "2",
         "-nodefaults", "-display", "none", "-no-reboot",
         "-kernel", next(kernel_files.glob("boot/vmlinuz-*")), "-append", line,
         "-drive", f"file={disk},if=none,id=disk,format=raw,cache=unsafe", "-device", "nvme,drive=disk,serial=1",
         "-serial", f"file:{console}", "-serial", f"file:{results}"],
        capture_output=True, text=True, timeout=seconds, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Report(console.read_text(errors="replace"), results.read_text(errors="replace"))
