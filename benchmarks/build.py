"""Builds beside docker (BuildKit) and buildah: nothing to do, one file changed, cold; twelve steps, 10,000 files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks._debian import debian_tar
from benchmarks._docker import dockerd, missing
from benchmarks._harness import Contender, command, measure, report

if TYPE_CHECKING:
    from collections.abc import Callable

_FILES = int(os.environ.get("BENCH_FILES", "10000"))
_ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
_STEPS = """FROM debian-base
WORKDIR /app
ENV STAGE=bench
RUN echo one > /one
RUN mkdir -p /etc/app && echo two > /etc/app/two
COPY many/ /app/many/
RUN echo four > /four
RUN ls /app/many | wc -l > /count
COPY one.txt /app/
RUN cat /app/one.txt > /five
RUN echo six > /six
RUN echo seven > /seven
CMD ["true"]
"""


def main() -> None:
    """Make a base and a context, then measure the three situations."""
    if os.geteuid():
        sys.exit("benchmarks of builds need root")
    with tempfile.TemporaryDirectory(prefix="bench-build-") as name, ExitStack() as stack:
        place = Path(name)
        _make_context(place / "context")
        debian_tar(place / "base.tar")
        ours = _ours(place)
        others = [_docker(place, stack), _buildah(place)]
        contenders = [ours, *others]
        _situation("nothing to do", contenders, _nothing)
        _situation("one file changed", contenders, lambda each: _touch(place))
        _situation("cold", contenders, lambda each: each.forget())


class _Builder:
    """One tool: how it builds, and how it forgets what it built."""

    def __init__(
        self, name: str, build: Callable[[], object] | None, forget: Callable[[], object], why_not: str = ""
    ) -> None:
        self.name = name
        self.build = build or (lambda: None)
        self.forget = forget
        self.why_not = why_not


def _situation(title: str, builders: list[_Builder], before: Callable[[_Builder], object]) -> None:
    contenders = [Contender(each.name, each.build, _call(before, each), each.why_not) for each in builders]
    report(f"build, {_FILES} files, 12 steps: {title}", contenders, measure(contenders, _ROUNDS, warm_up=1))


def _call(before: Callable[[_Builder], object], builder: _Builder) -> Callable[[], object]:
    return lambda: before(builder)


def _nothing(builder: _Builder) -> None:
    """Change nothing."""


def _touch(place: Path) -> None:
    (place / "context/many/d0/f0.txt").write_bytes(os.urandom(64).hex().encode())


def _make_context(context: Path) -> None:
    for number in range(_FILES):
        folder = context / "many" / f"d{number % 100}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{number}.txt").write_text(f"file {number}\n" * 20)
    (context / "one.txt").write_text("one\n")
    (context / "Dockerfile").write_text(_STEPS)


def _ours(place: Path) -> _Builder:
    mydocker = [sys.executable, "-m", "mydocker", "--root", str(place / "store")]
    command([*mydocker, "buildBase", "--name", "debian-base", str(place / "base.tar")])()
    build = command([*mydocker, "build", "-q", "-t", "bench:1", str(place / "context")])
    return _Builder("mydocker build", build, command([*mydocker, "prune", "--cache", "-f"]))


def _docker(place: Path, stack: ExitStack) -> _Builder:
    if why_not := missing():
        return _Builder("docker build (BuildKit)", None, lambda: None, why_not)
    (place / "docker").mkdir()
    docker = stack.enter_context(dockerd(place / "docker"))
    command([*docker, "import", str(place / "base.tar"), "debian-base"])()
    env = {"DOCKER_BUILDKIT": "1"}
    words = [*docker, "build", "-q", "--network", "none", "-t", "bench:1", str(place / "context")]
    return _Builder("docker build (BuildKit)", command(words, env), command([*docker, "builder", "prune", "-af"]))


def _buildah(place: Path) -> _Builder:
    if not shutil.which("buildah"):
        return _Builder("buildah bud --layers", None, lambda: None, "buildah is not installed")
    buildah = ["buildah", "--root", f"{place}/buildah", "--runroot", f"{place}/buildah-run"]
    (place / "Dockerfile.base").write_text("FROM scratch\nADD base.tar /\n")
    isolated = ["--isolation", "chroot"]
    command([*buildah, "bud", *isolated, "-q", "-t", "debian-base", "-f", str(place / "Dockerfile.base"), str(place)])()
    words = [*buildah, "bud", *isolated, "-q", "--layers", "--pull-never", "-t", "bench:1", str(place / "context")]

    def forget() -> None:
        subprocess.run([*buildah, "rmi", "bench:1"], capture_output=True)
        subprocess.run([*buildah, "rmi", "--prune"], capture_output=True)

    return _Builder("buildah bud --layers", command(words), forget)


if __name__ == "__main__":
    main()
