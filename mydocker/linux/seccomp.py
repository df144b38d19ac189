"""System call filters: a runtime-spec seccomp document (config-linux.md, Seccomp) made into the kernel's BPF program.

libseccomp tests the numbers one after the other; here the numbers are cut into runs with the same verdict and searched
by halves, so the cost of a call hardly depends on the length of the profile. Numbers that no table knows get ENOSYS,
not the profile's default: programs then fall back to an older call instead of failing (as runc does since 1.0).
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from itertools import starmap

from mydocker.linux import libc, syscalls
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


_NATIVE = {"x86_64": syscalls.X86_64, "aarch64": syscalls.AARCH64}
_NAMES = {
    "SCMP_ARCH_X86_64": syscalls.X86_64,
    "SCMP_ARCH_X86": syscalls.I386,
    "SCMP_ARCH_AARCH64": syscalls.AARCH64,
}
_X32_BIT = 0x40000000  # asm/unistd.h: calls of the x32 ABI, under x86-64's architecture value

_PR_SET_SECCOMP = 22
_MODE_FILTER = 2

# linux/seccomp.h, offsets in struct seccomp_data
_OFFSET_NUMBER, _OFFSET_ARCHITECTURE, _OFFSET_ARGUMENTS = 0, 4, 16
# linux/bpf_common.h
_FILTER = struct.Struct("=HBBI")  # struct sock_filter
_LOAD, _AND, _JUMP, _RETURN = 0x20, 0x54, 0x05, 0x06
_JUMP_EQUAL, _JUMP_GREATER, _JUMP_GREATER_EQUAL = 0x15, 0x25, 0x35

_ACTIONS = {
    "SCMP_ACT_KILL": 0x00000000,
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}

Instruction = tuple[int, int, int, int]
Condition = tuple[int, int, int, str]  # argument, value, second value, operator
Rule = tuple[int, tuple[Condition, ...]]  # verdict, conditions that must all hold


def native() -> int | None:
    """Return this machine's AUDIT_ARCH value, None where there is no table for it."""
    return _NATIVE.get(os.uname().machine)


def compile_profile(profile: dict[str, Any]) -> bytes:
    """Return the program for `profile` on this machine, as an array of struct sock_filter.

    Raise ValueError for an action or operator that the kernel lacks, or on a machine without a table of calls.
    """
    machine = native()
    if machine is None:
        raise ValueError(f"no table of system calls for {os.uname().machine}")
    wanted = [_NAMES[name] for name in profile.get("architectures", ()) if name in _NAMES]
    refused = _ACTIONS["SCMP_ACT_ERRNO"] | errno.ENOSYS
    program: list[Instruction] = [_load(_OFFSET_ARCHITECTURE)]
    for architecture in [machine] + [other for other in wanted if other != machine and _runs_on(other, machine)]:
        body = _architecture(profile, architecture, refused)
        program += [(_JUMP_EQUAL, 1, 0, architecture), (_JUMP, 0, 0, len(body)), *body]
    program.append((_RETURN, 0, 0, refused))
    return b"".join(starmap(_FILTER.pack, program))


