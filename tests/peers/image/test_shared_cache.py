"""A build cache at a real registry: another store runs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mydocker.build.request import BuildRequest
from mydocker.build.sharing.place import CachePlace
from mydocker.engine import Engine

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.root, pytest.mark.peer("docker-registry")]


def test_a_build_is_shared_through_a_registry(tmp_path: Path, registry: str) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\nCOPY a /a\nWORKDIR /srv\nCOPY a /srv/\n")
    (context / "a").write_text("a")
    place = (CachePlace.parse(f"type=registry,ref={registry}/team/cache:main", "--cache-to"),)
    request = BuildRequest(str(context))
    first = Engine(str(tmp_path / "one")).build(request._replace(cache_to=place))
    second = Engine(str(tmp_path / "two")).build(request._replace(cache_from=place))
    assert [step.outcome for step in second.steps] == ["hit"] * 3
    assert second.image.digest == first.image.digest
