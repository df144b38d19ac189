"""From a document to a plan: what comes in which order, what is refused, and what a user namespace changes."""

from __future__ import annotations

from typing import Any

import pytest

from mydocker.errors import RuntimeFailure, UsageError
from mydocker.linux import mounts, namespaces
from mydocker.runtime import entries, plan, spec
from mydocker.runtime.options import ContainerOptions, Device, Mount
from mydocker.runtime.rootfs import Directory, Overlay

OVERLAY = Overlay(("/lower",), "/b/upper", "/b/work")
MAPPING = ((0, 1000, 100),)


def made(**options: Any) -> plan.Launch:
    document = spec.document(ContainerOptions(("true",), hostname="h", **options), "id")
    return plan.make(document, OVERLAY, cgroup_files=("/tasks",), cgroup_mounts=(("memory", "memory"),))


def names(launch: plan.Launch) -> list[str]:
    return [operation[1] if operation[0] == "mapped" else operation[0] for operation in launch.plan]


def test_the_order_of_a_default_container() -> None:
    found = names(made())
    assert found[:6] == ["cgroups", "unshare", "loopback", "hostname", "propagation", "overlay"]
    after = ["user", "workdir", "readonly", "mask", "pivot", "seccomp", "execute"]
    assert [name for name in found if name in after] == [name for name in after if name in found]
    assert found.index("mount") < found.index("device") < found.index("pivot")
    assert made().pid_namespace == ""


def test_namespaces_of_others_are_joined_before_new_ones_are_made() -> None:
    launch = made(network="/run/netns/x", pid="/proc/7/ns/pid", ipc="host")
    assert launch.plan[1] == ("join", "/run/netns/x", namespaces.CLONE_NEWNET)
    assert launch.pid_namespace == "/proc/7/ns/pid"
    flags = next(operation[1] for operation in launch.plan if operation[0] == "unshare")
    assert not flags & (namespaces.CLONE_NEWNET | namespaces.CLONE_NEWIPC | namespaces.CLONE_NEWPID)
    assert "loopback" not in names(launch)


def test_a_user_namespace_is_entered_after_all_that_needs_the_hosts_root() -> None:
    device = Device("/dev/x", "c", 1, 3)
    launch = made(userns="private", uid_mappings=MAPPING, gid_mappings=MAPPING, devices=(device,))
    found = names(launch)
    assert launch.pid_namespace is None, "a process namespace of its own is made inside"
    before = found[: found.index("enter")]
    assert before == ["cgroups", "user_namespace", "unshare", "propagation", "overlay", "device_files"]
    assert found[found.index("enter") + 1 :][:3] == ["unshare", "loopback", "hostname"]
    assert "device" not in found
    files = next(operation for operation in launch.plan if operation[1:2] == ("device_files",))
    assert ("device", "/dev/x", "c", 1, 3, 0o666, 0, 0) in files[-1]
    assert found.index("attach_root") < found.index("mount")


def test_file_systems_of_namespaces_that_are_the_hosts_are_bound_into_a_user_namespace() -> None:
    launch = made(userns="private", uid_mappings=MAPPING, gid_mappings=MAPPING, network="host", pid="host")
    bound = {
        operation[1]: operation[3]
        for operation in launch.plan
        if operation[:1] == ("mount",) and operation[2] == "bind"
    }
    assert bound["/sys"] == "/sys"
    assert bound["/proc"] == "/proc"


def test_early_copies_are_of_shared_and_of_idmapped_binds_only() -> None:
    tied = Mount("/a", "/tmp", "bind", ("rshared",))
    mapped = Mount("/b", "/tmp", "bind", ("idmap",))
    launch = made(mounts=(tied, mapped, Mount("/c", "/tmp")))
    early = [operation for operation in launch.plan if operation[0] == "tie" or operation[:2] == ("mapped", "bind")]
    assert early == [("tie", "/a", "/tmp"), ("mapped", "bind", "/b", "/tmp", True, False, (), ())]
    assert launch.plan.index(early[0]) < [operation[0] for operation in launch.plan].index("propagation")


def test_a_directory_is_used_as_it_is_and_a_plan_can_be_shown() -> None:
    document = spec.document(ContainerOptions(("true",)), "id")
    launch = plan.make(document, Directory("/root/fs"))
    assert "directory" in names(launch)
    lines = plan.describe(launch.plan)
    assert len(lines) == len(launch.plan)
    assert any(line.startswith("seccomp <") for line in lines), "programs are shown by their length"


@pytest.mark.parametrize(
    ("key", "options"),
    [
        ("kernel.core_pattern", {}), ("vm.swappiness", {}), ("kernel/core_pattern", {}), ("fs.file-max", {}),
        ("net.ipv4.ip_forward", {"network": "host"}), ("kernel.msgmax", {"ipc": "host"}),
        ("kernel.domainname", {"uts": "host"}),
    ],
)  # fmt: skip
def test_parameters_of_the_host_are_refused(key: str, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="--sysctl"):
        made(sysctls=((key, "1"),), **options)


def test_unknown_limits_are_refused_and_large_ones_are_none() -> None:
    with pytest.raises(UsageError, match="unknown resource limit"):
        made(rlimits=(("RLIMIT_NONSENSE", 1, 1),))
    launch = made(rlimits=(("RLIMIT_CORE", 2**63, -1),))
    assert ("rlimits", ((4, -1, -1),)) in launch.plan


def entry(**fields: Any) -> dict[str, Any]:
    return {"destination": "/x", "type": "bind", "source": "/tmp", "options": [], **fields}


def test_options_of_a_mount_are_flags_propagation_and_the_file_systems_own() -> None:
    tmpfs = entries.request(
        entry(type="tmpfs", source="tmpfs", options=["nosuid", "ro", "size=1m", "slave", "inode64"])
    )
    assert tmpfs == (
        "/x", "tmpfs", "tmpfs", mounts.ATTR_NOSUID | mounts.ATTR_RDONLY, mounts.MS_SLAVE,
        (("size", "1m"), ("inode64", None)), True, True,
    )  # fmt: skip
    assert entries.request(entry(options=["bind", "ro"]))[6] is False, "bind without r takes no submounts along"


@pytest.mark.parametrize("fields", [{"options": ["size=1m"]}, {"destination": "/"}, {"destination": "/.."}])
def test_mounts_that_make_no_sense(fields: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        entries.request(entry(**fields))


def test_a_source_that_is_missing_is_told_in_the_parent() -> None:
    with pytest.raises(RuntimeFailure, match="nowhere"):
        entries.request(entry(source="/nowhere"))


def test_mount_points_inside_other_mounts_need_no_stub() -> None:
    requests = [entries.request(entry(destination=path)) for path in ("/a", "/a/b", "/ab", "/a/c/d")]
    assert entries.stubs(requests) == (("/a", True), ("/ab", True))
