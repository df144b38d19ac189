"""Shared caches as documents and as words: what is read back is what was written, and nothing else is believed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from mydocker.build.sharing import CONFIG, SharedResult, decode, encode, manifest_of
from mydocker.build.sharing.place import CachePlace
from mydocker.errors import ImageError, UsageError
from mydocker.image.digest import DiffID, Digest
from mydocker.image.manifest import OCI_LAYER, OCI_LAYER_ZSTD, Descriptor, Layer

if TYPE_CHECKING:
    from pathlib import Path

_KEY, _OTHER = "a" * 64, "b" * 64


def _result(number: int) -> SharedResult:
    blob = Descriptor(OCI_LAYER_ZSTD, Digest.of(b"blob %d" % number), 100 + number)
    return SharedResult(Layer(DiffID.of(b"diff %d" % number), blob), 1.5)


_RESULTS = {_OTHER: _result(2), _KEY: _result(1), "c" * 64: _result(1)}
_MANIFEST = manifest_of(Descriptor(CONFIG, Digest.of(b""), 1), _RESULTS.values())


def test_results_come_back_and_the_order_does_not_matter() -> None:
    assert decode(encode(_RESULTS), _MANIFEST) == _RESULTS
    assert encode(dict(reversed(_RESULTS.items()))) == encode(_RESULTS)
    assert len(_MANIFEST.layers) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"key": "short"},
        {"key": _KEY.upper()},
        {"key": "../" + "a" * 61},
        {"blob": str(Digest.of(b"not in the manifest"))},
        {"blob": "sha256:../../etc/passwd"},
        {"diffId": "sha256:1"},
        {"diffId": None},
        {"milliseconds": "long"},
    ],
    ids=str,
)
def test_a_result_that_is_none_is_refused(change: dict[str, object]) -> None:
    document = json.loads(encode({_KEY: _result(1)}))
    document["results"][0] |= change
    with pytest.raises(ImageError):
        decode(json.dumps(document).encode(), _MANIFEST)


def test_another_version_and_layers_of_another_kind_are_refused() -> None:
    with pytest.raises(ImageError, match="version"):
        decode(b'{"version":2,"results":[]}', _MANIFEST)
    plain = _MANIFEST._replace(layers=tuple(layer._replace(media_type=OCI_LAYER) for layer in _MANIFEST.layers))
    with pytest.raises(ImageError, match="no layer"):
        decode(encode(_RESULTS), plain)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("type=local,src=/cache", ("local", "/cache")),
        ("type=local,dest=cache,mode=max", ("local", "cache")),
        ("type=registry,ref=example.org/cache:main", ("registry", "example.org/cache:main")),
        ("/cache", ("local", "/cache")),
        ("./cache", ("local", "./cache")),
        ("example.org/cache", ("registry", "example.org/cache")),
    ],
)
def test_places(text: str, place: tuple[str, str]) -> None:
    assert CachePlace.parse(text, "--cache-to") == place


def test_a_word_alone_is_a_directory_when_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="may be a directory or a reference"):
        CachePlace.parse("cache", "--cache-from")
    (tmp_path / "cache").mkdir()
    assert CachePlace.parse("cache", "--cache-from") == ("local", "cache")


@pytest.mark.parametrize(
    "text", ["type=local", "type=local,src=", "type=gha", "type=registry,src=/x", "type=local,src=/a,dest=/b", "x=y"]
)
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected type="):
        CachePlace.parse(text, "--cache-from")
