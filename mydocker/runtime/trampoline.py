"""The program that stands between the interpreter and the container's own: `enter.c`, as machine code.

The last thing that the set-up does is to execute this program from a sealed memory file. So a container can never reach
the interpreter through /proc/self/exe, nor by a script or a loader that names it (CVE-2019-5736): what it finds there
is this memory file, which nobody can write to. It is compiled once, by hand, because a compiler is not something that
a container runtime may ask for.
"""

from __future__ import annotations

import binascii
import fcntl
import os
import struct

from mydocker.errors import RuntimeFailure

# gcc -Os -nostdlib -static -ffreestanding -fno-stack-protector -fno-pic -fno-jump-tables, section .text of enter.c
_CODE = {
    "x86_64": (
        "SInnSIPk8OhtAAAAQVRBvAMAAABJiflFMdJVRTHASIn1uEgAAABTuwEAAAC+AgAAAEyJ50iJ2g8FuDsAAABJi3kISY1xEEiJ6g8F99hI"
        "jXQk/LoEAAAATInniUQk/EiJ2A8FMdK45wAAAL9/AAAASInWDwVbXUFcw0FXQVZBVUFUVUiNbwhTSIPsIEiLB0yNZMcQSItHCIoAPGkP"
        "hVkBAABMjXQkGEG5DgAAAEUxwEG9AgAAAEG6CAAAAEyJyEyJ70yJ8kjHRCQQ/////0iNdCQQDwUx0kUx0rg5AAAASInXSInWDwVIicNI"
        "hcB1S7htAAAASInfSIneSInaDwW4JwAAAA8FvhBUAACJRCQMSI1UJAy4EAAAAA8FQboIAAAATInITInvTIn2SInaDwVMieZIie/o0/7/"
        "/7gDAAAAMdJFMdJFMcBIicdIidYPBUG/gAAAAEyNTCQMSYPM/709AAAAQb0BAAAAQb7nAAAAMdJBuggAAABFMcBMifhIjXwkEEiJ1g8F"
        "SInGSIP4EXVHRTHSRTHASInoTInnTInOTInqDwVIhcB+xkg52HXii0QkDInCD7bEg+J/dAaNgoAAAAAx0khj+EUx0kUxwEyJ8EiJ1g8F"
        "67lIjUDrSIP4AXaOSIX2folFMdJFMcC4PgAAAEiJ3w8F6XT///88ZXULTInmSInv6AP+//8x0kUx0kUxwLjnAAAAv34AAABIidYPBUiD"
        "xCBbXUFcQV1BXkFfww=="
    ),
    "aarch64": (
        "4AMAkR4AAJT/QwDR5QMAquYDAaooA4DSYACA0kEAgNIiAIDSAwCA0gQAgNIBAADUoARA+agbgNKhQACR4gMGqgEAANTgAwBLCAiA0uEz"
        "AJGCAIDS4A8AuWAAgNIBAADUyAuA0uAPgNIBAIDSAgCA0gEAANT/QwCRwANf1v17vanmAwCq/QMAkQAEQPnFhED4AABAOaUEAJHFDAWL"
        "H6QBcaEKAFQAAICS4YMAkeKjAJHoEIDSAwGA0gQAgNLgEwD5QACA0gEAANSIG4DSIAKA0gEAgNICAIDSAwCA0gEAANTnAwCqoAIAtUgT"
        "gNIBAADUiBWA0gAAgNIBAADUqAOA0uJzAJEBgorS4B8AuQAAgNIBAADU6BCA0uGjAJFAAIDSAgCA0gMBgNIBAADU4QMFquADBqq1//+X"
        "KAeA0mAAgNIBAIDSAgCA0gMAgNIEAIDSAQAA1OCDAJEoEYDSAQCA0gIAgNIDAYDSBACA0gEAANThAwCqH0QA8eECAFThcwCRiCCA0gAA"
        "gJIiAIDSAwCA0gQAgNIBAADUHwAA8c39/1QfAAfrwf7/VOEfQLnIC4DSIhgAckAAAhEhPEjTAgCA0gB8QJMgAICaAQCA0gEAANTr//8X"
        "AFQA0T8AAPEAyEH6qfv/VOADB6ooEIDSAwCA0tj//xcflAFxgQAAVOEDBargAwaqgf//l8gLgNLAD4DSAQCA0gIAgNIDAIDSBACA0gEA"
        "ANT9e8OowANf1g=="
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
