"""Names that complete a line come from the store: the right containers, images, networks, volumes, paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.system.conftest import CommandLine

pytestmark = pytest.mark.root


def test_names_fit_what_they_are_for(mydocker: CommandLine) -> None:
    mydocker("buildBase", "-q")
    mydocker("tag", "base", "app:1.0", "app:2.0")
    mydocker("run", "-d", "-name", "running-one", "base", "sleep", "100")
    mydocker("run", "-name", "ended-one", "base", "true")
    mydocker("volume", "create", "some-data")

    def complete(*words: str) -> list[str]:
        return [line.partition("\t")[0] for line in mydocker("complete", "--", *words).splitlines()]

    assert complete("exec", "") == ["running-one"]
    assert complete("start", "") == ["ended-one"]
    assert set(complete("remove", "")) == {"running-one", "ended-one"}
    assert complete("remove", "running-one", "") == ["ended-one"]
    identifier = mydocker("ps", "--filter", "name=running", "-q").strip()
    assert complete("logs", identifier[:4]) == [identifier]
    assert complete("run", "app") == ["app:1.0", "app:2.0"]
    assert complete("run", "--image", "base", "ap") == []
    assert complete("inspect", "running", "") != []
    assert {"base", "running-one"} <= set(complete("inspect", ""))
    assert complete("volume", "inspect", "so") == ["some-data"]
    assert "some-data:" in complete("run", "-v", "so")
    assert complete("run", "-net", "ho") == ["host"]
    assert "container:running-one" in complete("run", "-net", "container:")
    assert "/bin/busybox" in complete("exec", "running-one", "/bin/bu")
    assert "busybox" in complete("exec", "running-one", "bu")
    assert complete("cp", "running-one:/etc/host") == ["running-one:/etc/hostname", "running-one:/etc/hosts"]
    assert complete("cp", "ended-one:/b") == ["ended-one:/bin/"]
    assert ":paths" in complete("cp", "x")


def test_links_that_lead_out_of_a_container_are_the_containers_own(mydocker: CommandLine) -> None:
    mydocker("buildBase", "-q")
    hostile = "ln -s / /out; ln -s /proc/self/root/etc /etc-out; ln -s ../../../../../../root /up; touch '/a\x1b[31mb'"
    mydocker("run", "-d", "-name", "box", "base", "sh", "-c", f"{hostile}; mkdir /only-here; exec sleep 100")
    found = mydocker("complete", "--", "exec", "box", "cat", "/out/only").split("\t")[0]
    assert found == "/out/only-here/"
    assert "\x1b" not in mydocker("complete", "--", "exec", "box", "cat", "/a")
