"""Containers beside runc and docker: `true` in the same root file system, from a command line, no network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks._docker import dockerd, missing
from benchmarks._harness import Contender, command, measure, report

_ROUNDS = int(os.environ.get("BENCH_ROUNDS", "20"))


def main() -> None:
    """Make one root file system for all, then start containers in turn."""
    if os.geteuid():
        sys.exit("benchmarks of containers need root")
    with tempfile.TemporaryDirectory(prefix="bench-run-") as name, ExitStack() as stack:
        place = Path(name)
        mydocker = [sys.executable, "-m", "mydocker", "--root", str(place / "store")]
        command([*mydocker, "buildBase"])()
        command([*mydocker, "run", "-name", "whole", "-image", "base", "true"])()
        command([*mydocker, "save", "-o", str(place / "base.tar"), "-c", "whole"])()
        contenders = [
            Contender("mydocker run", command([*mydocker, "run", "--rm", "-image", "base", "true"])),
            _runc(place),
            _docker(place, stack),
        ]
        report("run true in a container", contenders, measure(contenders, _ROUNDS))


def _runc(place: Path) -> Contender:
    if not shutil.which("runc"):
        return Contender("runc run", lambda: None, why_not="runc is not installed")
    bundle = place / "bundle"
    (bundle / "rootfs").mkdir(parents=True)
    subprocess.run(["tar", "-C", bundle / "rootfs", "-xf", place / "base.tar"], check=True)
    subprocess.run(["runc", "spec"], cwd=bundle, check=True)
    document = json.loads((bundle / "config.json").read_text())
    document["process"] |= {"args": ["true"], "terminal": False, "rlimits": []}
    (bundle / "config.json").write_text(json.dumps(document))
    return Contender("runc run", command(["runc", "--root", f"{place}/runc", "run", "bench"], cwd=bundle))


def _docker(place: Path, stack: ExitStack) -> Contender:
    if why_not := missing():
        return Contender("docker run", lambda: None, why_not=why_not)
    (place / "docker").mkdir()
    docker = stack.enter_context(dockerd(place / "docker"))
    command([*docker, "import", str(place / "base.tar"), "base"])()
    return Contender("docker run", command([*docker, "run", "--rm", "--network", "none", "base", "true"]))


if __name__ == "__main__":
    main()
