"""Contexts from elsewhere, results in other forms, mounts and secrets: what `build` takes and gives."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from tests.system.build.servers import GitServer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root

_DOCKERFILE = "FROM base\nCOPY a /a\nRUN cat /a > /b\n"


def context(mydocker: CommandLine, dockerfile: str = _DOCKERFILE, **files: str) -> Path:
    """Write a context beside the working directory and return it."""
    place = mydocker.directory.parent / "context"
    place.mkdir()
    (place / "Dockerfile").write_text(dockerfile)
    for name, text in (files or {"a": "text\n"}).items():
        (place / name).write_text(text)
    return place


def build(mydocker: CommandLine, *words: object, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        mydocker.words("build", *words),
        cwd=mydocker.directory,
        env=mydocker.env,
        input=stdin or b"",
        capture_output=True,
    )


def test_a_tar_on_standard_input_is_the_same_context(mydocker: CommandLine) -> None:
    place = context(mydocker)
    expected = mydocker("build", "-q", place)
    for flag in ("-c", "-cz"):
        stream = subprocess.run(["tar", flag, "-C", place, "."], capture_output=True, check=True).stdout
        assert build(mydocker, "-q", "-", stdin=stream).stdout.decode() == expected


def test_a_dockerfile_on_standard_input(mydocker: CommandLine) -> None:
    text = b"FROM base\nRUN echo alone > /alone\n"
    alone = build(mydocker, "-t", "alone:1", "-", stdin=text)
    assert alone.returncode == 0, alone.stderr
    assert mydocker("run", "alone:1", "cat", "/alone") == "alone\n"
    place = context(mydocker)
    with_context = build(mydocker, "-t", "other:1", "-f", "-", place, stdin=b"FROM base\nCOPY a /x\n")
    assert with_context.returncode == 0, with_context.stderr
    assert mydocker("run", "other:1", "cat", "/x") == "text\n"


def test_a_git_repository_as_context_and_as_source_of_add(mydocker: CommandLine) -> None:
    place = context(mydocker)
    git = ["git", "-C", str(place), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", "init", "-q", "-b", "main", place], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "one"], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    bare = mydocker.directory.parent / "source.git"
    subprocess.run(["git", "clone", "-q", "--bare", place, bare], check=True)
    with GitServer(bare.parent) as server:
        url = f"{server.address}/source.git"
        assert build(mydocker, "-q", url).stdout.decode() == mydocker("build", "-q", place)
        (mydocker.directory / "Dockerfile").write_text(f"FROM base\nADD {url}#main /src\n")
        mydocker("build", "-t", "added:1")
        assert mydocker("run", "added:1", "ls", "-A", "/src") == "Dockerfile\na\n"
        (mydocker.directory / "Dockerfile").write_text(f"FROM base\nADD --checksum={'0' * 40} {url} /src\n")
        failed = mydocker.run("build")
        assert failed.returncode == 1
        assert commit in failed.stderr


def test_outputs(mydocker: CommandLine) -> None:
    place = context(mydocker, "FROM scratch\nCOPY --chmod=600 a /d/a\n")
    (mydocker.directory / "there").write_text("stays")
    identifier = mydocker(
        "build", "-q", "-t", "out:1", "-o", "type=local,dest=.", "-o", "type=tar,dest=files.tar",
        "-o", "type=oci,dest=oci.tar", "-o", "type=docker,dest=docker.tar", place,
    ).strip()  # fmt: skip
    assert (mydocker.directory / "d/a").read_text() == "text\n"
    assert (mydocker.directory / "d/a").stat().st_mode & 0o777 == 0o600
    assert (mydocker.directory / "there").read_text() == "stays"
    with tarfile.open(mydocker.directory / "files.tar") as archive:
        assert {"d", "d/a"} <= {name.removeprefix("./") for name in archive.getnames()}
    with tarfile.open(mydocker.directory / "oci.tar") as archive:
        assert {"index.json", "oci-layout"} <= set(archive.getnames())
    with tarfile.open(mydocker.directory / "docker.tar") as archive:
        manifest = archive.extractfile("manifest.json")
        assert manifest is not None
        assert json.load(manifest)[0]["RepoTags"] == ["out:1"]
    mydocker("rmi", "out:1")
    assert mydocker("buildBase", "-q", "docker.tar").strip() == identifier


def test_id_and_metadata_files(mydocker: CommandLine) -> None:
    place = context(mydocker)
    identifier = mydocker("build", "-q", "-t", "m:1", "--iidfile", "id", "--metadata-file", "meta", place).strip()
    assert (mydocker.directory / "id").read_text() == identifier
    facts = json.loads((mydocker.directory / "meta").read_text())
    assert facts["containerimage.config.digest"] == identifier
    assert facts["image.name"] == "m:1"


def test_progress_as_json(mydocker: CommandLine) -> None:
    place = context(mydocker, "FROM base\nRUN echo said\n", x="")
    done = mydocker.run("build", "--progress", "json", place)
    events = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    kinds = [event["event"] for event in events]
    assert {"StepStarted", "StepOutput", "StepFinished"} <= set(kinds)
    assert any(event.get("data") == "said\n" for event in events)


def test_check_builds_nothing_and_fails_on_findings(mydocker: CommandLine) -> None:
    place = context(mydocker, "from base\nRUN cd /x\n", x="")
    done = mydocker.run("build", "--check", place)
    assert done.returncode == 1
    assert "ConsistentInstructionCasing" in done.stdout
    assert len(mydocker("images").splitlines()) == 1


def test_a_cache_mount_outlives_the_build_and_is_in_no_layer(mydocker: CommandLine) -> None:
    script = "cat /c/n 2>/dev/null >> /seen; echo more >> /c/n; echo $BREAK"
    place = context(mydocker, f"FROM base\nARG BREAK\nRUN --mount=type=cache,target=/c {script}\n", x="")
    mydocker("build", "-t", "c:1", "--build-arg", "BREAK=1", place)
    mydocker("build", "-t", "c:2", "--build-arg", "BREAK=2", place)
    assert mydocker("run", "c:2", "sh", "-c", "cat /seen; ls -A /c 2>&1 | wc -l") in ("more\n0\n", "more\n1\n")
    assert mydocker("run", "c:2", "sh", "-c", "test -e /c; echo $?") == "1\n"


def test_a_secret_is_seen_by_its_step_alone(mydocker: CommandLine) -> None:
    (mydocker.directory / "key").write_text("topsecretvalue")
    read = 'test "$(wc -c < /run/secrets/key)" = 14 && test ${#K} = 14 && cat /run/secrets/key'
    place = context(
        mydocker,
        f"FROM base\nRUN --mount=type=secret,id=key --mount=type=secret,id=key,env=K {read}\n"
        "RUN test ! -e /run/secrets/key\n",
        x="",
    )
    done = mydocker.run("build", "--secret", f"id=key,src={mydocker.directory}/key", place)
    assert done.returncode == 0, done.stderr
    assert "topsecretvalue" not in done.stderr
    assert "[secret]" in done.stderr
    for path in mydocker.root.rglob("*"):
        if path.is_file():
            assert b"topsecretvalue" not in path.read_bytes(), path
    # Another value of the secret is no reason to run again: it is in no key.
    (mydocker.directory / "key").write_text("anothersecret")
    again = mydocker.run("build", "--secret", f"id=key,src={mydocker.directory}/key", place)
    assert "0 steps run" in again.stderr


@pytest.mark.parametrize(
    "disguise", ["cat", "base64", "od -An -tx1 | tr -d ' \\n'", "sed s/^/xx/ | base64", "sed s/^/x/ | base64"]
)
def test_a_secret_that_is_written_down_stops_the_build(mydocker: CommandLine, disguise: str) -> None:
    (mydocker.directory / "key").write_text("topsecretvalue-of-some-length")
    place = context(
        mydocker,
        f"FROM base\nRUN --mount=type=secret,id=key mkdir /d && cat /run/secrets/key | {disguise} > /d/leak\n",
        x="",
    )
    done = mydocker.run("build", "-t", "leak:1", "--secret", f"id=key,src={mydocker.directory}/key", place)
    assert done.returncode == 1
    assert "the secret key would be in the image" in done.stderr
    assert "/d/leak" in done.stderr
    assert "topsecretvalue" not in done.stderr
    assert "leak" not in mydocker("images")
    assert mydocker.leftovers() == []


def test_a_required_secret_that_is_missing(mydocker: CommandLine) -> None:
    place = context(mydocker, "FROM base\nRUN --mount=type=secret,id=key,required true\n", x="")
    done = mydocker.run("build", place)
    assert done.returncode == 1
    assert "--secret id=key" in done.stderr


def test_an_agent_socket_is_there_for_its_step(mydocker: CommandLine) -> None:
    import socket

    place = context(
        mydocker, 'FROM base\nRUN --mount=type=ssh test -S "$SSH_AUTH_SOCK"\nRUN test -z "$SSH_AUTH_SOCK"\n', x=""
    )
    path = f"/tmp/agent-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(path)
        try:
            done = mydocker.run("build", "--ssh", f"default={path}", place)
        finally:
            os.unlink(path)
    assert done.returncode == 0, done.stderr


def test_nothing_of_the_hosts_environment_reaches_a_step(mydocker: CommandLine) -> None:
    place = context(mydocker, "FROM base\nRUN env | sort > /env; hostname >> /env\n", x="")
    mydocker.env["CANARY"] = base64.b64encode(os.urandom(9)).decode()
    mydocker("build", "-t", "env:1", place)
    lines = mydocker("run", "env:1", "cat", "/env").splitlines()
    assert not any("CANARY" in line for line in lines)
    assert lines[-1] == "mydocker"
    assert {"TZ=UTC", "LANG=C.UTF-8", "PYTHONHASHSEED=0", "SOURCE_DATE_EPOCH=0"} <= set(lines)


def test_what_the_builder_mounts_leaves_no_trace(mydocker: CommandLine) -> None:
    place = context(
        mydocker,
        "FROM scratch\nCOPY --from=base /bin/busybox /bin/sh\nRUN --mount=type=tmpfs,target=/t/u /bin/sh -c true\n",
        x="",
    )
    mydocker("build", "-o", "type=local,dest=out", place)
    assert sorted(path.name for path in (mydocker.directory / "out").rglob("*")) == ["bin", "sh"]
