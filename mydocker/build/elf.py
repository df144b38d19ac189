"""Which shared libraries a program needs, read from ELF headers and found as ld.so(8) finds them.

Nothing is executed: ldd runs the very program that it is asked about, which is no way to look at files. The order of
search is ld.so's: DT_RPATH (only without DT_RUNPATH), DT_RUNPATH, the directories of /etc/ld.so.conf, the built-in
ones.
"""

from __future__ import annotations

import glob
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSection, DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import InterpSegment

from mydocker.errors import NotFound
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BUILT_IN = ("/lib64", "/usr/lib64", "/lib", "/usr/lib")


class Library(NamedTuple):
    """A file to take along: where it is on this host, and the path under which the loader will look for it."""

    path: Path
    place: Path


class _Header(NamedTuple):
    machine: str
    bits: int
    interpreter: str
    needed: tuple[str, ...]
    search: tuple[str, ...]


def is_elf(path: Path) -> bool:
    """Tell whether `path` begins as an ELF file does."""
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def is_static(path: Path) -> bool:
    """Tell whether `path` is an ELF program that asks for no loader and no library."""
    if not is_elf(path):
        return False
    header = _read(path)
    return not header.interpreter and not header.needed


def libraries(programs: Iterable[Path]) -> list[Library]:
    """Return every loader and library that `programs` need, directly or through another library, sorted by place.

    Raises `NotFound` with the program's name where one of them is nowhere on this host.
    """
    found: dict[Path, Library] = {}
    todo = [(program, program) for program in programs]
    system = (*_configured_directories(), *_BUILT_IN)
    home = ""  # where libc lies: a directory that the loader searches without being told
    while todo:
        file, program = todo.pop()
        header = _read(file)
        if header.interpreter:
            loader = Path(header.interpreter)
            found[loader] = Library(loader.resolve(), loader)
        for name in header.needed:
            path = _find(name, header, file, system)
            if path is None:
                raise NotFound(f"cannot take {program} along", f"its library {name} is nowhere to be found")
            if path not in found:
                found[path] = Library(path.resolve(), path)
                todo.append((path, program))
            if name.startswith("libc."):
                home = str(path.parent)
    return sorted({_placed(library, home) for library in found.values()})


def _placed(library: Library, home: str) -> Library:
    """Move what only ld.so.conf made findable beside libc: the image gets no ld.so.cache."""
    known = library.place.parent
    if not home or str(known) in (*_BUILT_IN, home) or _is_multiarch(known) or library.place.name.startswith("ld-"):
        return library
    return Library(library.path, Path(home) / library.place.name)


def _is_multiarch(directory: Path) -> bool:
    return directory.parent.name == "lib" and "-linux-" in directory.name


def _read(path: Path) -> _Header:
    try:
        with path.open("rb") as file:
            image = ELFFile(file)
            interpreter = next((s.get_interp_name() for s in image.iter_segments() if isinstance(s, InterpSegment)), "")
            needed, rpath, runpath = _dynamic(image)
            machine, bits = str(image["e_machine"]), int(image.elfclass)
    except ELFError as error:
        raise NotFound(f"cannot read the ELF header of {path}", str(error)) from error
    return _Header(machine, bits, interpreter, needed, runpath or rpath)


def _dynamic(image: ELFFile) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    needed: list[str] = []
    rpath: list[str] = []
    runpath: list[str] = []
    for segment in image.iter_segments():
        if not isinstance(segment, DynamicSegment | DynamicSection):
            continue
        for tag in segment.iter_tags():
            if tag.entry.d_tag == "DT_NEEDED":
                needed.append(tag.needed)  # type: ignore[attr-defined]  # set by the tag's kind
            elif tag.entry.d_tag == "DT_RPATH":
                rpath += tag.rpath.split(":")  # type: ignore[attr-defined]
            elif tag.entry.d_tag == "DT_RUNPATH":
                runpath += tag.runpath.split(":")  # type: ignore[attr-defined]
    return tuple(needed), tuple(rpath), tuple(runpath)


def _find(name: str, asking: _Header, asker: Path, system: Iterable[str]) -> Path | None:
    if "/" in name:
        return Path(name) if Path(name).exists() else None
    own = [
        directory.replace("${ORIGIN}", "$ORIGIN").replace("$ORIGIN", str(asker.parent)) for directory in asking.search
    ]
    for directory in (*own, *system):
        path = Path(directory) / name
        if path.is_file() and is_elf(path):
            header = _read(path)
            # A 64-bit host may have 32-bit libraries of the same name; the loader passes over those as well.
            if (header.machine, header.bits) == (asking.machine, asking.bits):
                return path
    return None


def _configured_directories(config: Path = Path("/etc/ld.so.conf")) -> Iterator[str]:
    """Yield the directories of an ld.so.conf with its includes; they are built in on Debian's multiarch systems too."""
    if not config.is_file():
        return
    for raw in config.read_text(errors="replace").splitlines():
        line = raw.partition("#")[0].strip()
        if line.startswith("include"):
            for pattern in line.split()[1:]:
                for included in sorted(glob.glob(str(config.parent / pattern))):
                    yield from _configured_directories(Path(included))
        elif line and not line.startswith("hwcap"):
            yield line
