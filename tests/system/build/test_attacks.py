"""Attacks on builders, by their numbers in the list of regressions that this project keeps (21 to 36; those by servers
are in test_hostile_servers, secrets in test_secrets).

Each test is what somebody tried on another builder. A canary lies on the host, beside the context: nothing that a
Dockerfile, a context, an image or a server says may read or change it.
"""

from __future__ import annotations

import io
import os
import tarfile
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from mydocker.build.request import BuildRequest, Output
from mydocker.engine import Engine
from mydocker.errors import BuildFailed, MydockerError
from tests.system.build.attacks import CANARY, build, files_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.system.conftest import CommandLine

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]

# 21: CVE-2024-23651, a cache mount's source is swapped for a link while another step mounts it


def test_21_a_cache_that_one_step_fills_with_links_leads_another_one_nowhere(mydocker: CommandLine, host: Path) -> None:
    swap = f"for i in $(seq 300); do rm -rf /c/sub; mkdir /c/sub; rm -rf /c/sub; ln -s {host} /c/sub; done"
    look = "for i in $(seq 300); do cat /m/canary /m/sub/canary 2>/dev/null; done; true"
    build(
        mydocker,
        "FROM base AS one\n"
        f"RUN --mount=type=cache,id=shared,target=/c {swap}\n"
        "FROM base AS two\n"
        f"RUN --mount=type=cache,id=shared,target=/m,source=sub {look} > /seen\n"
        "FROM base\nCOPY --from=one /etc/group /1\nCOPY --from=two /seen /seen\nRUN test ! -s /seen\n",
        "-j", "2",
    )  # fmt: skip
    again = f"FROM base\nRUN --mount=type=cache,id=shared,target=/m,source=sub {look} > /seen; test ! -s /seen\n"
    build(mydocker, again, "--no-cache")


# 22: CVE-2024-23652, clearing up after a mount whose parent became a link


def test_22_what_a_mount_needed_is_cleared_in_the_image_never_on_the_host(mydocker: CommandLine, host: Path) -> None:
    build(
        mydocker,
        "FROM base\n"
        f"RUN --mount=type=tmpfs,target=/stub/deep/canary mv /stub /moved; ln -s {host.parent} /stub; "
        f"mkdir -p /x; ln -s {host} /x/deep\n"
        "RUN test ! -e /stub/host/canary\n",
    )


# 23: CVE-2024-23653, rights that nobody granted


@pytest.mark.parametrize(
    ("flag", "word"),
    [
        ("--security=insecure", "--allow security.insecure"),
        ("--security=root", "--security"),
        ("--security=", "--security"),
        ("--network=host", "--allow network.host"),
        ("--network=container:1", "--network"),
    ],
)
def test_23_no_right_is_had_that_was_not_granted(mydocker: CommandLine, host: Path, flag: str, word: str) -> None:
    (mydocker.directory / "Dockerfile").write_text(f"FROM base\nRUN {flag} true\n")
    done = mydocker.run("build")
    assert done.returncode in (1, 125)
    assert word in done.stderr
    assert "defect" not in done.stderr


def test_23_a_device_of_the_host_is_not_had_for_the_asking(mydocker: CommandLine) -> None:
    build(mydocker, "FROM base\nRUN --device=/dev/mem test ! -e /dev/mem\n")
    done = build(mydocker, "FROM base\nRUN --device=/dev/mem,required=true true\n", status=1)
    assert "--device" in done.stderr


def test_23_a_right_is_granted_to_the_step_that_asks_alone(mydocker: CommandLine) -> None:
    mine = "grep CapEff /proc/self/status"
    done = build(
        mydocker,
        f"FROM base\nRUN --security=insecure {mine}; echo\nRUN {mine}\n",
        "--allow", "security.insecure", "--no-cache",
    )  # fmt: skip
    shown = [line.split()[-1] for line in done.stderr.splitlines() if "CapEff:\t" in line]
    assert len(shown) == 2
    assert int(shown[1], 16) & (1 << 21) == 0, "CAP_SYS_ADMIN is not left over"


# 24: CVE-2024-1753, a bind mount whose source is a link to /


