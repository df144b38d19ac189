"""Published escapes by way of cp, helpers, volumes and checkpoints: items 38 to 43 of the list (docs/runtime.md)."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.system.runtime.conftest import PYTHON, image_with, python_flags

if TYPE_CHECKING:
    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root

_HERE = Path(__file__).resolve().parents[3]  # this checkout, on the host


# 38, 40: CVE-2018-15664 and CVE-2019-10152, cp through links


def test_38_cp_cannot_be_led_out_of_the_container(box: CommandLine, tmp_path: Path) -> None:
    prey = tmp_path / "prey"
    prey.mkdir()
    (prey / "secret").write_text("of the host")
    box("run", "-d", "--name", "cp", "base", "sh", "-c",
        f"mkdir -p /a; while :; do ln -sfn {prey} /l 2>/dev/null; rm -rf /l; mkdir /l; rmdir /l; done")  # fmt: skip
    source = tmp_path / "payload"
    source.write_text("payload")
    out = tmp_path / "out"
    out.mkdir()
    for number in range(20):
        box.run("cp", source, f"cp:/l/stolen{number}")
        box.run("cp", "cp:/l/secret", out / str(number))
    assert sorted(path.name for path in prey.iterdir()) == ["secret"]
    assert [path for path in out.iterdir() if "host" in path.read_text()] == []


def test_40_cp_and_save_through_a_linked_directory_stay_inside(box: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of the host")
    box(
        "run",
        "--name",
        "links",
        "base",
        "sh",
        "-c",
        f"ln -s {tmp_path} /out; ln -s /etc /in; ln -s {tmp_path}/secret /file",
    )
    assert box.run("cp", "links:/out/secret", tmp_path / "copied").returncode != 0
    box("cp", "links:/in/passwd", tmp_path / "name")
    box("cp", "links:/file", tmp_path / "link")
    assert os.readlink(tmp_path / "link") == f"{tmp_path}/secret", "the link itself is copied, not what it points to"


# 39: CVE-2019-14271, nothing of the container is loaded


def test_39_no_module_is_loaded_from_the_container(box: CommandLine, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    change = f"mkdir -p {_HERE}/mydocker /usr/lib/python3.11 /lib/x86_64-linux-gnu"
    made = image_with(box, tmp_path, change)
    evil = f"open({str(marker)!r}, 'w')"
    flags: list[str] = []
    for place in (f"{Path(json.__file__).parent.parent}/linecache.py", f"{_HERE}/mydocker/evil.py"):
        module = tmp_path / f"evil{len(flags)}.py"
        module.write_text(evil)
        flags += ["-v", f"{module}:{place}:ro"]
    box.run("run", "--rm", *flags, "--user", "nosuchuser", made, "true")
    box.run("run", "--rm", *flags, made, "nosuchcommand")
    assert not marker.exists()


# 41: CVE-2022-23648, VOLUME paths


def test_41_volume_paths_of_an_image_are_looked_up_inside_it(box: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of the host")
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(
        f"FROM base\nRUN ln -s {tmp_path} /leak; ln -s /data /ok\nVOLUME /leak\nVOLUME /ok\nVOLUME /../../etc\n"
    )
    box("build", "-f", dockerfile, "-t", "volumes:1", tmp_path)
    shown = box("run", "--rm", "volumes:1", "sh", "-c", "ls /leak/; cat /ok/seed; ls /etc/passwd")
    assert "secret" not in shown
    assert "from the image" in shown


# 42: no checkpoint is read, so none can name a device or an image: `mydocker` has no such verb.


def test_42_there_is_no_checkpoint_to_import(box: CommandLine) -> None:
    for verb in ("checkpoint", "restore"):
        assert "there is no command" in box.run(verb, "x").stderr


# 43: published ports are tried in tests/system/ports/test_escapes.py; this is a container without any network.


def test_43_the_hosts_loopback_is_out_of_reach(box: CommandLine) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        code = (
            "import socket, sys\n"
            f"try: socket.create_connection(('127.0.0.1', {port}), 1)\nexcept OSError as e: print(type(e).__name__)"
        )
        shown = box("run", "--rm", *python_flags(), "base", PYTHON, "-I", "-S", "-c", code)
        assert shown == "ConnectionRefusedError\n"
