"""The base image: from this host's own programs, or from an archive in any of its forms."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mydocker.build import base

if TYPE_CHECKING:
    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root


def test_base_is_made_of_the_static_busybox_and_is_the_same_every_time(mydocker: CommandLine) -> None:
    first = mydocker("buildBase", "-q")
    assert mydocker("buildBase", "-q") == first
    assert mydocker("run", "base", "sh", "-c", "readlink /bin/ls; id -un; stat -c %a /tmp /root") == (
        "busybox\nroot\n1777\n700\n"
    )


def test_without_busybox_the_hosts_programs_come_with_their_libraries(mydocker: CommandLine, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for directory in ("/usr/bin", "/bin"):
        for path in Path(directory).iterdir():
            if "busybox" not in path.name and not (programs / path.name).exists():
                (programs / path.name).symlink_to(path.resolve())
    root = tmp_path / "rootfs"
    root.mkdir()
    assert base.make_rootfs(root, [str(programs)]).endswith("programs of this host")
    subprocess.run(["tar", "-C", root, "-cf", mydocker.directory / "host.tar", "."], check=True)
    mydocker("buildBase", "host.tar")
    script = "ls /bin/sh; echo b a | tr ' ' '\\n' | sort; awk 'BEGIN { print 6 * 7 }'; sleep 0; true"
    assert mydocker("run", "base", "sh", "-c", script) == "/bin/sh\na\nb\n42\n"


@pytest.mark.parametrize("form", ["plain", "gzip", "bzip2", "xz", "zstd"])
def test_a_root_filesystem_is_kept_as_that_very_tar(mydocker: CommandLine, form: str) -> None:
    root = mydocker.directory / "rootfs"
    (root / "bin").mkdir(parents=True)
    shutil.copy("/usr/bin/busybox", root / "bin/sh")
    tar = mydocker.directory / "rootfs.tar"
    subprocess.run(["tar", "-C", root, "-cf", tar, "."], check=True)
    plain = tar.read_bytes()
    if form == "zstd":
        import zstandard

        tar.write_bytes(zstandard.compress(plain))
    elif form != "plain":
        tar.write_bytes(subprocess.run([form, "-c"], input=plain, capture_output=True, check=True).stdout)
    mydocker("buildBase", tar)
    config = _config(mydocker)
    assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(plain).hexdigest()]
    assert config["config"]["Cmd"] == ["sh"]
    assert config["config"]["Env"] == ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    assert mydocker("run", "base", "sh", "-c", "echo works") == "works\n"


def _config(mydocker: CommandLine) -> dict[str, dict[str, list[str]]]:
    (facts,) = json.loads(mydocker("images", "--format", "json"))
    blob = mydocker.root / "blobs" / facts["id"].replace(":", "/")
    return json.loads(blob.read_bytes())  # type: ignore[no-any-return]