@pytest.mark.parametrize("link", ["/", "../../../../..", "{host}"])
def test_24_a_link_in_an_image_leads_into_the_image(mydocker: CommandLine, host: Path, link: str) -> None:
    target = link.format(host=host)
    where = f"{host}/canary".lstrip("/")
    (mydocker.directory / "Dockerfile").write_text(
        f"FROM base AS img\nRUN mkdir -p /a/b && ln -s {target} /a/b/link\n"
        f"FROM base\nRUN --mount=type=bind,from=img,source=/a/b/link,target=/m,rw "
        f"cat /m/{where} /m/canary; echo gone > /m/{where}; echo gone > /m/canary; ls /m > /listed; true\n"
    )
    done = mydocker.run("build", "-t", "app:1")
    assert CANARY not in done.stderr
    assert mydocker.leftovers() == []


# 25: CVE-2024-9407, options of bind mounts


@pytest.mark.parametrize("option", ["bind-propagation=shared", "bind-propagation=rshared,ro", "propagation=z:/:/host"])
def test_25_options_of_a_bind_mount_that_are_not_known_are_refused(mydocker: CommandLine, option: str) -> None:
    (mydocker.directory / "Dockerfile").write_text(f"FROM base\nRUN --mount=type=bind,target=/m,{option} true\n")
    done = mydocker.run("build")
    assert done.returncode == 1
    assert option.partition("=")[0] in done.stderr


# 26: CVE-2024-9675, ids of caches as paths


@pytest.mark.parametrize("identifier", ["../../../host", "../../host/canary", "{host}", "..", "/"])
def test_26_a_caches_id_is_a_name_never_a_path(mydocker: CommandLine, host: Path, identifier: str) -> None:
    name = identifier.format(host=host)
    build(
        mydocker,
        f'FROM base\nRUN --mount=type=cache,id={name},target=/c test -z "$(ls -A /c)"; echo x > /c/written\n',
    )


# 27: CVE-2024-9676, an image whose /etc/passwd never ends


@pytest.mark.parametrize("name", ["passwd", "group"])
def test_27_a_list_of_users_that_never_ends_holds_nobody_up(mydocker: CommandLine, name: str) -> None:
    engine = Engine(str(mydocker.root))
    asked = "worker" if name == "passwd" else "0:workers"
    for made in ("ln -sf /dev/zero", "ln -sf /proc/kmsg", "rm /etc/{0}; mkfifo", "ln -sf {0}"):
        first = f"FROM base\nRUN {made.format(name)} /etc/{name}\n"
        (mydocker.directory / "Dockerfile").write_text(f"{first}USER {asked}\nRUN id\n")
        with pytest.raises(MydockerError):
            engine.build(BuildRequest(str(mydocker.directory)))
        (mydocker.directory / "Dockerfile").write_text(f"{first}COPY --chown={asked} Dockerfile /x\n")
        with suppress(MydockerError):
            engine.build(BuildRequest(str(mydocker.directory)))


# 28: CVE-2024-9341, targets of automatic mounts that are links


@pytest.mark.parametrize("target", ["/etc/hosts", "/etc/resolv.conf", "/etc/hostname", "/run/secrets", "/run/buildkit"])
def test_28_what_the_builder_mounts_follows_no_link_out_of_the_image(
    mydocker: CommandLine, host: Path, target: str
) -> None:
    (mydocker.directory / "key").write_text("topsecretvalue")
    (mydocker.directory / "Dockerfile").write_text(
        f"FROM base\nRUN rm -rf {target}; mkdir -p {os.path.dirname(target)}; ln -s {host}/canary {target}\n"
        f"RUN --mount=type=secret,id=key cat {target} {target}/key {host}/canary; echo over > {target}; true\n"
    )
    done = mydocker.run("build", "--secret", "id=key,src=key")
    assert CANARY not in done.stderr
    assert mydocker.leftovers() == []


# 29: CVE-2024-11218, parallel stages race a directory of the host in by a bind mount


def test_29_a_mount_target_that_is_swapped_meanwhile_leads_nowhere(mydocker: CommandLine, host: Path) -> None:
    swap = f"for i in $(seq 400); do rm -rf /c/a; ln -s {host.parent} /c/a; rm -f /c/a; mkdir -p /c/a/host; done"
    inside = "RUN --mount=type=cache,id=race,target=/c --mount=type=tmpfs,target=/c/a/host/m{0}"
    steps = "\n".join(f"{inside.format(number)} echo > /c/a/host/m{number}/x; true" for number in range(6))
    (mydocker.directory / "Dockerfile").write_text(
        f"FROM base AS one\nRUN --mount=type=cache,id=race,target=/c {swap}\nFROM base AS two\n{steps}\n"
        "FROM base\nCOPY --from=one /etc/group /1\nCOPY --from=two /etc/group /2\n"
    )
    # A step whose mount point is taken away meanwhile may fail; what counts is where nothing was written.
    for _ in range(3):
        mydocker.run("build", "-j", "2", "--no-cache")
    assert mydocker.leftovers() == []


