"""Which layer brought which files: additions, changes, whiteouts, opaque directories, and what stays hidden."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from mydocker.image.anatomy import Stratum, strata
from mydocker.image.entry import DIRECTORY, FILE, SYMLINK, Entry

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Step:
    def __init__(self, created_by: str, empty_layer: bool = False) -> None:
        self.created_by = created_by
        self.empty_layer = empty_layer


class _Config:
    def __init__(self, *history: _Step) -> None:
        self.history = history


class _Image:
    def __init__(self, config: _Config, *layers: list[Entry]) -> None:
        self.config = config
        self.layers = layers


class _Layers:
    def entries(self, layer: list[Entry]) -> Iterator[Entry]:
        yield from layer


def file(name: str, size: int = 1) -> Entry:
    return Entry(name.encode(), FILE, 0o644, size=size)


def folder(name: str) -> Entry:
    return Entry(name.encode(), DIRECTORY, 0o755)


def story(*layers: list[Entry]) -> list[Stratum]:
    steps = [_Step(f"step {number}") for number in range(1, len(layers) + 1)]
    return list(strata(cast("Any", _Image(_Config(*steps), *layers)), cast("Any", _Layers())))


def kinds(stratum: Stratum) -> dict[str, str]:
    return {change.path.decode(): change.kind for change in stratum.changes}


def test_files_are_added_once_and_changed_afterwards() -> None:
    first, second = story([folder("etc"), file("etc/a", 10)], [folder("etc"), file("etc/a", 4), file("etc/b", 2)])
    assert kinds(first) == {"etc": "A", "etc/a": "A"}
    assert kinds(second) == {"etc": "C", "etc/a": "C", "etc/b": "A"}
    assert (first.size, second.size) == (10, 6)
    assert (first.hidden, second.hidden) == (0, 10)
    assert [each.created_by for each in (first, second)] == ["step 1", "step 2"]


def test_a_whiteout_deletes_what_is_below_it() -> None:
    _, second = story(
        [folder("x"), folder("x/d"), file("x/d/a", 5), file("x/dd", 7)], [folder("x"), file("x/.wh.d", 0)]
    )
    assert kinds(second) == {"x": "C", "x/d": "D", "x/d/a": "D"}
    assert second.hidden == 5


def test_an_opaque_directory_hides_what_was_in_it_and_shows_what_comes_new() -> None:
    below = [folder("d"), file("d/old", 3), file("d/both", 4)]
    for order in ((1, 0), (0, 1)):
        entries = [file("d/.wh..wh..opq", 0), file("d/both", 1)]
        _, second = story(below, [folder("d"), *(entries[i] for i in order)])
        assert kinds(second) == {"d": "C", "d/old": "D", "d/both": "C"}
        assert second.hidden == 7


def test_what_was_deleted_can_be_added_again() -> None:
    _, _, third = story([file("a", 1)], [file(".wh.a", 0)], [Entry(b"a", SYMLINK, 0o777, link=b"b")])
    assert kinds(third) == {"a": "A"}


def test_steps_without_a_layer_do_not_count_and_layers_without_a_step_have_none() -> None:
    config = _Config(_Step("ENV a=b", empty_layer=True), _Step("COPY a"))
    found = list(strata(cast("Any", _Image(config, [file("a")], [file("b")])), cast("Any", _Layers())))
    assert [each.created_by for each in found] == ["COPY a", ""]
