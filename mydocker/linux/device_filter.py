"""Which device nodes a control group may use, on version 2: a BPF program, there is no file (cgroup-v2.rst)."""

from __future__ import annotations

import ctypes
import os
import struct

from mydocker.linux import libc
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


_SYS_BPF = 321 if os.uname().machine == "x86_64" else 280
_BPF_PROG_LOAD, _BPF_PROG_ATTACH = 5, 8
_PROG_TYPE_CGROUP_DEVICE, _ATTACH_CGROUP_DEVICE = 15, 6
_ALLOW_MULTI = 2

# struct bpf_cgroup_dev_ctx { u32 access_type (access << 16 | type), major, minor }
_TYPES = {"b": 1, "c": 2}
_ACCESS = {"m": 1, "r": 2, "w": 4}

# linux/bpf.h
_LOAD_WORD, _MOVE, _MOVE_REGISTER, _AND, _SHIFT_RIGHT = 0x61, 0xB7, 0xBF, 0x57, 0x77
_JUMP_NOT_EQUAL, _JUMP_NOT_EQUAL_REGISTER, _EXIT = 0x55, 0x5D, 0x95


def compile_rules(rules: list[dict[str, Any]]) -> bytes:
    """Return the program for the runtime-spec's `resources.devices`: the last rule that matches decides."""
    code = [
        _instruction(_LOAD_WORD, 2, 1, 0),  # r2 = type
        _instruction(_MOVE_REGISTER, 3, 2),
        _instruction(_AND, 2, immediate=0xFFFF),
        _instruction(_SHIFT_RIGHT, 3, immediate=16),  # r3 = access
        _instruction(_LOAD_WORD, 4, 1, 4),  # r4 = major
        _instruction(_LOAD_WORD, 5, 1, 8),  # r5 = minor
    ]
    for rule in reversed(rules):
        block = _rule(rule)
        code += block
        if len(block) == 2:  # matches everything: what was said before it does not count
            return b"".join(code)
    return b"".join([*code, *_answer(False)])


def _rule(rule: dict[str, Any]) -> list[bytes]:
    answer = _answer(bool(rule["allow"]))
    tests: list[tuple[str, int]] = []
    if rule.get("type", "a") in _TYPES:
        tests.append(("type", _TYPES[rule["type"]]))
    wanted = sum(_ACCESS[letter] for letter in set(rule.get("access") or "rwm"))
    if wanted != 7:
        tests.append(("access", wanted))
    for key in ("major", "minor"):
        if rule.get(key) is not None and rule[key] >= 0:
            tests.append((key, rule[key]))
    code = answer
    for kind, value in reversed(tests):
        size = len(code)
        if kind == "access":  # r6 = r3 & wanted; every asked bit has to be granted
            code = [
                _instruction(_MOVE_REGISTER, 6, 3),
                _instruction(_AND, 6, immediate=value),
                _instruction(_JUMP_NOT_EQUAL_REGISTER, 6, 3, size),
                *code,
            ]
        else:
            register = {"type": 2, "major": 4, "minor": 5}[kind]
            code = [_instruction(_JUMP_NOT_EQUAL, register, 0, size, value), *code]
    return code


def _answer(allowed: bool) -> list[bytes]:
    return [_instruction(_MOVE, 0, immediate=int(allowed)), _instruction(_EXIT)]


def _instruction(code: int, target: int = 0, source: int = 0, offset: int = 0, immediate: int = 0) -> bytes:
    return struct.pack("=BBhi", code, source << 4 | target, offset, immediate)


def attach(directory: str, rules: list[dict[str, Any]]) -> None:
    """Let `rules` decide for the control group `directory`; the program lives as long as the group."""
    program = compile_rules(rules)
    code = ctypes.create_string_buffer(program, len(program))
    name = ctypes.create_string_buffer(b"Apache-2.0")
    load = struct.pack(
        "=IIQQIIQII",
        _PROG_TYPE_CGROUP_DEVICE,
        len(program) // 8,
        ctypes.addressof(code),
        ctypes.addressof(name),
        0,
        0,
        0,
        0,
        0,
    )
    descriptor = _bpf(_BPF_PROG_LOAD, load, directory)
    try:
        group = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _bpf(
                _BPF_PROG_ATTACH,
                struct.pack("=IIII", group, descriptor, _ATTACH_CGROUP_DEVICE, _ALLOW_MULTI),
                directory,
            )
        finally:
            os.close(group)
    finally:
        os.close(descriptor)


def _bpf(command: int, attributes: bytes, path: str) -> int:
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    return libc.syscall(_SYS_BPF, "bpf", command, ctypes.byref(buffer), len(attributes), path=path)
