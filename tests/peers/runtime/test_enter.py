"""The program between the interpreter and the container's: its bytes are what the compiler makes of its source."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from mydocker.runtime import trampoline


@pytest.mark.peer("gcc", "objcopy")
def test_the_machine_code_is_that_of_its_source(tmp_path: Path) -> None:
    """Compile `enter.c` with the flags that `trampoline` names, and compare; other compilers give other bytes."""
    machine = os.uname().machine
    version = subprocess.run(["gcc", "-dumpversion"], capture_output=True, text=True, check=True).stdout.strip()
    assert version == "12", "the bytes are those of Debian 12's gcc"
    flags = re.search(r"# gcc (.*?), section", Path(trampoline.__file__).read_text(encoding="utf-8"))
    assert flags is not None
    source = Path(trampoline.__file__).with_name("enter.c")
    compiled, code = tmp_path / "enter", tmp_path / "code"
    subprocess.run(["gcc", *flags[1].split(), "-o", compiled, source], check=True)
    subprocess.run(["objcopy", "-O", "binary", "--only-section=.text", compiled, code], check=True)
    ours = trampoline.image(machine)[64 + 56 :]
    assert code.read_bytes().hex() == ours.hex()
