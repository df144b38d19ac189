"""Published ports of containers: `run -p`, and what becomes of them when containers come and go."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.system.network.conftest import Host
from tests.system.ports.conftest import Machine, eventually
from tests.system.runtime.conftest import BUSYBOX, PYTHON, image_tar, python_flags

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root

GREETER = ["sh", "-c", "while true; do echo hello | nc -l -p 80; done"]


@pytest.fixture
def town(machine: Machine) -> Iterator[Machine]:
    """A machine with the image `base`; its containers are removed after the test."""
    machine("buildBase", image_tar(machine.directory / "rootfs.tar"))
    yield machine
    if containers := machine("ps", "-q").split():
        machine("remove", "-f", *containers)


def greeting(machine: Machine, port: int, host: str = "127.0.0.1") -> bool:
    """Tell whether the container greets, once its server has started."""

    def said() -> bool:
        try:
            return machine.said(port, host) == "hello\n"
        except (ConnectionResetError, ConnectionRefusedError):
            return False

    return eventually(said)


def test_a_port_leads_to_a_container_without_any_network(town: Machine) -> None:
    town("run", "-d", "-p", "8080:80", "-name", "web", "-image", "base", *GREETER)
    assert all(greeting(town, 8080, host) for host in ("127.0.0.1", "::1", "10.99.0.1"))
    assert town("port", "web") == "80/tcp -> 0.0.0.0:8080\n80/tcp -> [::]:8080\n"
    assert town("port", "web", "80") == "0.0.0.0:8080\n[::]:8080\n"
    header, row = town("ps").splitlines()
    assert header.split() == ["ID", "NAME", "PID", "STATUS", "COMMAND", "CREATED", "PORTS"]
    assert row.endswith("0.0.0.0:8080->80/tcp, [::]:8080->80/tcp")
    published = json.loads(town("inspect", "web"))[0]["published"]
    assert published[0] == {"address": "0.0.0.0", "port": 8080, "container": 80, "protocol": "tcp"}


def test_ports_end_with_the_container_and_come_back_with_it(town: Machine) -> None:
    town("run", "-d", "-p", "8080:80", "-name", "web", "-image", "base", *GREETER)
    assert greeting(town, 8080)
    town("stop", "-t", "0", "web")
    with pytest.raises(ConnectionRefusedError):
        town.connect(8080)
    assert town("port", "web") == ""
    assert "PORTS" not in town("ps")
    town("start", "web")
    assert greeting(town, 8080)
    town("restart", "-t", "0", "web")
    assert greeting(town, 8080)
    town("remove", "-f", "web")
    with pytest.raises(ConnectionRefusedError):
        town.connect(8080)
    assert eventually(lambda: town.processes() == [])


def test_nothing_is_published_while_the_service_is_stopped(town: Machine) -> None:
    town("run", "-d", "-p", "8080:80", "-name", "web", "-image", "base", *GREETER)
    town("portmap", "stop")
    assert town("port", "web") == ""
    assert "PORTS" not in town("ps")
    town("portmap", "start", "-d")
    assert greeting(town, 8080)
    assert "0.0.0.0:8080" in town("port", "web")


def test_a_restart_policy_brings_the_ports_back(town: Machine) -> None:
    once = ["sh", "-c", "echo hello | nc -l -p 80"]
    town("run", "-d", "--restart", "always", "-p", "8080:80", "-image", "base", *once)
    assert greeting(town, 8080)
    assert greeting(town, 8080)


def test_a_taken_port_is_an_error_before_anything_runs(town: Machine) -> None:
    town.name(8080, "taken")
    marker = town.directory / "ran"
    words = ["-v", f"{town.directory}:/here", "-image", "base", "touch", "/here/ran"]
    done = town.run("run", "--rm", "-p", "8081:81", "-p", "127.0.0.1:8080:80", *words)
    assert done.returncode == 125
    assert "cannot take port 127.0.0.1:8080/tcp of the host: another process has it" in done.stderr
    assert not marker.exists()
    assert town("ps", "-q") == ""
    assert town("portmap", "list", "-q") == ""
    with pytest.raises(ConnectionRefusedError):
        town.connect(8081)


def test_a_port_of_another_container_is_named(town: Machine) -> None:
    town("run", "-d", "-p", "8080:80", "-name", "first", "-image", "base", "sleep", "60")
    done = town.run("run", "-p", "8080:80", "-image", "base", "true")
    assert "container first has it" in done.stderr


def test_a_port_that_is_kept_for_somebody_else_is_refused(town: Machine) -> None:
    town("portmap", "forward", "-p", "127.0.0.1:8080:127.0.0.1:7001")
    town("portmap", "stop")
    taker = town.name(8080, "taken")
    town("portmap", "start", "-d")
    taker.shutdown(socket.SHUT_RDWR)
    taker.close()
    kept = town("portmap", "list", "-q")
    done = town.run("run", "--rm", "-p", "127.0.0.1:8080:80", "-image", "base", "true")
    assert "`portmap forward` has it" in done.stderr
    assert town("portmap", "list", "-q") == kept


def test_ranges_free_ports_and_exposed_ones(town: Machine) -> None:
    (town.directory / "Dockerfile").write_text("FROM base\nEXPOSE 80 53/udp\n")
    town("build", "-q", "-t", "exposed:1", str(town.directory))
    town.name(7000, "taken")
    town("run", "-d", "-P", "-p", "7000-7002:81", "-p", "8000-8001:90-91", "-p", "82", "-name", "many",
         "-image", "exposed:1", "sleep", "60")  # fmt: skip
    found = dict(line.split(" -> ") for line in town("port", "many").splitlines() if "[::]" not in line)
    assert sorted(found) == ["53/udp", "80/tcp", "81/tcp", "82/tcp", "90/tcp", "91/tcp"]
    assert (found["81/tcp"], found["90/tcp"], found["91/tcp"]) == ("0.0.0.0:7001", "0.0.0.0:8000", "0.0.0.0:8001")
    assert len({*found.values()}) == 6


def test_hundreds_of_ports_at_once(town: Machine) -> None:
    town("run", "-d", "-p", "20000-20599:80-679", "-name", "many", "-image", "base", *GREETER)
    assert greeting(town, 20000)
    assert len(town("portmap", "list", "-q").splitlines()) == 2 * 600
    town("remove", "-f", "many")
    assert town("portmap", "list", "-q") == ""


def test_what_cannot_be_published_is_said(town: Machine) -> None:
    town("run", "-d", "-name", "other", "-image", "base", "sleep", "60")
    shared = town.run("run", "-net", "container:other", "-p", "80", "-image", "base", "true")
    assert shared.returncode == 125
    assert "give -p to that one" in shared.stderr
    host = town.run("run", "-net", "host", "-p", "8080:80", "-image", "base", "echo", "runs")
    assert (host.returncode, host.stdout) == (0, "runs\n")
    assert "published ports are left out" in host.stderr


def test_a_killed_service_forwards_again_after_the_next_command(town: Machine) -> None:
    town("run", "-d", "-p", "8080:80", "-image", "base", *GREETER)
    assert greeting(town, 8080)
    os.kill(town.service(), signal.SIGKILL)
    assert eventually(lambda: town.processes() == [])
    town("ps")
    assert greeting(town, 8080)


def test_a_killed_container_and_keeper_leave_no_port(town: Machine) -> None:
    town("run", "-d", "-p", "8080:80", "-name", "web", "-image", "base", *GREETER)
    assert greeting(town, 8080)
    pid = json.loads(town("inspect", "web"))[0]["state"]["pid"]
    with open(f"/proc/{pid}/stat") as file:
        keeper = int(file.read().rpartition(")")[2].split()[1])
    os.kill(keeper, signal.SIGKILL)
    assert eventually(lambda: town.run("portmap", "list", "-q").stdout == "")
    with pytest.raises(ConnectionRefusedError):
        town.connect(8080)
    assert town("port", "web") == ""


def test_killed_together_service_and_keeper_leave_nothing(town: Machine) -> None:
    town("run", "-d", "-p", "8080:80", "-name", "web", "-image", "base", *GREETER)
    service = town.service()
    pid = json.loads(town("inspect", "web"))[0]["state"]["pid"]
    os.kill(service, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    town("wait", "web")
    assert town("port", "web") == ""
    assert eventually(lambda: town.processes() == [])
    assert json.loads((town.root / "portmap" / "mappings.json").read_text())["mappings"] == []


_ECHO = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
while True:
    data, sender = server.recvfrom(1000)
    server.sendto(data, sender)
"""


