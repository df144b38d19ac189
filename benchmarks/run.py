"""Containers beside runc, crun and docker, and how fast commands start: all in the same root file system, no network.

BENCH_ROUNDS and BENCH_CONTAINERS (started at once) make it shorter.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks._docker import dockerd, missing
from benchmarks._harness import ENVIRONMENT, Contender, command, measure, report
from mydocker.engine import Engine, RunRequest
from mydocker.linux import mounts, namespaces

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_ROUNDS = int(os.environ.get("BENCH_ROUNDS", "20"))
_AT_ONCE = int(os.environ.get("BENCH_CONTAINERS", "100"))
_LISTED = 200
_CRUN_AND_HYBRID = "a hybrid host: the benchmark runs in a mount namespace without cgroup2, which crun cannot do with"


class _Place(NamedTuple):
    """What all contenders share: a directory, the words that call us, and those that call docker (none: missing)."""

    path: Path
    mydocker: tuple[str, ...]
    docker: tuple[str, ...]

    @property
    def engine(self) -> Engine:
        """The same store, from inside of this process."""
        return Engine(str(self.path / "store"))

    def ours(self, *words: str) -> Callable[[], object]:
        return command([*self.mydocker, *words])

    def docker_or_not(self, name: str, *words: str) -> Contender:
        if not self.docker:
            return Contender(name, lambda: None, why_not=missing())
        return Contender(name, command([*self.docker, *words]))

    def oci_or_not(self, runtime: str, name: str, *words: str) -> Contender:
        if not shutil.which(runtime):
            return Contender(name, lambda: None, why_not=f"{runtime} is not installed")
        return Contender(name, command([runtime, "--root", f"{self.path}/{runtime}", *words], cwd=self.path / "bundle"))


def main() -> None:
    """Make one root file system for all, then let them do the same things in turn."""
    if os.geteuid():
        sys.exit("benchmarks of containers need root")
    _leave_hybrid()
    with tempfile.TemporaryDirectory(prefix="bench-run-") as name, ExitStack() as stack:
        place = _prepare(Path(name), stack)
        _start(place)
        _warm(place)
        _exec(place)
        _commands(place)
        _at_once(place)


def _leave_hybrid() -> None:
    """Go where no cgroup2 is mounted if controllers of version 1 are: crun refuses to work beside both."""
    with open("/proc/self/mountinfo") as file:
        mounted = [(line.split()[4], line.split(" - ")[1].split()[0]) for line in file]
    if {"cgroup", "cgroup2"} <= {kind for _, kind in mounted} and shutil.which("crun"):
        print(_CRUN_AND_HYBRID)
        namespaces.unshare(namespaces.CLONE_NEWNS)
        mounts.mount(None, "/", None, mounts.MS_PRIVATE | mounts.MS_REC)
        for target, kind in mounted:
            if kind == "cgroup2":
                mounts.umount(target, mounts.MNT_DETACH)


def _prepare(path: Path, stack: ExitStack) -> _Place:
    script = Path(sys.executable).with_name("mydocker")
    words = [str(script)] if script.exists() else [sys.executable, "-m", "mydocker"]
    mydocker = (*words, "--root", str(path / "store"))
    command([*mydocker, "buildBase"])()
    command([*mydocker, "run", "--name", "whole", "base", "true"])()
    command([*mydocker, "save", "-o", str(path / "base.tar"), "-c", "whole"])()
    command([*mydocker, "remove", "whole"])()
    _make_bundle(path)
    docker: tuple[str, ...] = ()
    if not missing():
        (path / "docker").mkdir()
        docker = tuple(stack.enter_context(dockerd(path / "docker")))
        command([*docker, "import", str(path / "base.tar"), "base"])()
    return _Place(path, mydocker, docker)


def _make_bundle(path: Path) -> None:
    (path / "bundle/rootfs").mkdir(parents=True)
    subprocess.run(["tar", "-C", path / "bundle/rootfs", "-xf", path / "base.tar"], check=True)
    if shutil.which("runc"):
        subprocess.run(["runc", "spec"], cwd=path / "bundle", check=True)
        document = json.loads((path / "bundle/config.json").read_text())
        document["process"] |= {"args": ["true"], "terminal": False, "rlimits": []}
        (path / "bundle/config.json").write_text(json.dumps(document))


def _report(title: str, contenders: Sequence[Contender], rounds: int = _ROUNDS) -> None:
    report(title, contenders, measure(contenders, rounds))


def _start(place: _Place) -> None:
    contenders = [
        Contender("mydocker run", place.ours("run", "--rm", "base", "true")),
        place.oci_or_not("runc", "runc run", "run", "bench"),
        place.oci_or_not("crun", "crun run", "run", "bench"),
        place.docker_or_not("docker run", "run", "--rm", "--network", "none", "base", "true"),
        Contender("python -c pass", command([sys.executable, "-c", "pass"])),
    ]
    _report("start `true` in a container, from the command line", contenders)


def _warm(place: _Place) -> None:
    engine = place.engine

    def run() -> None:
        made = engine.create(RunRequest("base", command=("true",), remove=True))
        assert engine.containers.run_attached(made.id) == 0

    contenders = [
        Contender("mydocker, API", run),
        place.oci_or_not("crun", "crun run", "run", "bench"),
        place.oci_or_not("runc", "runc run", "run", "bench"),
    ]
    _report("start `true` in a container, from a process that is warm", contenders)


def _exec(place: _Place) -> None:
    place.ours("run", "-d", "--name", "target", "base", "sleep", "1000")()
    if place.docker:
        words = ("run", "-d", "--name", "target", "--network", "none", "base", "sleep", "1000")
        command([*place.docker, *words])()
    contenders = [
        Contender("mydocker exec", place.ours("exec", "target", "true")),
        place.docker_or_not("docker exec", "exec", "target", "true"),
    ]
    try:
        _report("run `true` in a running container", contenders)
    finally:
        place.ours("remove", "-f", "target")()


def _commands(place: _Place) -> None:
    pass_ = Contender("python -c pass", command([sys.executable, "-c", "pass"]))
    _report("mydocker --help", [Contender("mydocker --help", place.ours("--help")), pass_])
    _report("mydocker ps, no containers", [Contender("mydocker ps", place.ours("ps")), pass_])
    engine = place.engine
    made = [engine.create(RunRequest("base", command=("true",))) for _ in range(_LISTED)]
    _report(f"mydocker ps, {_LISTED} containers", [Contender("mydocker ps", place.ours("ps")), pass_])
    for each in made:
        engine.containers.remove(each.id)


def _at_once(place: _Place) -> None:
    """Start many containers in the background at the same time; measure the memory of those who keep ours."""
    kept: list[int] = []

    def forget_ours() -> None:
        kept[:] = _shims(place.engine) or kept
        ids = [each.id for each in place.engine.containers.list()]
        if ids:
            place.ours("remove", "-f", *ids)()

    def forget_docker() -> None:
        ids = subprocess.run([*place.docker, "ps", "-aq"], capture_output=True, text=True, check=True).stdout.split()
        if ids:
            command([*place.docker, "rm", "-f", *ids])()

    ours = [*place.mydocker, "run", "-d", "base", "sleep", "1000"]
    docker = [*place.docker, "run", "-d", "--network", "none", "base", "sleep", "1000"]
    contenders = [
        Contender("mydocker run -d", lambda: _all(ours), before=forget_ours),
        Contender("docker run -d", lambda: _all(docker), before=forget_docker, why_not=missing()),
    ]
    try:
        rounds = min(_ROUNDS, 3)
        report(f"start {_AT_ONCE} containers at once", contenders, measure(contenders, rounds, warm_up=0))
        forget_ours()
        print(f"  the shim of one of them: {statistics.median(kept) / 1000:.1f} MB (PSS)")
        place.ours("run", "-d", "base", "sleep", "1000")()
        print(f"  the shim of a lone one:  {_shims(place.engine)[0] / 1000:.1f} MB (PSS)")
    finally:
        forget_ours()
        if place.docker:
            forget_docker()


def _all(words: Sequence[str]) -> None:
    started = [
        subprocess.Popen(
            words, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        for _ in range(_AT_ONCE)
    ]
    for each in started:
        _, complaint = each.communicate()
        if each.returncode:
            sys.exit(f"{' '.join(words)} ended with {each.returncode}:\n{complaint.decode(errors='replace')[-2000:]}")


def _shims(engine: Engine) -> list[int]:
    """Return the proportional set size (kB, proc(5) smaps_rollup) of each process that keeps a container."""
    sizes = []
    for each in engine.containers.list():
        if each.state.pid:
            fields = Path(f"/proc/{each.state.pid}/stat").read_text().rpartition(")")[2].split()
            rollup = Path(f"/proc/{fields[1]}/smaps_rollup").read_text()
            sizes.append(next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")))
    return sizes


if __name__ == "__main__":
    main()
