"""The forwarding service: several targets on one port, what it survives, and whom it obeys."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.system.ports.conftest import eventually

if TYPE_CHECKING:
    from tests.system.ports.conftest import Machine

pytestmark = pytest.mark.root

ONE, TWO = "8080:127.0.0.1:7001", "8080:127.0.0.1:7002"


def test_several_targets_are_served_in_turn(machine: Machine) -> None:
    machine.name(7001, "a")
    machine.name(7002, "b")
    machine("portmap", "forward", "-p", ONE, "-p", TWO)
    assert "".join(machine.said(8080) for _ in range(6)) == "ababab"
    machine("portmap", "forward", "-p", ONE, "-d")
    assert "".join(machine.said(8080) for _ in range(3)) == "bbb"


def test_an_unreachable_target_is_skipped_until_it_is_back(machine: Machine) -> None:
    machine.name(7002, "b")
    machine("portmap", "forward", "-p", ONE, "-p", TWO)
    assert "".join(machine.said(8080) for _ in range(4)) == "bbbb"  # no client notices
    assert "unreachable" in machine("portmap", "list")
    machine.name(7001, "a")
    assert eventually(lambda: "unreachable" not in machine("portmap", "list"))
    assert sorted(machine.said(8080) for _ in range(4)) == ["a", "a", "b", "b"]


def test_a_target_that_dies_is_noticed_without_a_client(machine: Machine) -> None:
    dying = machine.name(7001, "a")
    machine.name(7002, "b")
    machine("portmap", "forward", "-p", ONE, "-p", TWO)
    dying.shutdown(socket.SHUT_RDWR)
    dying.close()
    assert eventually(lambda: "unreachable" in machine("portmap", "list"))


def test_least_connections_fill_the_idlest(machine: Machine) -> None:
    def talk(name: bytes):  # type: ignore[no-untyped-def]
        def answer(client: socket.socket) -> None:
            client.sendall(name)
            client.recv(1)

        return answer

    machine.serve(7001, talk(b"a"))
    machine.serve(7002, talk(b"b"))
    machine("portmap", "forward", "-p", ONE, "-p", TWO, "--policy", "least-connections")
    first, second = machine.connect(8080), machine.connect(8080)
    names = {first: first.recv(1), second: second.recv(1)}
    assert sorted(names.values()) == [b"a", b"b"]
    first.close()  # the next ones replace it, whoever's turn it would be
    assert eventually(lambda: sorted(opened(machine)) == [0, 0, 0, 1])
    for _ in range(3):
        again = machine.connect(8080)
        assert again.recv(1) == names[first]
        again.close()
        assert eventually(lambda: sorted(opened(machine)) == [0, 0, 0, 1])


def test_a_second_target_does_not_disturb_the_first_ones_clients(machine: Machine) -> None:
    machine.serve(7001, lambda client: client.sendall(client.recv(1)))
    machine.name(7002, "b")
    machine("portmap", "forward", "-p", ONE)
    clients = [machine.connect(8080) for _ in range(12)]  # with all workers
    machine("portmap", "forward", "-p", TWO)
    assert eventually(lambda: sum(opened(machine)) == 12)
    machine("portmap", "forward", "-p", ONE, "-d")
    assert "".join(machine.said(8080) for _ in range(8)) == "b" * 8  # with all workers again
    for client in clients:
        client.send(b"x")
        assert client.recv(10) == b"x"


def opened(machine: Machine) -> list[int]:
    return [int(server["open"]) for mapping in machine.mappings() for server in mapping["servers"]]  # type: ignore[attr-defined]


def test_mappings_survive_a_stop_and_a_start(machine: Machine) -> None:
    machine.name(7001, "a")
    machine.name(7002, "b")
    machine("portmap", "forward", "-p", ONE, "-p", TWO, "-p", "127.0.0.1:8081:127.0.0.1:7002/udp")
    before = machine("portmap", "list", "-q")
    machine("portmap", "stop")
    with pytest.raises(ConnectionRefusedError):
        machine.connect(8080)
    assert "stopped" in machine("portmap", "list")
    machine("ps")
    assert machine.processes() == []  # it was stopped on purpose
    machine("portmap", "start", "-d")
    assert machine("portmap", "list", "-q") == before
    assert "".join(machine.said(8080) for _ in range(4)) == "abab"


@pytest.mark.parametrize("command", [["ps"], ["portmap", "forward", "-p", "8081:127.0.0.1:7001"]], ids=lambda c: c[0])
def test_a_killed_service_is_mended_by_the_next_command(machine: Machine, command: list[str]) -> None:
    machine.name(7001, "a")
    machine("portmap", "forward", "-p", ONE)
    killed = machine.service()
    os.kill(killed, signal.SIGKILL)
    assert eventually(lambda: machine.processes() == [])  # its workers died with it
    machine(*command)
    assert machine.said(8080) == "a"
    assert machine.service() != killed


def test_many_commands_mend_it_once(machine: Machine) -> None:
    machine.name(7001, "a")
    machine("portmap", "forward", "-p", ONE)
    os.kill(machine.service(), signal.SIGKILL)
    started = [machine.start("portmap", "forward", "-p", f"{port}:127.0.0.1:7001") for port in range(8081, 8089)]
    for process in started:
        _, complaint = process.communicate(timeout=30)
        assert (process.returncode, complaint) == (0, "")
    assert [machine.said(port) for port in range(8080, 8089)] == ["a"] * 9
    machine.service()  # there is one


def test_a_port_that_is_taken_is_an_error_that_says_by_whom(machine: Machine) -> None:
    machine.name(7001, "a")
    done = machine.run("portmap", "forward", "-p", "7001:127.0.0.1:7002")
    assert done.returncode == 1
    assert "cannot take port 0.0.0.0:7001/tcp of the host: another process has it" in done.stderr
    assert machine("portmap", "list", "-q") == ""


def test_a_port_that_was_taken_meanwhile_is_told_and_kept(machine: Machine) -> None:
    machine.name(7002, "b")
    machine("portmap", "forward", "-p", "127.0.0.1:8080:127.0.0.1:7002", "-p", "8081:127.0.0.1:7002")
    machine("portmap", "stop")
    taker = machine.name(8080, "taken")
    machine("portmap", "start", "-d")
    assert "another process has it" in machine("portmap", "list")
    assert machine.said(8081) == "b"
    taker.shutdown(socket.SHUT_RDWR)
    taker.close()
    machine("portmap", "forward", "-p", "127.0.0.1:8080:127.0.0.1:7002")  # tries again
    assert machine.said(8080) == "b"
    assert "another process" not in machine("portmap", "list")


def test_of_a_port_that_cannot_be_had_for_one_family_nothing_is_changed(machine: Machine) -> None:
    machine.name(7001, "a")
    machine("portmap", "forward", "-p", ONE)
    machine("portmap", "stop")
    machine.serve(8080, lambda client: None, "::1")
    machine("portmap", "start", "-d")
    before = machine("portmap", "list", "--format", "json")
    assert "another process has it" in machine.run("portmap", "forward", "-p", TWO).stderr
    assert machine("portmap", "list", "--format", "json") == before
    assert machine.said(8080) == "a"


def test_the_service_ends_with_its_last_mapping(machine: Machine) -> None:
    machine("portmap", "forward", "-p", ONE)
    assert machine.processes()
    machine("portmap", "forward", "-p", ONE, "-d")
    assert eventually(lambda: machine.processes() == [])


def test_a_service_that_was_started_by_hand_stays_until_it_is_stopped(machine: Machine) -> None:
    machine("portmap", "start", "-d")
    machine("portmap", "forward", "-p", ONE)
    machine("portmap", "forward", "-p", ONE, "-d")
    time.sleep(1.5)
    assert machine.processes()
    machine("portmap", "stop")
    assert machine.processes() == []
    assert "no forwarding service is running" in machine.run("portmap", "stop").stderr


def test_in_the_foreground_it_ends_with_the_command(machine: Machine) -> None:
    command = machine.start("portmap", "start")
    assert command.stderr is not None
    assert "forwarding ports" in command.stderr.readline()
    assert machine.processes()
    command.send_signal(signal.SIGINT)
    command.communicate(timeout=10)
    assert command.returncode == 130
    assert machine.processes() == []


def test_the_foreground_command_ends_with_the_service(machine: Machine) -> None:
    command = machine.start("portmap", "start")
    assert command.stderr is not None
    command.stderr.readline()
    machine("portmap", "stop")
    command.communicate(timeout=10)
    assert command.returncode == 0


def test_the_control_socket_is_its_owners(machine: Machine) -> None:
    machine("portmap", "start", "-d")
    folder = machine.root / "portmap"
    modes = {path.name: path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())}
    assert modes == {"portmap": 0o700, "control": 0o600, "lock": 0o600, "log": 0o600, "mappings.json": 0o600}


_INTRUDER = """
import os, socket, sys
os.chdir(sys.argv[1])
os.setgid(65534); os.setuid(65534)
client = socket.socket(socket.AF_UNIX)
client.connect("control")
client.sendall(b'{"version": 1, "do": "list"}\\n')
print(client.recv(100))
"""


def test_others_are_not_heard_even_if_they_reach_the_socket(machine: Machine) -> None:
    machine("portmap", "start", "-d")
    folder = machine.root / "portmap"
    words = [sys.executable, "-c", _INTRUDER, str(folder)]
    refused = subprocess.run(words, capture_output=True, text=True)
    assert "PermissionError" in refused.stderr
    folder.chmod(0o711)
    (folder / "control").chmod(0o666)
    unheard = subprocess.run(words, capture_output=True, text=True)
    assert unheard.stdout == "b''\n" or "ConnectionResetError" in unheard.stderr or "BrokenPipe" in unheard.stderr


def test_a_damaged_memory_is_told_and_stops_nothing_else(machine: Machine) -> None:
    machine("portmap", "forward", "-p", ONE)
    machine("portmap", "stop")
    (machine.root / "portmap" / "mappings.json").write_text("{")
    (machine.root / "portmap" / "mappings.json.77").write_text("half written")
    done = machine.run("volume", "ls")
    assert done.returncode == 0
    assert "ports are not forwarded: cannot read" in done.stderr
    failed = machine.run("portmap", "forward", "-p", ONE)
    assert failed.returncode == 1
    assert "damaged" in failed.stderr
    (machine.root / "portmap" / "mappings.json").unlink()
    machine("portmap", "forward", "-p", ONE)
    assert [path.name for path in (machine.root / "portmap").glob("mappings*")] == ["mappings.json"]


def test_nonsense_is_answered_and_does_no_harm(machine: Machine) -> None:
    machine("portmap", "start", "-d")
    folder = os.open(machine.root / "portmap", os.O_PATH)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"/proc/self/fd/{folder}/control")
        far = b'{"version": 1, "do": "forward", "port": ["", 99999, 99999, 1, "tcp"], "to": ["::1", 1], "policy": ""}\n'
        strange = (b"nonsense\n", b"[]\n", b'{"version": 9, "do": "list"}\n', b'{"version": 1}\n', b"\xff\n", far)
        for nonsense in (*strange, b"[" * 100_000 + b"\n"):
            client.sendall(nonsense)
            assert b'"error"' in client.recv(1000)
    os.close(folder)
    assert machine("portmap", "list", "-q") == ""