def test_datagrams_reach_a_container(town: Machine) -> None:
    server = [PYTHON, "-c", _ECHO]
    town("run", "-d", "-p", "8080:53/udp", *python_flags(), "-image", "base", *server)
    client = town.datagrams()
    client.settimeout(0.3)

    def echoed() -> bool:
        client.sendto(b"ping", ("127.0.0.1", 8080))
        try:
            return client.recv(100) == b"ping"
        except TimeoutError:
            return False

    assert eventually(echoed)


_INTRUDE = """
import glob, os, socket, sys
found = [line.split()[-1] for line in open("/proc/net/unix") if "portmap" in line or "control" in line]
reached = []
for path in [*found, *glob.glob("/proc/*/root" + sys.argv[1]), *glob.glob("/proc/*/cwd/control")]:
    for name in (path, chr(0) + path):
        try:
            client = socket.socket(socket.AF_UNIX)
            client.connect(name)
            reached.append(path)
        except OSError:
            pass
print("seen", len(found), "reached", reached)
"""


def test_a_container_on_the_hosts_network_does_not_reach_the_control_socket(town: Machine) -> None:
    town("portmap", "start", "-d")
    control = town.root / "portmap" / "control"
    out = town("run", "--rm", "-net", "host", *python_flags(), "-image", "base", PYTHON, "-c", _INTRUDE, control)
    assert out.endswith("reached []\n")


