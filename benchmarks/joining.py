"""What it costs a container to be on a network: `true` with and without one, here and with docker.

Everything happens in a network namespace of its own; docker's daemon runs there as well, without its firewall rules.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks._docker import dockerd, missing
from benchmarks._harness import Contender, Timing, command, measure, report
from mydocker.linux import loopback, namespaces

_ROUNDS = int(os.environ.get("BENCH_ROUNDS", "20"))


def main() -> None:
    """Make a network for each contender, then start containers in turn."""
    if os.geteuid():
        sys.exit("benchmarks of networks need root")
    namespaces.unshare(namespaces.CLONE_NEWNET)
    loopback.switch_on()
    with tempfile.TemporaryDirectory(prefix="bench-join-") as name, ExitStack() as stack:
        path = Path(name)
        script = Path(sys.executable).with_name("mydocker")
        words = [str(script)] if script.exists() else [sys.executable, "-m", "mydocker"]
        ours = [*words, "--root", str(path / "store")]
        command([*ours, "buildBase"])()
        for network in ("one", "two"):
            command([*ours, "network", "create", network])()
        contenders = [
            _ours("mydocker, on a network", ours, "-net", "one"),
            _ours("mydocker, no network", ours),
            _ours("mydocker, on two", ours, "-net", "one", "-net", "two"),
            *_docker(path, ours, stack),
        ]
        timings = measure(contenders, _ROUNDS)
        report("start `true` in a container that is on a network", contenders, timings)
        _tell_the_difference(timings)
        for network in ("one", "two"):
            command([*ours, "network", "rm", network])()


def _ours(name: str, words: list[str], *flags: str) -> Contender:
    return Contender(name, command([*words, "run", "--rm", *flags, "base", "true"]))


def _docker(path: Path, ours: list[str], stack: ExitStack) -> list[Contender]:
    names = ("docker, on a network", "docker, no network")
    if missing():
        return [Contender(name, lambda: None, why_not=missing()) for name in names]
    command([*ours, "run", "--name", "whole", "base", "true"])()
    command([*ours, "save", "-o", str(path / "base.tar"), "-c", "whole"])()
    (path / "docker").mkdir()
    words = stack.enter_context(dockerd(path / "docker"))
    command([*words, "import", str(path / "base.tar"), "base"])()
    command([*words, "network", "create", "--subnet", "10.200.0.0/24", "one"])()
    networks = ("one", "none")
    return [
        Contender(name, command([*words, "run", "--rm", "--network", network, "base", "true"]))
        for name, network in zip(names, networks, strict=True)
    ]


def _tell_the_difference(timings: list[Timing]) -> None:
    """Print what a network adds to a start, round by round: the median and the quartiles, in milliseconds."""
    seconds = {each.name: each.seconds for each in timings}
    for who in ("mydocker", "docker"):
        if f"{who}, on a network" in seconds:
            pairs = zip(seconds[f"{who}, on a network"], seconds[f"{who}, no network"], strict=True)
            low, middle, high = statistics.quantiles([(joined - alone) * 1000 for joined, alone in pairs], n=4)
            print(f"  a network adds {middle:.0f} ms to a start of {who} ({low:.0f} to {high:.0f})")


if __name__ == "__main__":
    main()
