"""Hosts of the tests' own: each is a network namespace in which commands run as if it were a whole machine.

The network of the machine that runs the tests is never touched. When a test is over, its containers and networks are
removed and the hosts counted: no link, filter or route may be left.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.system.conftest import CommandLine
from tests.system.runtime.conftest import BUSYBOX, image_tar

if TYPE_CHECKING:
    from collections.abc import Iterator


class Host(CommandLine):
    """A network namespace with a store; called, it runs `mydocker` there."""

    def __init__(self, root: Path, directory: Path) -> None:
        super().__init__(root, directory)
        script = "ip link set lo up && echo && exec sleep infinity"
        self._holder = subprocess.Popen(["unshare", "-n", "sh", "-c", script], stdout=subprocess.PIPE, text=True)
        assert self._holder.stdout is not None
        self._holder.stdout.readline()
        self.pid = self._holder.pid

    def close(self) -> None:
        """End the namespace."""
        self._holder.kill()
        self._holder.communicate()

    def enter(self, *words: object) -> list[str]:
        """Return a command line that runs in the namespace."""
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", *map(str, words)]

    def words(self, *arguments: object) -> list[str]:
        """Return the words of a `mydocker` command."""
        return self.enter(*super().words(*arguments))

    def do(self, *words: object, check: bool = True) -> str:
        """Run another program on this host, that has to succeed unless `check` is False; return what it printed."""
        done = subprocess.run(self.enter(*words), capture_output=True, text=True, timeout=60)
        assert not check or done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def links(self) -> list[str]:
        """Return the names of all links but the loopback device."""
        return sorted(each["ifname"] for each in json.loads(self.do("ip", "-j", "link")) if each["ifname"] != "lo")

    def filters(self) -> str:
        """Return everything that nf_tables has here."""
        return self.do("nft", "list", "ruleset")

    def sysctl(self, name: str) -> str:
        """Return a setting of the kernel."""
        return self.do("cat", f"/proc/sys/{name.replace('.', '/')}").strip()

    def address(self, container: str, network: str = "", family: str = "address") -> str:
        """Return a running container's address on a network (the one that it is on)."""
        networks = json.loads(self("inspect", container))[0]["networks"]
        return next(str(each[family]) for each in networks if network in ("", each["network"]))

    def clear(self) -> None:
        """Remove all containers and networks, and see that nothing of them is left."""
        if containers := self("ps", "-q").split():
            self("remove", "-f", *containers)
        if networks := self("network", "ls", "-q").split():
            self("network", "rm", *networks)
        assert self.links() == []
        assert self.filters() == ""
        assert [path.name for path in (self.root / "networks").glob("*") if not path.name.endswith("lock")] == []


@pytest.fixture(scope="session")
def network_store(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A store with the image `base`, which all hosts use one after the other."""
    if not Path(BUSYBOX).exists():
        pytest.skip("needs a static busybox (package busybox-static)")
    top = tmp_path_factory.mktemp("network")
    command = CommandLine(top / "store", top)
    command("buildBase", image_tar(top / "rootfs.tar"))
    return command


@pytest.fixture
def host(network_store: CommandLine) -> Iterator[Host]:
    """A host with the image `base` and nothing else; cleared and counted after the test."""
    made = Host(network_store.root, network_store.directory)
    try:
        yield made
        made.clear()
    finally:
        made.close()