def test_on_a_network_the_server_is_reached_at_its_address_only(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    host = Host(tmp_path / "store", tmp_path / "work")
    try:
        host("buildBase", image_tar(tmp_path / "rootfs.tar"))
        host("network", "create", "--subnet", "10.72.0.0/24", "--driver", "bridge", "testbridge")
        host("run", "-d", "-net", "testbridge", "-p", "3307:3307", "-p", "3308:3308", "-name", "db", "-image", "base",
             "sh", "-c", "nc -ll -p 3308 -s 127.0.0.1 -e echo private & nc -ll -p 3307 -e echo public")  # fmt: skip
        assert eventually(lambda: host.do(BUSYBOX, "nc", "-w", "2", "127.0.0.1", "3307", check=False) == "public\n")
        assert host.do(BUSYBOX, "nc", "-w", "2", "127.0.0.1", "3308", check=False) == ""
        host("network", "create", "--subnet", "10.73.0.0/24", "other")
        host("network", "connect", "other", "db")
        host("network", "disconnect", "testbridge", "db")
        assert host.do(BUSYBOX, "nc", "-w", "2", "127.0.0.1", "3307", check=False) == "public\n"
        host("remove", "-f", "db")
        host("network", "rm", "testbridge", "other")
        host.run("portmap", "stop")
        host.clear()
    finally:
        host.close()


def test_curl_fetches_a_large_file_from_a_web_server(town: Machine) -> None:
    page = town.directory / "site" / "page"
    page.parent.mkdir()
    page.write_bytes(os.urandom(5_000_000))
    mounts = ["-v", f"{BUSYBOX}:/busybox:ro", "-v", f"{page.parent}:/site:ro"]
    serve = ["/busybox", "httpd", "-f", "-p", "80", "-h", "/site"]
    town("run", "-d", "-p", "8080:80", *mounts, "-image", "base", *serve)
    target = town.directory / "fetched"
    patience = ["--retry", "20", "--retry-all-errors", "--retry-delay", "1"]
    for url in ("http://127.0.0.1:8080/page", "http://[::1]:8080/page"):
        fetch = town.enter("curl", "-sf", *patience, "-o", target, url)
        assert subprocess.run(fetch, timeout=60).returncode == 0
        assert target.read_bytes() == page.read_bytes()


DATAGRAMS = ["-u", "-b", "50M", "-l", "1400"]


@pytest.mark.parametrize("flags", [[], ["-R"], DATAGRAMS, [*DATAGRAMS, "-R"]], ids=" ".join)
def test_iperf3_both_ways(town: Machine, flags: list[str]) -> None:
    program = shutil.which("iperf3")
    assert program, "see tests/packages.txt"
    mounts = [*python_flags(), "-v", f"{program}:/iperf3:ro"]
    town("run", "-d", "-p", "5201:5201", "-p", "5201:5201/udp", *mounts, "-image", "base", "/iperf3", "-s", "-1")
    words = town.enter(program, "-c", "127.0.0.1", "-t", "1", "--json", *flags)
    results: list[dict[str, dict[str, dict[str, float]]]] = []

    def measured() -> bool:
        done = subprocess.run(words, capture_output=True, text=True, timeout=60)
        results.append(json.loads(done.stdout))
        return done.returncode == 0

    assert eventually(measured)
    summary = results[-1]["end"]["sum" if "-u" in flags else "sum_received"]
    assert summary["bytes"] > 1_000_000
