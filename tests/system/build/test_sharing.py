"""`--cache-to` and `--cache-from`: another store runs nothing, and what is wrong with a cache costs time only."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import threading
from typing import TYPE_CHECKING

import pytest

from mydocker.build.request import BuildRequest, BuildResult
from mydocker.build.sharing.place import CachePlace
from mydocker.engine import Engine
from mydocker.events import Event, Notice

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.root

_DOCKERFILE = """FROM scratch AS files
COPY a /a
WORKDIR /srv/www
COPY --link b /link/
FROM scratch
COPY --from=files / /
COPY a /last
"""


class Site:
    """One context, a cache in a directory, and as many stores as are asked for."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.context = place / "context"
        self.context.mkdir()
        (self.context / "Dockerfile").write_text(_DOCKERFILE)
        (self.context / "a").write_text("a")
        (self.context / "b").write_text("b")
        self.cache = place / "cache"
        self.said: list[str] = []

    def build(self, store: str, **changes: object) -> BuildResult:
        request = BuildRequest(str(self.context))._replace(**changes)  # type: ignore[arg-type]
        return Engine(str(self.place / store), reporter=self._hear).build(request)

    def give(self, store: str = "one") -> BuildResult:
        return self.build(store, cache_to=(CachePlace("local", str(self.cache)),))

    def take(self, store: str = "two", **changes: object) -> BuildResult:
        return self.build(store, cache_from=(CachePlace("local", str(self.cache)),), **changes)

    def _hear(self, event: Event) -> None:
        if isinstance(event, Notice):
            self.said.append(event.text)

    def blobs(self) -> list[Path]:
        """Return the cache's layers, largest last."""
        manifest = self.document(self.index()["manifests"][0]["digest"])
        return sorted((self.blob(each["digest"]) for each in manifest["layers"]), key=lambda path: path.stat().st_size)

    def index(self) -> dict[str, list[dict[str, str]]]:
        found: dict[str, list[dict[str, str]]] = json.loads((self.cache / "index.json").read_bytes())
        return found

    def blob(self, digest: str) -> Path:
        return self.cache / "blobs" / digest.replace(":", "/")

    def document(self, digest: str) -> dict[str, list[dict[str, str]]]:
        found: dict[str, list[dict[str, str]]] = json.loads(self.blob(digest).read_bytes())
        return found


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def outcomes(result: BuildResult) -> set[str]:
    return {step.outcome for step in result.steps}


def test_another_store_runs_nothing_and_gives_the_same_image(site: Site) -> None:
    first = site.give()
    assert outcomes(first) == {"run"}
    assert outcomes(site.take("three", dry_run=True)) == {"hit"}
    second = site.take()
    assert outcomes(second) == {"hit"}
    assert second.steps[0].why == f"the cache at {site.cache} has it"
    assert second.image.digest == first.image.digest
    assert site.said == []
    assert outcomes(site.build("two")) == {"hit"}
    assert Engine(str(site.place / "two")).images.fsck().problems == ()


def test_only_what_changed_runs_and_a_change_is_explained(site: Site) -> None:
    site.give()
    site.take()
    (site.context / "b").write_text("changed")
    steps = {step.text: step for step in site.take().steps}
    assert steps["COPY a /a"].outcome == "hit"
    assert steps["COPY --link b /link/"].outcome == "run"
    assert steps["COPY --link b /link/"].why == "file b changed"


def test_a_cache_is_replaced_and_what_it_no_longer_needs_is_gone(site: Site) -> None:
    site.give()
    before = set(site.blobs())
    (site.context / "a").write_text("another")
    site.give()
    assert len(site.index()["manifests"]) == 1
    kept = set(os.listdir(site.cache / "blobs/sha256"))
    assert {path.name for path in site.blobs()} < kept
    assert not {path.name for path in before - set(site.blobs())} & kept
    assert len(kept) == len(site.blobs()) + 2
    assert outcomes(site.take()) == {"hit"}


