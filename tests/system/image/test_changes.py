"""`--change` describes an image as a Dockerfile would, and changes no file."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.system.image.trees import write

if TYPE_CHECKING:
    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root


def test_import_and_commit_with_changes(mydocker: CommandLine) -> None:
    write(f"{mydocker.directory}/tree/file", b"x", 0o644)
    subprocess.run(["tar", "-cf", "root.tar", "-C", "tree", "."], check=True, cwd=mydocker.directory)
    mydocker("import", "-c", 'ENTRYPOINT ["top", "-b"]', "-c", "ENV HERE=/opt", "-c", "WORKDIR $HERE", "-c",
             "EXPOSE 80", "-c", "USER 5:6", "-c", "STOPSIGNAL SIGINT", "root.tar", "described")  # fmt: skip
    config = json.loads(mydocker("inspect", "described"))[0]["config"]["config"]
    assert (config["Entrypoint"], config["WorkingDir"], config["User"]) == (["top", "-b"], "/opt", "5:6")
    assert (config["ExposedPorts"], config["StopSignal"], "Cmd" in config) == ({"80/tcp": {}}, "SIGINT", False)
    assert "HERE=/opt" in config["Env"]
    mydocker("buildBase")
    mydocker("run", "-name", "box", "-image", "base", "touch", "/new")
    mydocker("commit", "--change", "CMD cat /new", "-c", "LABEL a=b", "box", "changed")
    config = json.loads(mydocker("inspect", "changed"))[0]["config"]["config"]
    assert (config["Cmd"], config["Labels"]) == (["/bin/sh", "-c", "cat /new"], {"a": "b"})


@pytest.mark.parametrize("change", ["RUN touch /x", "COPY a b", "EXPOSE 99999", "", "ENV A=1\nRUN x", "FROM x"])
def test_what_is_no_change_is_refused_before_anything_is_done(mydocker: CommandLine, change: str) -> None:
    done = mydocker.run("import", "--change", change, "nowhere.tar", "x")
    assert done.returncode == 125
    assert "--change" in done.stderr
