"""Containers on a host with control groups of version 2 alone, and a kernel of 2022: on a computer of their own.

It tells what each test inside did; the tests themselves are those of `tests/system/runtime`, which run here as well.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.system.machine import computer

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = [
    pytest.mark.root,
    pytest.mark.peer("qemu-system-x86_64", "mkfs.ext4", "busybox"),
    pytest.mark.timeout(900),
]

# Every limit, what is refused by default, and what an old kernel needs another way for. Emulated, a command takes a
# second, so this is a choice.
INNER = {
    "tests/system/machine/inside.py": (),
    "tests/system/runtime/test_defaults.py": (),
    "tests/system/runtime/test_lifecycle.py": (
        "test_exec_gets_what_the_container_has_and_its_own_user_and_folder",
        "test_pause_stops_the_clock",
        "test_limits_are_set_and_changed_while_it_runs",
        "test_running_out_of_memory_is_told",
    ),
    "tests/system/runtime/test_mounts.py": (
        "test_mount_points_leave_no_trace_in_the_container",
        "test_mounts_cross_only_where_they_are_asked_to",
    ),
    "tests/system/runtime/test_userns.py": ("test_files_have_the_ids_that_the_container_sees_on_the_disk_as_well",),
    "tests/system/runtime/test_escapes.py": (
        "test_13_control_groups_cannot_be_written",
        "test_18_limits_hold_against_bombs",
    ),
}


def _chosen() -> Iterable[str]:
    for file, names in INNER.items():
        yield from (f"{file}::{name}" for name in names) if names else (file,)


def test_on_a_host_with_version_2_alone(tmp_path: Path) -> None:
    """Boot, run, and compare: every test that was asked for has to have passed."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "mydocker-tests")
    kernel = computer.kernel(cache)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    command = f"{sys.base_prefix}/bin/{version} -m pytest -v --color=no --tb=short -p no:cacheprovider --durations=5"
    disk = computer.make_disk(kernel, f"{command} {' '.join(_chosen())}", tmp_path)
    try:
        report = computer.run(kernel, disk, tmp_path, seconds=800)
    finally:
        disk.unlink()
    outcomes = report.outcomes()
    sys.stdout.write(report.results)  # each inner test, for whoever runs pytest with -s or -rP
    assert {name: word for name, word in outcomes.items() if word != "PASSED"} == {}, report.results
    missing = [name for name in _chosen() if not any(each.startswith(name) for each in outcomes)]
    assert missing == [], report.results + report.console
