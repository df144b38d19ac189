"""Which server is next, what is remembered, where a container is found: without a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mydocker.errors import StoreError
from mydocker.network.forwarding.targets import LEAST_CONNECTIONS, Balance, Target
from mydocker.network.portmap.mappings import Folder, Mapping, Server, State
from mydocker.network.portmap.residents import addresses
from mydocker.network.portmap.workers import Count

if TYPE_CHECKING:
    from pathlib import Path


def balance(names: str, policy: str = "round-robin") -> Balance:
    made = Balance(policy)
    made.targets = [Target(name, ()) for name in names]
    return made


def served(made: Balance, times: int) -> str:
    chosen = (made.choose() for _ in range(times))
    return "".join(target.key for target in chosen if target)


def test_targets_take_turns() -> None:
    assert served(balance("abc"), 7) == "abcabca"


def test_an_unwell_target_is_passed_over_and_comes_back() -> None:
    made = balance("abc")
    made.targets[1].well = False
    assert served(made, 4) == "acac"
    made.targets[1].well = True
    assert served(made, 3) == "abc"


def test_when_all_are_unwell_all_are_tried() -> None:
    made = balance("ab")
    for target in made.targets:
        target.well = False
    assert served(made, 4) == "abab"


def test_what_was_tried_is_not_tried_again() -> None:
    made = balance("ab")
    first = made.choose()
    assert first is not None
    second = made.choose((first,))
    assert second is not None
    assert {first.key, second.key} == {"a", "b"}
    assert made.choose((first, second)) is None


def test_least_connections_go_to_the_idlest_and_take_turns_among_equals() -> None:
    made = balance("abc", LEAST_CONNECTIONS)
    made.targets[0].open = 2
    assert served(made, 4) == "bcbc"


@given(st.lists(st.sampled_from(["open", "close"]), max_size=60), st.integers(2, 5))
def test_least_connections_never_differ_by_more_than_one_while_none_close(steps: list[str], count: int) -> None:
    made = balance("abcde"[:count], LEAST_CONNECTIONS)
    for step in steps:
        if step == "open":
            chosen = made.choose()
            assert chosen is not None
            assert chosen.open == min(target.open for target in made.targets)
            chosen.open += 1
        else:
            busiest = max(made.targets, key=lambda target: target.open)
            busiest.open = max(busiest.open - 1, 0)


def test_targets_that_stay_keep_their_connections() -> None:
    made = balance("ab")
    made.targets[1].open = 3
    gone = made.replace([Target("b", ()), Target("c", ())])
    assert [target.key for target in gone] == ["a"]
    assert [(target.key, target.open) for target in made.targets] == [("b", 3), ("c", 0)]


def test_of_two_workers_the_one_who_tried_last_is_right() -> None:
    failed, reached = Count(1, False, 5.0), Count(2, True, 9.0)
    assert failed.add(reached) == reached.add(failed) == Count(3, True, 9.0)
    assert Count().add(failed) == failed


ADDRESS = st.ip_addresses().map(str)
SERVERS = st.builds(Server, port=st.integers(1, 65535), address=ADDRESS, container=st.text("abc123", max_size=5))
MAPPINGS = st.builds(
    Mapping,
    address=ADDRESS,
    port=st.integers(1, 65535),
    servers=st.lists(SERVERS, min_size=1, max_size=3).map(tuple),
    protocol=st.sampled_from(["tcp", "udp"]),
)


@settings(max_examples=25)
@given(state=st.builds(State, st.lists(MAPPINGS, max_size=4).map(tuple), st.booleans(), st.booleans()))
def test_what_is_remembered_is_read_again(tmp_path_factory: pytest.TempPathFactory, state: State) -> None:
    folder = Folder(str(tmp_path_factory.mktemp("portmap")))
    folder.write(state)
    assert folder.read() == state


def test_nothing_is_remembered_at_first(tmp_path: Path) -> None:
    state = Folder(str(tmp_path / "portmap")).read()
    assert state == State()
    assert not state.wants_service


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 2, "mappings": []}', '{"version": 1}'])
def test_a_damaged_file_is_an_error_that_names_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "mappings.json").write_text(text)
    with pytest.raises(StoreError, match=r"mappings\.json"):
        Folder(str(tmp_path)).read()


_TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 10.72.0.0
        /24 link UNICAST
     |-- 10.72.0.2
        /32 host LOCAL
     |-- 10.72.0.255
        /32 link BROADCAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
Local:
     |-- 10.72.0.2
        /32 host LOCAL
"""
_IF_INET6 = """\
fd720000000000000000000000000002 02 40 00 80 eth0
fe80000000000000042adcfffefe0002 02 40 20 80 eth0
00000000000000000000000000000001 01 80 10 80 lo
"""


def test_a_container_is_reached_at_its_own_addresses(tmp_path: Path) -> None:
    (tmp_path / "fib_trie").write_text(_TRIE)
    (tmp_path / "if_inet6").write_text(_IF_INET6)
    assert addresses(str(tmp_path)) == ("10.72.0.2", "fd72::2")


def test_a_container_without_addresses_is_reached_at_its_loopback(tmp_path: Path) -> None:
    (tmp_path / "fib_trie").write_text("Main:\n     |-- 127.0.0.1\n        /32 host LOCAL\n")
    assert addresses(str(tmp_path)) == ("127.0.0.1", "::1")
