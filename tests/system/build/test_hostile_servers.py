"""Attacks on builders by web servers and git repositories (33 and 34 of the list of regressions)."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.system.build.attacks import CANARY, build, files_of
from tests.system.build.servers import GitServer, WebServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.system.conftest import CommandLine

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]


# 33: names and redirects of servers


def test_33_a_name_that_a_server_could_choose_is_one_plain_name(mydocker: CommandLine, host: Path) -> None:
    nameless = ("/", "/..", "/%2e%2e", "/a%00b", "/x/", "/.%2F")
    plain = ("/..%2f..%2fhost%2fevil", "/%2fetc%2fevil", "/a/../evil")
    with WebServer(dict.fromkeys((*nameless, *plain), b"data")) as server:
        for path in nameless:
            done = build(mydocker, f"FROM scratch\nADD {server.address}{path} /d/\n", status=1)
            assert "cannot tell the file name" in done.stderr, path
        for path in plain:
            build(mydocker, f"FROM scratch\nADD {server.address}{path} /d/\n")
            assert files_of(mydocker) == {"d/evil": b"data"}, path


def test_33_what_a_server_calls_a_file_counts_for_nothing(mydocker: CommandLine) -> None:
    with WebServer({"/good?x=../../evil": b"data"}) as server:
        build(mydocker, f"FROM scratch\nADD {server.address}/good?x=../../evil /d/\n")
        assert files_of(mydocker) == {"d/good": b"data"}


@pytest.mark.parametrize(
    ("target", "word"),
    [
        ("file:///{host}/canary", "Redirection to url"),
        ("ftp://127.0.0.1/x", "it sends us to"),
        ("http://169.254.169.254/latest/meta-data/", "link-local"),
        ("http://[fe80::1%25lo]/", "link-local"),
        ("http://[::ffff:169.254.169.254]/", "link-local"),
        ("http://2852039166/", "link-local"),
    ],
)
def test_33_redirects_lead_to_the_web_only(mydocker: CommandLine, host: Path, target: str, word: str) -> None:
    with WebServer({}, {"/x": target.format(host=host)}) as server:
        done = build(mydocker, f"FROM scratch\nADD {server.address}/x /x\n", status=1)
    assert word in done.stderr


def test_33_a_password_is_for_its_server_alone(mydocker: CommandLine) -> None:
    with WebServer({"/there": b"data"}) as other, WebServer({}, {"/x": f"{other.address}/there"}) as first:
        build(mydocker, f"FROM scratch\nADD {first.address.replace('//', '//user:p%40ss@')}/x /x\n")
        assert files_of(mydocker) == {"x": b"data"}
    assert first.asked[0] == ("/x", "Basic dXNlcjpwQHNz")
    assert other.asked[0] == ("/there", "")


# 34: git repositories


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[str]:
    """The address of a repository with links that lead out of it, hooks and a submodule."""
    work = tmp_path / "hostile"
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "protocol.file.allow=always"]
    subprocess.run([*git, "init", "-q", "-b", "main", work], check=True)
    (work / "Dockerfile").write_text("FROM scratch\nCOPY . /all\n")
    (work / ".gitmodules").write_text('[submodule "m"]\n\tpath = m\n\turl = ext::touch% /tmp/evil\n')
    os.symlink("../host", work / "out")
    os.symlink("/", work / "root")
    subprocess.run([*git, "-C", work, "add", "."], check=True)
    subprocess.run([*git, "-C", work, "commit", "-qm", "one"], check=True)
    bare = tmp_path / "served" / "r.git"
    subprocess.run([*git, "clone", "-q", "--bare", work, bare], check=True)
    (bare / "hooks/post-checkout").write_text(f"#!/bin/sh\necho > {tmp_path}/host/evil\n")
    (bare / "hooks/post-checkout").chmod(0o755)
    with GitServer(bare.parent) as server:
        yield f"{server.address}/r.git"


def test_34_a_ref_is_no_flag(mydocker: CommandLine, host: Path, repository: str) -> None:
    for ref in ("-x", "--upload-pack=touch$IFS/tmp/evil", "--", "-"):
        assert "no ref" in build(mydocker, f"FROM scratch\nADD {repository}#{ref} /src\n", status=1).stderr, ref
        assert mydocker.run("build", f"{repository}#{ref}").returncode == 1


def test_34_a_subdirectory_is_one_of_the_repository(mydocker: CommandLine, host: Path, repository: str) -> None:
    for place in ("out", "root", "root/etc", "out/../../host", ".git"):
        assert mydocker.run("build", f"{repository}#main:{place}").returncode == 1, place
    whole = mydocker("build", "-q", repository)
    for place in ("../..", "root/.."):
        assert mydocker("build", "-q", f"{repository}#main:{place}") == whole, "the top is the end"
    for place in ("out", "root", "root/etc", "../..", "out/../../host", "root/../etc"):
        (mydocker.directory / "Dockerfile").write_text(f"FROM scratch\nADD {repository}#main:{place} /src\n")
        if mydocker.run("build").returncode == 0:
            assert CANARY.encode() not in files_of(mydocker).values(), place


def test_34_links_hooks_and_submodules_of_a_repository_do_nothing(
    mydocker: CommandLine, host: Path, repository: str
) -> None:
    assert mydocker.run("build", "-t", "app:1", repository).returncode == 0
    build(mydocker, f"FROM scratch\nADD {repository} /src\n")
    assert set(files_of(mydocker)) == {"src/Dockerfile", "src/.gitmodules"}
    build(mydocker, f"FROM scratch\nADD --keep-git-dir=true {repository} /src\n")
    assert not [name for name in files_of(mydocker) if name.startswith("src/.git/modules")]


@pytest.mark.parametrize(
    "address", ["ext::sh% -c% touch% /tmp/evil.git", "file:///etc.git", "ssh://-oProxyCommand=touch$IFS/tmp/evil/x.git"]
)
def test_34_only_gits_own_transports_are_used(mydocker: CommandLine, address: str) -> None:
    assert mydocker.run("build", address).returncode == 1
    assert not os.path.exists("/tmp/evil")