def install(program: bytes) -> None:
    """Put the filter on this thread for good; needs no_new_privs or CAP_SYS_ADMIN (seccomp(2))."""
    code = ctypes.create_string_buffer(program, len(program))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    header = Program(len(program) // 8, ctypes.addressof(code))
    libc.call("prctl", _PR_SET_SECCOMP, ctypes.c_ulong(_MODE_FILTER), ctypes.byref(header), ctypes.c_ulong(0), 0)


def _runs_on(other: int, machine: int) -> bool:
    return (other, machine) == (syscalls.I386, syscalls.X86_64)


def _load(offset: int) -> Instruction:
    return (_LOAD, 0, 0, offset)


def _verdict(action: str, value: int | None, fallback: int) -> int:
    try:
        code = _ACTIONS[action]
    except KeyError:
        raise ValueError(f"unknown seccomp action {action}") from None
    if action in ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"):
        return code | ((fallback if value is None else value) & 0xFFFF)
    return code


def _architecture(profile: dict[str, Any], architecture: int, unknown: int) -> list[Instruction]:
    """Return the instructions for calls of one architecture; each path ends in a verdict."""
    default = _verdict(profile["defaultAction"], profile.get("defaultErrnoRet"), errno.EPERM)
    table = syscalls.numbers(architecture)
    rules = {
        number: found if not found[-1][1] else (*found, (default, ()))
        for number, found in _rules(profile, table).items()
    }
    otherwise: tuple[Rule, ...] = ((default, ()),)
    cuts: list[tuple[int, tuple[Rule, ...]]] = []
    expected = 0
    for number in sorted(table.values()):
        if number != expected:
            _cut(cuts, expected, ((unknown, ()),))
        _cut(cuts, number, rules.get(number, otherwise))
        expected = number + 1
    _cut(cuts, expected, ((unknown, ()),))
    body = _search(cuts)
    lead = [_load(_OFFSET_NUMBER)]
    if architecture == syscalls.X86_64:
        lead += [(_JUMP_GREATER_EQUAL, 0, 1, _X32_BIT), (_RETURN, 0, 0, unknown)]
    return lead + body


def _cut(cuts: list[tuple[int, tuple[Rule, ...]]], number: int, rules: tuple[Rule, ...]) -> None:
    if not cuts or cuts[-1][1] != rules:
        cuts.append((number, rules))


def _rules(profile: dict[str, Any], table: dict[str, int]) -> dict[int, tuple[Rule, ...]]:
    """Return number -> rules in order; a rule without conditions ends the list (as libseccomp: it wins)."""
    rules: dict[int, tuple[Rule, ...]] = {}
    for entry in profile.get("syscalls", ()):
        verdict = _verdict(entry["action"], entry.get("errnoRet"), errno.EPERM)
        conditions = tuple(
            (arg["index"], arg["value"], arg.get("valueTwo", 0), arg["op"]) for arg in entry.get("args") or ()
        )
        final: tuple[Rule, ...] = ((verdict, ()),)
        for number in [table[name] for name in entry["names"] if name in table]:
            present = rules.get(number, ())
            if not present or present[-1][1]:
                rules[number] = (*present, (verdict, conditions)) if conditions else final
    return rules


def _search(cuts: list[tuple[int, tuple[Rule, ...]]]) -> list[Instruction]:
    """Return a binary search over runs of numbers; the number is in the accumulator."""
    if len(cuts) == 1:
        return _leaf(cuts[0][1])
    middle = len(cuts) // 2
    low, high = _search(cuts[:middle]), _search(cuts[middle:])
    pivot = cuts[middle][0]
    if len(low) <= 255:
        return [(_JUMP_GREATER_EQUAL, len(low), 0, pivot), *low, *high]
    return [(_JUMP_GREATER_EQUAL, 0, 1, pivot), (_JUMP, 0, 0, len(low)), *low, *high]


def _leaf(rules: tuple[Rule, ...]) -> list[Instruction]:
    code: list[Instruction] = []
    for verdict, conditions in rules:
        checks: list[Instruction] = [(_RETURN, 0, 0, verdict)]
        for condition in reversed(conditions):
            checks = _condition(condition, checks)
        code += checks
    return code


def _condition(condition: Condition, then: list[Instruction]) -> list[Instruction]:
    """Return code that runs `then` if the condition on a 64-bit argument holds, and jumps behind it otherwise."""
    argument, value, second, operator = condition
    low = _load(_OFFSET_ARGUMENTS + 8 * argument)
    high = _load(_OFFSET_ARGUMENTS + 8 * argument + 4)
    masked: list[list[Instruction]] = [[], []]
    if operator == "SCMP_CMP_MASKED_EQ":
        # The mask comes first, the wanted value second (libseccomp's seccomp_rule_add(3)).
        masked = [[(_AND, 0, 0, value >> 32)], [(_AND, 0, 0, value & 0xFFFFFFFF)]]
        value, operator = second, "SCMP_CMP_EQ"
    top, bottom = value >> 32 & 0xFFFFFFFF, value & 0xFFFFFFFF
    size = len(then)
    rest = len(masked[1])
    if operator == "SCMP_CMP_EQ":
        return [high, *masked[0], (_JUMP_EQUAL, 0, 2 + rest + size, top),
                low, *masked[1], (_JUMP_EQUAL, 0, size, bottom), *then]  # fmt: skip
    if operator == "SCMP_CMP_NE":
        return [high, (_JUMP_EQUAL, 0, 2, top), low, (_JUMP_EQUAL, size, 0, bottom), *then]
    jump, jump_swapped = {
        "SCMP_CMP_GT": (_JUMP_GREATER, False),
        "SCMP_CMP_GE": (_JUMP_GREATER_EQUAL, False),
        "SCMP_CMP_LE": (_JUMP_GREATER, True),
        "SCMP_CMP_LT": (_JUMP_GREATER_EQUAL, True),
    }.get(operator, (0, False))
    if not jump:
        raise ValueError(f"unknown seccomp operator {operator}")
    if jump_swapped:  # holds unless top/bottom is exceeded
        return [high, (_JUMP_GREATER, size + 3, 0, top), (_JUMP_EQUAL, 0, 2, top),
                low, (jump, size, 0, bottom), *then]  # fmt: skip
    return [high, (_JUMP_GREATER, 3, 0, top), (_JUMP_EQUAL, 0, size + 2, top), low, (jump, 0, size, bottom), *then]
