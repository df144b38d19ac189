"""The program that stands between the interpreter and the container's own: `enter.c`, as machine code.

The last thing that the set-up does is to execute this program from a sealed memory file. So a container can never reach
the interpreter through /proc/self/exe, nor by a script or a loader that names it (CVE-2019-5736): what it finds there
is this memory file, which nobody can write to. It is compiled once, by hand, because a compiler is not something that
a container runtime may ask for.
"""

from __future__ import annotations

import fcntl
import os
import struct

from mydocker.errors import RuntimeFailure

# gcc -Os -nostdlib -static -ffreestanding -fno-stack-protector -fno-pic -fno-jump-tables, section .text of enter.c
_CODE = {
    "x86_64": (
        "4889e74883e4f0e86d000000415441bc030000004989f94531d2554531c04889f5b84800000053bb01000000be020000004c89e7"
        "4889da0f05b83b000000498b7908498d71104889ea0f05f7d8488d7424fcba040000004c89e7894424fc4889d80f0531d2b8e700"
        "0000bf7f0000004889d60f055b5d415cc3415741564155415455488d6f08534883ec20488b074c8d64c710488b47088a003c690f"
        "85590100004c8d74241841b90e0000004531c041bd0200000041ba080000004c89c84c89ef4c89f248c7442410ffffffff488d74"
        "24100f0531d24531d2b8390000004889d74889d60f054889c34885c0754bb86d0000004889df4889de4889da0f05b8270000000f"
        "05be105400008944240c488d54240cb8100000000f0541ba080000004c89c84c89ef4c89f64889da0f054c89e64889efe8d3feff"
        "ffb80300000031d24531d24531c04889c74889d60f0541bf800000004c8d4c240c4983ccffbd3d00000041bd0100000041bee700"
        "000031d241ba080000004531c04c89f8488d7c24104889d60f054889c64883f81175474531d24531c04889e84c89e74c89ce4c89"
        "ea0f054885c07ec64839d875e28b44240c89c20fb6c483e27f74068d828000000031d24863f84531d24531c04c89f04889d60f05"
        "ebb9488d40eb4883f801768e4885f67e894531d24531c0b83e0000004889df0f05e974ffffff3c65750b4c89e64889efe803feff"
        "ff31d24531d24531c0b8e7000000bf7e0000004889d60f054883c4205b5d415c415d415e415fc3"
    ),
    "aarch64": (
        "e00300911e000094ff4300d1e50300aae60301aa280380d2600080d2410080d2220080d2030080d2040080d2010000d4a00440f9"
        "a81b80d2a1400091e20306aa010000d4e003004b080880d2e1330091820080d2e00f00b9600080d2010000d4c80b80d2e00f80d2"
        "010080d2020080d2010000d4ff430091c0035fd6fd7bbda9e60300aafd030091000440f9c58440f800004039a5040091c50c058b"
        "1fa40171a10a005400008092e1830091e2a30091e81080d2030180d2040080d2e01300f9400080d2010000d4881b80d2200280d2"
        "010080d2020080d2030080d2010000d4e70300aaa00200b5481380d2010000d4881580d2000080d2010000d4a80380d2e2730091"
        "01828ad2e01f00b9000080d2010000d4e81080d2e1a30091400080d2020080d2030180d2010000d4e10305aae00306aab5ffff97"
        "280780d2600080d2010080d2020080d2030080d2040080d2010000d4e0830091281180d2010080d2020080d2030180d2040080d2"
        "010000d4e10300aa1f4400f1e1020054e1730091882080d200008092220080d2030080d2040080d2010000d41f0000f1cdfdff54"
        "1f0007ebc1feff54e11f40b9c80b80d22218007240000211213c48d3020080d2007c40932000809a010080d2010000d4ebffff17"
        "005400d13f0000f100c841faa9fbff54e00307aa281080d2030080d2d8ffff171f94017181000054e10305aae00306aa81ffff97"
        "c80b80d2c00f80d2010080d2020080d2030080d2040080d2010000d4fd7bc3a8c0035fd6"
    ),
}

_ELF_MACHINE = {"x86_64": 62, "aarch64": 183}
_ADDRESS = 0x400000
_MFD_CLOEXEC, _MFD_ALLOW_SEALING, _MFD_EXEC = 0x1, 0x2, 0x10
_F_ADD_SEALS, _ALL_SEALS = 1033, 0x1 | 0x2 | 0x4 | 0x8


def image(machine: str) -> bytes:
    """Return the ELF file for `machine`: two headers and the code, mapped readable and executable."""
    try:
        code = bytes.fromhex(_CODE[machine])
    except KeyError:
        raise RuntimeFailure("start a container", f"not built for the machine {machine}") from None
    headers = 64 + 56
    size = headers + len(code)
    identification = b"\x7fELF" + bytes((2, 1, 1)) + bytes(9)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        identification, 2, _ELF_MACHINE[machine], 1, _ADDRESS + headers, 64, 0, 0, 64, 56, 1, 64, 0, 0,
    )  # fmt: skip
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _ADDRESS, _ADDRESS, size, size, 0x10000)
    return header + segment + code


def sealed() -> int:
    """Return a descriptor of the program, in memory and sealed against any change (memfd_create(2), fcntl(2))."""
    content = image(os.uname().machine)
    try:
        descriptor = os.memfd_create("mydocker-enter", _MFD_CLOEXEC | _MFD_ALLOW_SEALING | _MFD_EXEC)
    except OSError:  # the flag is of Linux 6.3; before, every memory file may be executed
        descriptor = os.memfd_create("mydocker-enter", _MFD_CLOEXEC | _MFD_ALLOW_SEALING)
    os.write(descriptor, content)
    fcntl.fcntl(descriptor, _F_ADD_SEALS, _ALL_SEALS)
    return descriptor
