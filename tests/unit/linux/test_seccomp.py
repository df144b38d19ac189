"""The filter's program, run by a small interpreter of its own: what it says about each call."""

from __future__ import annotations

import struct

import pytest

from mydocker.linux import seccomp, syscalls

ALLOW, EPERM, ENOSYS = 0x7FFF0000, 0x50001, 0x50026


def verdict(program: bytes, architecture: int, number: int, *arguments: int) -> int:
    """Run classic BPF on a struct seccomp_data (linux/seccomp.h)."""
    padded = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    data = struct.pack("<IIQ6Q", number, architecture, 0, *padded)
    code = list(struct.iter_unpack("=HBBI", program))
    place, register = 0, 0
    while True:
        kind, yes, no, value = code[place]
        place += 1
        if kind == 0x20:
            register = struct.unpack_from("<I", data, value)[0]
        elif kind == 0x54:
            register &= value
        elif kind == 0x06:
            return int(value)
        elif kind == 0x05:
            place += value
        else:
            holds = {0x15: register == value, 0x25: register > value, 0x35: register >= value}[kind]
            place += yes if holds else no


def profile(operator: str, value: int, second: int = 0) -> bytes:
    condition = {"index": 1, "value": value, "valueTwo": second, "op": operator}
    return seccomp.compile_profile(
        {
            "defaultAction": "SCMP_ACT_ERRNO",
            "syscalls": [{"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [condition]}],
        }
    )


@pytest.mark.skipif(seccomp.native() is None, reason="no table of calls for this machine")
@pytest.mark.parametrize("given", [0, 4, 5, 6, 1 << 32, (1 << 32) + 5, (1 << 64) - 1])
@pytest.mark.parametrize("wanted", [0, 5, (1 << 32) + 5])
def test_comparisons_are_those_of_64_bit_numbers(given: int, wanted: int) -> None:
    machine = seccomp.native()
    assert machine is not None
    number = syscalls.numbers(machine)["socket"]
    expected = {
        "SCMP_CMP_EQ": given == wanted, "SCMP_CMP_NE": given != wanted, "SCMP_CMP_LT": given < wanted,
        "SCMP_CMP_LE": given <= wanted, "SCMP_CMP_GT": given > wanted, "SCMP_CMP_GE": given >= wanted,
    }  # fmt: skip
    for operator, allowed in expected.items():
        found = verdict(profile(operator, wanted), machine, number, 0, given)
        assert (found == ALLOW) == allowed, operator
    masked = verdict(profile("SCMP_CMP_MASKED_EQ", 0xFF, wanted & 0xFF), machine, number, 0, given)
    assert (masked == ALLOW) == (given & 0xFF == wanted & 0xFF)


@pytest.mark.skipif(seccomp.native() is None, reason="no table of calls for this machine")
def test_unknown_numbers_and_machines_get_no_such_call() -> None:
    machine = seccomp.native()
    assert machine is not None
    program = profile("SCMP_CMP_EQ", 0)
    assert verdict(program, machine, 9999) == ENOSYS
    assert verdict(program, 0x1234, 1) == ENOSYS
    assert verdict(program, machine, syscalls.numbers(machine)["read"]) == EPERM
