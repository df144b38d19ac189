"""The program that guards device nodes on version 2, run by a small interpreter of its own."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from mydocker.linux import device_filter

KINDS, LETTERS = {"b": 1, "c": 2}, {"m": 1, "r": 2, "w": 4}


def allowed(rules: list[dict[str, Any]], kind: str, major: int, minor: int, access: str) -> bool:
    """Run the program on a struct bpf_cgroup_dev_ctx (linux/bpf.h)."""
    context = struct.pack("=III", sum(LETTERS[each] for each in access) << 16 | KINDS[kind], major, minor)
    code = list(struct.iter_unpack("=BBhi", device_filter.compile_rules(rules)))
    registers, place = [0] * 11, 0
    while True:
        operation, both, offset, value = code[place]
        target, source = both & 0xF, both >> 4
        place += 1
        if operation == 0x61:
            registers[target] = struct.unpack_from("=I", context, offset)[0]
        elif operation == 0xB7:
            registers[target] = value
        elif operation == 0xBF:
            registers[target] = registers[source]
        elif operation == 0x57:
            registers[target] &= value
        elif operation == 0x77:
            registers[target] >>= value
        elif operation == 0x55:
            place += offset if registers[target] != value else 0
        elif operation == 0x5D:
            place += offset if registers[target] != registers[source] else 0
        else:
            assert operation == 0x95
            return bool(registers[0])


NOTHING = {"allow": False, "access": "rwm"}
EVERYTHING = {"allow": True, "access": "rwm"}
NULL = {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "rwm"}
READ_DISK = {"allow": True, "type": "b", "major": 8, "access": "r"}
MAKE = {"allow": True, "type": "c", "access": "m"}


@pytest.mark.parametrize(
    ("rules", "asked", "answer"),
    [
        ([], ("c", 1, 3, "r"), False),
        ([EVERYTHING], ("b", 8, 0, "rwm"), True),
        ([NOTHING], ("c", 1, 3, "r"), False),
        ([NOTHING, NULL], ("c", 1, 3, "rw"), True),
        ([NOTHING, NULL], ("b", 1, 3, "rw"), False),
        ([NOTHING, NULL], ("c", 1, 4, "r"), False),
        ([NULL, NOTHING], ("c", 1, 3, "r"), False),
        ([NOTHING, READ_DISK], ("b", 8, 77, "r"), True),
        ([NOTHING, READ_DISK], ("b", 8, 77, "rw"), False),
        ([NOTHING, READ_DISK], ("b", 9, 0, "r"), False),
        ([NOTHING, MAKE], ("c", 250, 1, "m"), True),
        ([NOTHING, MAKE], ("c", 250, 1, "mr"), False),
        ([NOTHING, MAKE], ("b", 250, 1, "m"), False),
        ([EVERYTHING, {**NULL, "allow": False}], ("c", 1, 3, "w"), False),
        ([EVERYTHING, {**NULL, "allow": False}], ("c", 1, 5, "w"), True),
        ([NOTHING, {**NULL, "major": -1, "minor": None}], ("c", 99, 99, "w"), True),
    ],
)
def test_the_last_rule_that_matches_decides(
    rules: list[dict[str, Any]], asked: tuple[str, int, int, str], answer: bool
) -> None:
    assert allowed(rules, *asked) is answer
