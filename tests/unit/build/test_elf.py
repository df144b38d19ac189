"""Shared libraries read from ELF headers: the same answer as the loader's own, and nothing is run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from mydocker.build import elf
from mydocker.build.base import make_rootfs
from mydocker.errors import NotFound


def listed_by_the_loader(program: Path) -> set[str]:
    """Return what ldd says; only for programs that this test trusts."""
    out = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return {word for line in out.splitlines() for word in line.split() if word.startswith("/")}


@pytest.mark.parametrize("name", ["ls", "bash", "python3", "tar"])
def test_the_loader_agrees(name: str) -> None:
    found = shutil.which(name, path="/usr/bin:/bin")
    if found is None:
        pytest.skip(f"this host has no {name}")
    program = Path(found).resolve()
    ours = {library.path for library in elf.libraries([program])}
    assert ours == {Path(path).resolve() for path in listed_by_the_loader(program)}


def test_a_text_is_no_elf_file_and_static_means_without_loader(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    assert not elf.is_elf(script)
    assert not elf.is_static(script)
    assert not elf.is_static(Path("/bin/ls").resolve())


def test_a_library_that_is_nowhere_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = Path("/bin/ls").resolve()
    monkeypatch.setattr(elf, "_BUILT_IN", (str(tmp_path),))
    monkeypatch.setattr(elf, "_configured_directories", lambda: iter(()))
    with pytest.raises(NotFound, match=r"cannot take .*ls along: its library lib.* is nowhere to be found"):
        elf.libraries([program])


def test_a_host_without_programs_gets_a_hint(tmp_path: Path) -> None:
    (tmp_path / "rootfs").mkdir()
    with pytest.raises(NotFound) as caught:
        make_rootfs(tmp_path / "rootfs", [str(tmp_path)])
    assert "busybox-static" in caught.value.hint
