"""The embedded default: the image `base`, made from this host's own programs, with no download.

A static busybox is the whole userland in one file; where the host has one, base is that file, a link for each of its
applets and the few files that a root filesystem needs. Otherwise a small set of the host's programs is taken, with the
shared libraries that their ELF headers ask for (`build.elf` finds them; no foreign program is run to learn them).

The same host programs always give the same layer: names are sorted, times are zero, owners are root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from mydocker.build import elf
from mydocker.errors import NotFound
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_DIRECTORIES = [
    "bin",
    "dev",
    "etc",
    "home",
    "mnt",
    "opt",
    "proc",
    "root",
    "run",
    "sbin",
    "srv",
    "sys",
    "tmp",
    "usr",
    "usr/bin",
    "usr/lib",
    "usr/local",
    "usr/local/bin",
    "usr/sbin",
    "usr/share",
    "var",
    "var/lib",
    "var/log",
    "var/tmp",
]
_MODES = {"root": 0o700, "tmp": 0o1777, "var/tmp": 0o1777}
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/os-release": 'ID=base\nNAME="mydocker base"\n',
}

# What a shell script expects to find. `top` and friends need a terminal description, see _TERMINFO.
_PROGRAMS = [
    "sh",
    "[",
    "awk",
    "base64",
    "basename",
    "cat",
    "chgrp",
    "chmod",
    "chown",
    "cmp",
    "comm",
    "cp",
    "cut",
    "date",
    "dd",
    "df",
    "diff",
    "dirname",
    "du",
    "echo",
    "env",
    "expand",
    "expr",
    "false",
    "find",
    "fold",
    "free",
    "grep",
    "gzip",
    "gunzip",
    "head",
    "hostname",
    "id",
    "install",
    "join",
    "kill",
    "link",
    "ln",
    "logname",
    "ls",
    "md5sum",
    "mkdir",
    "mkfifo",
    "mknod",
    "mktemp",
    "mv",
    "nice",
    "nl",
    "nohup",
    "nproc",
    "od",
    "paste",
    "pr",
    "printenv",
    "printf",
    "ps",
    "pwd",
    "readlink",
    "realpath",
    "rm",
    "rmdir",
    "sed",
    "seq",
    "sha1sum",
    "sha256sum",
    "shuf",
    "sleep",
    "sort",
    "split",
    "stat",
    "stty",
    "sync",
    "tac",
    "tail",
    "tar",
    "tee",
    "test",
    "timeout",
    "top",
    "touch",
    "tr",
    "true",
    "truncate",
    "tsort",
    "tty",
    "uname",
    "unexpand",
    "uniq",
    "unlink",
    "wc",
    "which",
    "whoami",
    "xargs",
    "yes",
    "zcat",
]
_REQUIRED = ("sh", "cat", "ls", "cp", "mkdir", "touch", "sleep", "true")
_TERMINFO = ("linux", "xterm", "xterm-256color", "screen", "tmux-256color", "vt100", "dumb")
_SEARCH = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin")


def make_rootfs(target: Path, search: Iterable[str] = _SEARCH) -> str:
    """Fill the empty directory `target` with a root filesystem; return a phrase saying what it was made of.

    `search` are the host's directories of programs. Raises `NotFound` where the host has neither a static busybox nor
    the few programs without which an image is of no use.
    """
    directories = tuple(search)
    busybox = _static_busybox(directories)
    target.chmod(0o755)  # whatever the umask made of it
    for name in _DIRECTORIES:
        (target / name).mkdir(mode=0o755)
    for name, text in _FILES.items():
        (target / name).write_text(text)
    origin = _from_busybox(target, busybox) if busybox else _from_programs(target, directories)
    for path in target.rglob("*"):
        if not path.is_symlink():
            mode = _MODES.get(str(path.relative_to(target)))
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(mode or (0o755 if executable else 0o644))
    return origin


def _find(name: str, directories: Iterable[str]) -> Path | None:
    found = shutil.which(name, path=os.pathsep.join(directories))
    return Path(found) if found else None


def _static_busybox(directories: Iterable[str]) -> Path | None:
    for name in ("busybox", "busybox.static", "busybox-static"):
        found = _find(name, directories)
        if found and elf.is_static(found):
            return found
    return None


def _from_busybox(target: Path, busybox: Path) -> str:
    shutil.copyfile(busybox, target / "bin/busybox")
    (target / "bin/busybox").chmod(0o755)
    # The list is the program's own knowledge; being static it needs nothing else, and it is run with nothing of ours.
    listed = subprocess.run([busybox, "--list"], capture_output=True, text=True, env={}, check=True).stdout
    for applet in sorted(set(listed.split()) - {"busybox"}):
        if "/" not in applet:
            (target / "bin" / applet).symlink_to("busybox")
    return f"the static busybox at {busybox}"


def _from_programs(target: Path, directories: Iterable[str]) -> str:
    found = {name: path for name in _PROGRAMS if (path := _find(name, directories))}
    missing = [name for name in _REQUIRED if name not in found]
    if missing:
        raise NotFound(
            "cannot make the base image from this host",
            f"it has no {', '.join(missing)}",
            "install busybox-static, or give an archive: mydocker buildBase FILE",
        )
    programs = _copy_programs(target, found)
    for library in elf.libraries(programs):
        _copy(library.path, target / str(library.place).lstrip("/"))
    _copy_terminfo(target)
    return f"{len(found)} programs of this host"


def _copy_programs(target: Path, found: dict[str, Path]) -> list[Path]:
    """Copy each program once; other names of the same file become links. Scripts are taken when `sh` can run them."""
    first: dict[Path, str] = {}
    binaries = []
    for name, path in sorted(found.items()):
        real = path.resolve()
        if real in first:
            (target / "bin" / name).symlink_to(first[real])
            continue
        if elf.is_elf(real):
            binaries.append(real)
        elif not _is_shell_script(real):
            continue
        first[real] = name
        _copy(real, target / "bin" / name)
    return binaries


def _is_shell_script(path: Path) -> bool:
    with path.open("rb") as file:
        return file.readline(64).rstrip() in (b"#!/bin/sh", b"#! /bin/sh")


def _copy(source: Path, destination: Path) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, destination)
    destination.chmod(0o755 if source.stat().st_mode & 0o111 else 0o644)


def _copy_terminfo(target: Path) -> None:
    for name, source in _terminfo_sources():
        _copy(source, target / "usr/share/terminfo" / name[0] / name)


def _terminfo_sources() -> Iterator[tuple[str, Path]]:
    for name in _TERMINFO:
        for directory in ("/lib/terminfo", "/usr/share/terminfo", "/etc/terminfo"):
            source = Path(directory) / name[0] / name
            if source.is_file():
                yield name, source
                break
