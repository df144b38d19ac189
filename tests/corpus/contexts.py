"""Prepare a build case of the shared corpus as its README tells: modes and special files that git does not keep."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any


def prepare(case: Path, target: Path) -> dict[str, Any]:
    """Copy the context of `case` to `target` and put its modes and special files right; return case.json's content."""
    shutil.copytree(case / "context", target, symlinks=True)
    _restore_links(case, target)
    for directory, folders, files in os.walk(target):
        os.chmod(directory, 0o755)
        for name in files:
            path = Path(directory, name)
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
        del folders
    description: dict[str, Any] = {}
    if (case / "case.json").exists():
        description = json.loads((case / "case.json").read_text())
    for step in description.get("setup", []):
        _set_up(target, *step)
    return description


# Links that no expected file shows, because the builders follow them.
_FOLLOWED = {
    "conf-copy-from-symlink-source": ("file-link.tar.gz",),
    "copy-symlink-as-source": ("abs", "todir", "tofile"),
    "copy-symlink-escape-context": ("up",),
}


def _restore_links(case: Path, target: Path) -> None:
    """Make links of the files that a checkout without symbolic links has in their place: their text is the target."""
    expected = json.loads((case / "expected.json").read_text())
    shown = {(Path(path).name, file.get("linkname")) for path, file in (expected.get("files") or {}).items()}
    for path in [path for path in target.rglob("*") if path.is_file() and not path.is_symlink()]:
        data = path.read_bytes()
        text = data.decode("utf-8", "replace") if len(data) < 200 else ""
        if (path.name, text) in shown or str(path.relative_to(target)) in _FOLLOWED.get(case.name, ()):
            path.unlink()
            path.symlink_to(text)


def _set_up(target: Path, what: str, *arguments: str) -> None:
    path = target / arguments[0] if what != "write_hexname" else target
    match what:
        case "mkdir":
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(int(arguments[1], 8))
        case "chmod":
            path.chmod(int(arguments[1], 8))
        case "symlink":
            path.symlink_to(arguments[1])
        case "hardlink":
            path.hardlink_to(target / arguments[1])
        case "mkfifo":
            os.mkfifo(path)
            path.chmod(int(arguments[1], 8))
        case "setxattr":
            os.setxattr(path, arguments[1], bytes.fromhex(arguments[2]), follow_symlinks=False)
        case "truncate":
            with path.open("ab") as file:
                file.truncate(int(arguments[1]))
        case "write":
            path.write_text(arguments[1])
        case "write_hexname":
            name = os.fsencode(target) + b"/" + bytes.fromhex(arguments[0])
            with open(name, "w") as file:
                file.write(arguments[1])
        case "chown":
            os.chown(path, int(arguments[1]), int(arguments[2]), follow_symlinks=False)
        case _:
            raise AssertionError(f"unknown set-up step {what}")