# 30: CVE-2021-3602, the host's environment


def test_30_nothing_of_the_hosts_environment_reaches_run(mydocker: CommandLine) -> None:
    mydocker.env |= {"AWS_SECRET_ACCESS_KEY": CANARY, "LD_PRELOADCANARY": CANARY}
    build(mydocker, "FROM base\nRUN env; cat /proc/1/environ /proc/self/environ; env > /env\n", "--no-cache")
    assert all(CANARY.encode() not in data for data in files_of(mydocker).values())


# 31: CVE-2024-24557, images whose history says what a step would give


def test_31_an_image_with_the_same_history_is_no_result_of_a_step(mydocker: CommandLine) -> None:
    build(mydocker, "FROM base\nRUN echo good > /f\n")
    saved = mydocker.directory / "good.tar"
    mydocker("build", "-q", "-o", f"type=docker,dest={saved}")
    evil = mydocker.directory / "evil.tar"
    with tarfile.open(saved) as source, tarfile.open(evil, "w") as target:
        for member in source.getmembers():
            target.addfile(member, source.extractfile(member) if member.isfile() else None)
    mydocker("rmi", "app:1")
    mydocker("prune", "-a", "--cache")
    mydocker("load", "-i", "evil.tar")
    done = build(mydocker, "FROM base\nRUN echo good > /f\n")
    assert "1 steps run, 0 found in the cache" in done.stderr


def test_31_every_instruction_counts_though_its_step_makes_no_layer(mydocker: CommandLine) -> None:
    engine = Engine(str(mydocker.root))
    found = set()
    for line in ("", "HEALTHCHECK CMD evil", "ONBUILD RUN evil", "STOPSIGNAL SIGKILL", "USER 12", "CMD evil"):
        (mydocker.directory / "Dockerfile").write_text(f"FROM base\n{line}\nRUN true\n")
        found.add(engine.build(BuildRequest(str(mydocker.directory))).image.id)
    assert len(found) == 6


# 32: links and .. in COPY and ADD


def test_32_sources_of_copy_stay_in_the_context(mydocker: CommandLine, host: Path) -> None:
    context = mydocker.directory
    os.symlink(host, context / "absolute")
    os.symlink("../host", context / "relative")
    os.symlink("../host/canary", context / "file")
    (context / "d").mkdir()
    os.symlink("../../host", context / "d/up")
    engine = Engine(str(mydocker.root))
    for source in (
        "../host/canary", "/../host/canary", "absolute/canary", "relative/canary", "d/up/canary", "d/../../host/canary",
        f"{host}/canary",
    ):  # fmt: skip
        for word in ("COPY", "ADD"):
            (context / "Dockerfile").write_text(f"FROM scratch\n{word} {source} /x\n")
            with pytest.raises(BuildFailed, match="is not in the build context"):
                engine.build(BuildRequest(str(context)))
    for source in ("file", "absolute", ".", "d", "absolute/*", "d/up/can*", "*/*", "*"):
        (context / "Dockerfile").write_text(f"FROM scratch\nCOPY {source} /x\n")
        out = Output("tar", f"{context.parent}/out.tar")
        with suppress(BuildFailed):
            engine.build(BuildRequest(str(context), outputs=(out,)))
            with tarfile.open(out.destination) as archive:
                contents = [archive.extractfile(each).read() for each in archive if each.isfile()]  # type: ignore[union-attr]
            assert CANARY.encode() not in contents, source
    assert mydocker.leftovers() == []


@pytest.mark.parametrize("link", ["{host}", "../../../../../../../../{host}", "/proc/self/root/{host}", "/proc/1/cwd"])
def test_32_destinations_stay_in_the_image(mydocker: CommandLine, host: Path, link: str) -> None:
    target = link.format(host=host)
    (mydocker.directory / "written").write_text("written")
    build(
        mydocker,
        f"FROM base\nRUN ln -s {target} /link; mkdir /d; ln -s {target}/canary /d/written\n"
        "COPY written /link/\nCOPY written /d/\nCOPY written /link/new/written\nCOPY --chmod=777 . /link/all/\n"
        "WORKDIR /link/work\n",
    )


