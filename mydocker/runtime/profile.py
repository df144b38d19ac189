"""The default system call profile: docker's rules (moby/profiles), told the other way round.

Docker lists some 360 calls that are allowed. Nearly everything is, so this lists what is *not*, and what is allowed
only with a capability; `document` gives the runtime-spec form. A test compares the two call by call.
"""

from __future__ import annotations

from mydocker.linux import seccomp, syscalls
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


_EPERM, _ENOSYS = 1, 38
_AF_ALG, _AF_VSOCK = 38, 40

# Calls that some capability opens; the same call may stand with several.
_BY_CAPABILITY = {
    "CAP_DAC_READ_SEARCH": "open_by_handle_at",
    "CAP_SYS_ADMIN": (
        "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr "
        "lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree open_tree_attr perf_event_open "
        "quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare"
    ),
    "CAP_SYS_BOOT": "reboot",
    "CAP_SYS_CHROOT": "chroot",
    "CAP_SYS_MODULE": "delete_module init_module finit_module",
    "CAP_SYS_PACCT": "acct",
    "CAP_SYS_PTRACE": "kcmp pidfd_getfd process_madvise",
    "CAP_SYS_RAWIO": "iopl ioperm",
    "CAP_SYS_TIME": "settimeofday stime clock_settime clock_settime64",
    "CAP_SYS_TTY_CONFIG": "vhangup",
    "CAP_SYS_NICE": "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
    "CAP_SYSLOG": "syslog",
    "CAP_BPF": "bpf",
    "CAP_PERFMON": "perf_event_open",
}

# Never allowed: obsolete, or doors to the kernel that no ordinary program opens. `socketcall` would hide the family
# of a socket from the filter (and so AF_ALG and AF_VSOCK); every 32-bit C library since 2016 does without.
_NEVER = (
    "_sysctl add_key afs_syscall bdflush break create_module file_getattr file_setattr ftime get_kernel_syms getpmsg "
    "gtty idle io_uring_enter io_uring_register io_uring_setup kexec_file_load kexec_load keyctl lock migrate_pages "
    "move_pages mpx nfsservctl nice oldfstat oldlstat oldolduname oldstat olduname pivot_root prof profil putpmsg "
    "query_module readdir request_key security sgetmask sigaction signal sigpending sigsuspend socketcall ssetmask "
    "stty swapoff swapon sysfs tuxcall ulimit uselib userfaultfd ustat vm86 vm86old vserver"
)

# personality(2): what changes nothing that matters (docker's five values).
_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)
_CLONE_NAMESPACES = 0x7E020000  # NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_EQUAL, _UNEQUAL, _MASKED = "SCMP_CMP_EQ", "SCMP_CMP_NE", "SCMP_CMP_MASKED_EQ"


def document(capabilities: frozenset[str]) -> dict[str, Any]:
    """Return the profile for a container with these capabilities, as the runtime-spec's `linux.seccomp`."""
    conditional = {"personality", "socket"} | {name for names in _BY_CAPABILITY.values() for name in names.split()}
    opened = {name for cap, names in _BY_CAPABILITY.items() if cap in capabilities for name in names.split()}
    known: set[str] = set()
    for architecture in (syscalls.X86_64, syscalls.I386, syscalls.AARCH64):
        known.update(syscalls.numbers(architecture))
    plain = (known - set(_NEVER.split()) - conditional) | (opened & known)
    rules: list[dict[str, Any]] = [{"names": sorted(plain), "action": "SCMP_ACT_ALLOW"}]
    rules += [_allow("personality", [(0, value, _EQUAL)]) for value in _PERSONALITIES]
    rules.append(_allow("socket", [(0, _AF_ALG, _UNEQUAL), (0, _AF_VSOCK, _UNEQUAL)]))
    if "CAP_SYS_ADMIN" not in capabilities:
        # The mask is the value and 0 the wanted result: no namespace flag at all.
        rules.append(_allow("clone", [(0, _CLONE_NAMESPACES, _MASKED)]))
        # Its flags lie in memory, out of a filter's sight: "no such call" makes C libraries fall back to clone.
        rules.append({"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": _ENOSYS})
    machine = seccomp.native()
    architectures = {
        syscalls.X86_64: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
        syscalls.AARCH64: ["SCMP_ARCH_AARCH64"],
    }.get(machine or 0, [])
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": _EPERM,
        "architectures": architectures,
        "syscalls": rules,
    }


def _allow(name: str, conditions: list[tuple[int, int, str]]) -> dict[str, Any]:
    args = [{"index": index, "value": value, "op": operator} for index, value, operator in conditions]
    return {"names": [name], "action": "SCMP_ACT_ALLOW", "args": args}
