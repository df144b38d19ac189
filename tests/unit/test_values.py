"""The light named tuple behaves as the one of `typing`, which type checkers take it for."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from typing import Any
from typing import NamedTuple as Standard

import pytest

from mydocker.values import NamedTuple


class Ours(NamedTuple):
    """A name and a size."""

    name: str
    size: int = 3

    @property
    def doubled(self) -> int:
        return 2 * self.size


class Theirs(Standard):
    name: str
    size: int = 3


OURS: Any = Ours  # mistakes are made on purpose below, and the two kinds compared
THEIRS: Any = Theirs


@pytest.mark.parametrize(
    ("values", "named"),
    [(("a",), {}), (("a", 1), {}), ((), {"size": 2, "name": "b"}), (("c",), {"size": 9})],
)
def test_it_equals_what_typing_makes(values: tuple[Any, ...], named: dict[str, Any]) -> None:
    ours, theirs = OURS(*values, **named), THEIRS(*values, **named)
    assert ours == theirs
    assert hash(ours) == hash(theirs)
    assert ours._asdict() == theirs._asdict()
    assert ours._replace(size=7) == theirs._replace(size=7)
    assert repr(ours) == repr(theirs).replace("Theirs", "Ours")
    assert OURS._fields == THEIRS._fields
    assert OURS._field_defaults == THEIRS._field_defaults
    assert OURS._make(["x", 1]) == THEIRS._make(["x", 1])


def test_fields_are_read_by_name_and_methods_stay() -> None:
    one = Ours("a")
    assert (one.name, one.size, one.doubled) == ("a", 3, 6)
    assert Ours.__doc__ == "A name and a size."
    match one:
        case Ours(name, size):
            assert (name, size) == ("a", 3)


@pytest.mark.parametrize(
    ("values", "named"),
    [((), {}), (("a", 1, 2), {}), (("a",), {"name": "b"}), (("a",), {"colour": "red"}), ((), {"size": 1})],
)
def test_wrong_fields_are_refused(values: tuple[Any, ...], named: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        THEIRS(*values, **named)
    with pytest.raises(TypeError):
        OURS(*values, **named)


def test_nothing_of_it_can_be_changed() -> None:
    one: Any = Ours("a")
    with pytest.raises(AttributeError):
        one.name = "b"
    with pytest.raises(AttributeError):
        one.colour = "red"
    with pytest.raises(ValueError, match="colour"):
        one._replace(colour="red")


def test_copies_and_pickles_are_equal_and_of_the_same_kind() -> None:
    one = Ours("a")
    for other in (copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert other == one
        assert type(other) is Ours


def test_a_subclass_without_fields_keeps_those_of_its_base() -> None:
    class Below(Ours):
        """Adds nothing."""

    assert Below("a") == Ours("a")
    assert repr(Below("a")) == "Below(name='a', size=3)"


def test_typing_is_not_loaded() -> None:
    script = "import sys, mydocker.values; print('typing' in sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {script}"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout.strip() == "False"