def archive(path: Path, *members: tuple[str, str, str]) -> None:
    """Write a tar of (name, kind, link or content)."""
    with tarfile.open(path, "w") as tar:
        for name, kind, text in members:
            member = tarfile.TarInfo(name)
            if kind == "file":
                member.size = len(text)
                tar.addfile(member, io.BytesIO(text.encode()))
            else:
                member.type = tarfile.SYMTYPE if kind == "link" else tarfile.LNKTYPE
                member.linkname = text
                tar.addfile(member)


def test_32_archives_of_add_stay_below_their_destination(mydocker: CommandLine, host: Path) -> None:
    hostile = (
        [("../../../../../../../../../.." + str(host) + "/evil", "file", "evil")],
        [(f"{host}/evil", "file", "evil")],
        [("l", "link", str(host)), ("l/evil", "file", "evil")],
        [("l", "link", f"../../../../../../../..{host}"), ("l/evil", "file", "evil")],
        [("h", "hard", f"{host}/canary"), ("h", "file", "evil")],
        [("l", "link", str(host)), ("h", "hard", "l/canary"), ("h", "file", "evil")],
        [("a", "link", "/"), (f"a{host}/canary", "file", "evil")],
    )
    for number, members in enumerate(hostile):
        archive(mydocker.directory / f"{number}.tar", *members)
        (mydocker.directory / "Dockerfile").write_text(f"FROM base\nRUN ln -s {host} /link\nADD {number}.tar /link/\n")
        done = mydocker.run("build", "-t", "app:1")
        assert "defect" not in done.stderr
        assert CANARY not in done.stderr
    assert mydocker.leftovers() == []


def test_32_a_context_that_is_a_link_is_what_it_leads_to_and_no_more(mydocker: CommandLine, host: Path) -> None:
    real = mydocker.directory / "real"
    real.mkdir()
    (real / "a").write_text("a")
    os.symlink("real", mydocker.directory / "context")
    (real / "Dockerfile").write_text("FROM scratch\nCOPY a /a\n")
    assert mydocker.run("build", "context").returncode == 0
    (real / "Dockerfile").write_text("FROM scratch\nCOPY ../host/canary /a\n")
    assert mydocker.run("build", "context").returncode == 1


# 35: names that become paths of results


@pytest.mark.parametrize("platform", ["../../host/x", "linux/../../host", "/", "linux/amd64/../../../host"])
def test_35_a_platforms_name_is_no_path(mydocker: CommandLine, host: Path, platform: str) -> None:
    (mydocker.directory / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /canary\n")
    mydocker.run("build", "--platform", platform, "-o", f"type=local,dest={mydocker.directory}/out")
    assert not [path for path in mydocker.directory.parent.iterdir() if path.name not in ("host", "store", "work")]


def test_35_a_result_in_a_directory_follows_no_link_out_of_it(mydocker: CommandLine, host: Path) -> None:
    out = mydocker.directory / "out"
    out.mkdir()
    os.symlink(host, out / "d")
    os.symlink(host / "canary", out / "canary")
    (mydocker.directory / "d").mkdir()
    (mydocker.directory / "d/evil").write_text("evil")
    (mydocker.directory / "Dockerfile").write_text(
        f"FROM base AS b\nRUN ln -s {host} /l\nFROM scratch\nCOPY d /d\nCOPY Dockerfile /canary\nCOPY --from=b /l /l\n"
    )
    mydocker.run("build", "-o", f"type=local,dest={out}")
    mydocker.run("build", "-o", f"type=local,dest={out}")


@pytest.mark.parametrize("name", ["../x", "a/b", "-x", "x;y", "..", "A\\x1b[31m"])
def test_35_a_stages_name_is_a_plain_word(mydocker: CommandLine, name: str) -> None:
    (mydocker.directory / "Dockerfile").write_text(f"FROM scratch AS {name}\nCOPY Dockerfile /x\n")
    assert mydocker.run("build").returncode == 1


# 36: somebody else's frontend


def test_36_a_frontend_that_a_file_names_is_never_run_nor_fetched(mydocker: CommandLine) -> None:
    done = build(
        mydocker, "# syntax=registry.invalid/evil/frontend:1\nFROM scratch\nCOPY Dockerfile /x\n", "--progress", "plain"
    )
    assert "1 steps run" in done.stderr
    assert "registry.invalid" not in mydocker("images")
