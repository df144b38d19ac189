"""The program that stands between the interpreter and the container's own: `enter.c`, as machine code.

The last thing that the set-up does is to execute this program from a sealed memory file. So a container can never reach
the interpreter through /proc/self/exe, nor by a script or a loader that names it (CVE-2019-5736): what it finds there
is this memory file, which nobody can write to. It is compiled once, by hand, because a compiler is not something that
a container runtime may ask for; `tests/peers/runtime` compiles the source again and compares.
"""

from __future__ import annotations

import binascii
import fcntl
import os
import struct

from mydocker.errors import RuntimeFailure

# gcc -Os -nostdlib -static -ffreestanding (all flags: tests/peers/runtime/test_trampoline.py), section .text
_CODE = {
    "x86_64": (
        "SInnSIPk8OhtAAAAQVRBvAMAAABJiflFMdJVRTHASIn1uEgAAABTuwEAAAC+AgAAAEyJ50iJ2g8FuDsAAABJi3kISY1xEEiJ6g8F99hI"
        "jXQk/LoEAAAATInniUQk/EiJ2A8FMdK45wAAAL9/AAAASInWDwVbXUFcw0FXQVZBVUFUVUiNbwhTSIPsIEiLB0yNZMcQSItHCIA4aQ+F"
        "WQEAAEyNdCQYQbkOAAAARTHAQb0CAAAAQboIAAAATInITInvTInySMdEJBD/////SI10JBAPBTHSRTHSuDkAAABIiddIidYPBUiJw0iF"
        "wHVLuG0AAABIid9Iid5IidoPBbgnAAAADwW+EFQAAIlEJAxIjVQkDLgQAAAADwVBuggAAABMichMie9MifZIidoPBUyJ5kiJ7+jU/v//"
        "uAMAAAAx0kUx0kUxwEiJx0iJ1g8FQb+AAAAATI1MJAxJg8z/vT0AAABBvQEAAABBvucAAAAx0kG6CAAAAEUxwEyJ+EiNfCQQSInWDwVI"
        "icZIg/gRdUdFMdJFMcBIiehMiedMic5MieoPBUiFwH7GSDnYdeKLRCQMicIPtsSD4n90Bo2CgAAAADHSSGP4RTHSRTHATInwSInWDwXr"
        "uUiNQOtIg/gBdo5IhfZ+iUUx0kUxwLg+AAAASInfDwXpdP///0iDxCBMieZIie9bXUFcQV1BXkFf6fr9//8="
    ),
}

_ELF_MACHINE = {"x86_64": 62, "aarch64": 183}
_ADDRESS = 0x400000
_MFD_CLOEXEC, _MFD_ALLOW_SEALING, _MFD_EXEC = 0x1, 0x2, 0x10
_F_ADD_SEALS, _ALL_SEALS = 1033, 0x1 | 0x2 | 0x4 | 0x8


def image(machine: str) -> bytes:
    """Return the ELF file for `machine`: two headers and the code, mapped readable and executable."""
    try:
        code = binascii.a2b_base64(_CODE[machine])
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