def test_who_gives_waits_for_another_that_does(site: Site) -> None:
    site.give()
    lock = os.open(site.cache / "mydocker-build-cache.lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    (site.context / "a").write_text("changed")
    before = (site.cache / "index.json").read_bytes()
    giver = threading.Thread(target=site.give)
    giver.start()
    giver.join(0.5)
    assert giver.is_alive()
    assert (site.cache / "index.json").read_bytes() == before
    os.close(lock)
    giver.join()
    assert (site.cache / "index.json").read_bytes() != before


def test_what_runs_with_no_cache_is_given_and_not_taken(site: Site) -> None:
    site.give()
    assert outcomes(site.take(no_cache=True)) == {"run"}


def test_a_layout_of_somebody_elses_keeps_what_it_has(site: Site) -> None:
    other = site.build("one", tags=("app:1",))
    Engine(str(site.place / "one")).images.save(str(site.place / "image.tar"), ["app:1"], form="oci-archive")
    shutil.unpack_archive(site.place / "image.tar", site.cache)
    site.give()
    site.give()
    digests = [each["digest"] for each in site.index()["manifests"]]
    assert len(digests) == 2
    assert str(other.image.digest) in digests
    assert site.blob(other.image.digest).exists()


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def _to_a_link(path: Path) -> None:
    path.rename(f"{path}.moved")
    path.symlink_to(f"{path}.moved")


@pytest.mark.parametrize(
    "damage",
    [_flip, _grow, _to_a_link, lambda path: os.truncate(path, path.stat().st_size - 1), lambda path: path.unlink()],
    ids=["a flipped bit", "more bytes", "a link", "truncated", "missing"],
)
def test_a_layer_that_is_not_what_it_should_be_is_refused_and_its_step_runs(
    site: Site, damage: Callable[[Path], None]
) -> None:
    first = site.give()
    for path in site.blobs():
        damage(path)
    second = site.take()
    assert outcomes(second) == {"run"}
    assert second.image.digest == first.image.digest
    assert all("is not used" in said for said in site.said)
    assert site.said
    assert os.listdir(site.place / "two/tmp") == []


def _rewritten(site: Site, change: Callable[[list[dict[str, str]]], None]) -> None:
    """Change the results of a cache and sign everything anew, as somebody would who may write to it."""
    from mydocker.build.sharing import CONFIG
    from mydocker.image.digest import Digest
    from mydocker.image.manifest import OCI_MANIFEST, Descriptor, Manifest

    index = site.index()
    entry = index["manifests"][0]
    manifest = Manifest.parse(site.blob(entry["digest"]).read_bytes())
    config = site.document(manifest.config.digest)
    change(config["results"])
    data = json.dumps(config).encode()
    raw = manifest._replace(config=Descriptor(CONFIG, Digest.of(data), len(data))).encode()
    for each in (data, raw):
        site.blob(Digest.of(each)).write_bytes(each)
    entry |= {"digest": Digest.of(raw), "size": len(raw), "mediaType": OCI_MANIFEST}  # type: ignore[dict-item]
    (site.cache / "index.json").write_text(json.dumps(index))


def test_a_layer_with_another_diff_id_is_refused(site: Site) -> None:
    def swap(results: list[dict[str, str]]) -> None:
        identities = [each["diffId"] for each in results]
        for each, other in zip(results, [*identities[1:], identities[0]], strict=True):
            each["diffId"] = other

    first = site.give()
    _rewritten(site, swap)
    second = site.take()
    assert second.image.digest == first.image.digest
    refused = [step for step in second.steps if step.outcome == "run"]
    assert refused
    assert any("its content is" in said for said in site.said)


def test_keys_of_other_steps_find_nothing(site: Site) -> None:
    def rename(results: list[dict[str, str]]) -> None:
        for each in results:
            each["key"] = each["key"][::-1]

    first = site.give()
    _rewritten(site, rename)
    second = site.take()
    assert outcomes(second) == {"run"}
    assert second.image.digest == first.image.digest


@pytest.mark.parametrize("text", ["", "{}", '{"schemaVersion":2,"manifests":[]}', "[" * 100_000])
def test_a_cache_that_cannot_be_read_is_told_and_left_alone(site: Site, text: str) -> None:
    site.give()
    (site.cache / "index.json").write_text(text)
    assert outcomes(site.take()) == {"run"}
    assert len(site.said) == 1
    assert site.said[0].startswith(f"the build cache at {site.cache} is not used")


def test_a_cache_that_is_not_there_yet_is_told(site: Site) -> None:
    assert outcomes(site.take()) == {"run"}
    assert site.said == [f"the build cache at {site.cache} is not used: there is no build cache in {site.cache}"]


def test_a_file_where_the_cache_should_be_is_told(site: Site) -> None:
    site.cache.write_text("no directory")
    assert outcomes(site.take()) == {"run"}
    assert len(site.said) == 1
    assert site.said[0].endswith("not a directory")


def test_a_directory_where_a_blob_should_be_is_told(site: Site) -> None:
    site.give()
    manifest = site.blob(site.index()["manifests"][0]["digest"])
    manifest.unlink()
    manifest.mkdir()
    opened = len(os.listdir("/proc/self/fd"))
    assert outcomes(site.take()) == {"run"}
    assert len(site.said) == 1
    assert site.said[0].endswith("is a directory")
    assert len(os.listdir("/proc/self/fd")) == opened


def test_a_manifest_that_is_not_what_the_index_names_is_refused(site: Site) -> None:
    site.give()
    manifest = site.blob(site.index()["manifests"][0]["digest"])
    manifest.write_bytes(manifest.read_bytes()[:-1] + b" }")
    assert outcomes(site.take()) == {"run"}
    assert "its content is sha256:" in site.said[0]
    site.give("three")
    assert outcomes(site.take("four")) == {"hit"}


def test_a_manifest_that_claims_to_be_huge_is_not_read(site: Site) -> None:
    site.give()
    index = site.index()
    index["manifests"][0]["size"] = 1 << 40  # type: ignore[assignment]
    (site.cache / "index.json").write_text(json.dumps(index))
    assert outcomes(site.take()) == {"run"}
    assert "1099511627776 bytes" in site.said[0]
