"""Hooks from folders of descriptions, as podman and CRI-O read them (containers/common: pkg/hooks/docs/oci-hooks.5.md).

Each file NAME.json says what to run, at which moments, and for which containers: all of its conditions have to hold. A
file of a later folder takes the place of one with the same name in an earlier folder.
"""

from __future__ import annotations

import json
import os
import re

from mydocker.errors import UsageError
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from mydocker.runtime.options import ContainerOptions

_VERSION = "1.0.0"
_MOMENTS = frozenset(("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"))
_CONDITIONS = frozenset(("always", "annotations", "commands", "hasBindMounts"))


def chosen(folders: tuple[str, ...], options: ContainerOptions) -> dict[str, Any] | None:
    """Return the runtime-spec's `hooks` for a container, None where none applies. Raise UsageError."""
    files: dict[str, str] = {}
    for folder in folders:
        try:
            names = os.listdir(folder)
        except OSError as err:
            raise UsageError(f"--hooks-dir {folder}", err.strerror or str(err)) from err
        files.update({name: f"{folder}/{name}" for name in names if name.endswith(".json")})
    found: dict[str, Any] = {}
    for name in sorted(files):
        description = _read(files[name])
        if _applies(files[name], description["when"], options):
            for moment in description["stages"]:
                found.setdefault(moment, []).append(description["hook"])
    return found or None


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            found = json.load(file)
    except (OSError, ValueError) as err:
        raise UsageError(f"hook {path}", str(err)) from err
    whole = isinstance(found, dict) and all(isinstance(found.get(key), dict) for key in ("hook", "when"))
    if not whole or found.get("version") != _VERSION:
        raise UsageError(f"hook {path}", f"not a description of version {_VERSION}: version, hook, when and stages")
    unknown = [each for each in found.get("stages") or ("",) if each not in _MOMENTS]
    if unknown:
        raise UsageError(f"hook {path}", f"unknown stage {unknown[0]!r}", ", ".join(sorted(_MOMENTS)))
    program = str(found["hook"].get("path", ""))
    if not program.startswith("/") or not os.path.isfile(program):
        raise UsageError(f"hook {path}", f"its program {program!r} is not the absolute path of a file")
    described: dict[str, Any] = found
    return described


def _applies(path: str, when: dict[str, Any], options: ContainerOptions) -> bool:
    unknown = set(when) - _CONDITIONS
    if unknown or not when:
        raise UsageError(f"hook {path}", f"unknown condition {min(unknown)!r}" if unknown else "no condition at all")
    holds = []
    if "always" in when:
        holds.append(bool(when["always"]))
    try:
        for key, value in (when.get("annotations") or {}).items():
            pairs = options.annotations
            holds.append(any(re.search(key, name) and re.search(value, text) for name, text in pairs))
        if when.get("commands"):
            holds.append(any(re.search(pattern, options.argv[0]) for pattern in when["commands"]))
    except re.error as err:
        raise UsageError(f"hook {path}", f"not a regular expression: {err}") from err
    if "hasBindMounts" in when:
        holds.append(bool(when["hasBindMounts"]) == any(mount.kind == "bind" for mount in options.mounts))
    return all(holds)
