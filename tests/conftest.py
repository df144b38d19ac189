"""What every test may rely on: who may run, what it needs, and that nothing is left behind.

MYDOCKER_TESTS_MAY_NOT_SKIP=1 (set by .ci/run) turns every skip into a failure of the run.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parent.parent


# A shell that runs the tests in the background has them ignore Ctrl-C, and so would every command that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def shared_directory() -> Path | None:
    """Return the folder with the shared test material, if this machine has it."""
    chosen = Path(os.environ.get("MYDOCKER_SHARED", REPOSITORY.parent / "shared"))
    return chosen if (chosen / "corpus").is_dir() else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("root") and os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="needs root: it works on the real kernel"))
        if item.get_closest_marker("shared") and shared_directory() is None:
            item.add_marker(pytest.mark.skip(reason="needs the shared corpus beside the checkout"))
        for peer in item.iter_markers("peer"):
            missing = [name for name in peer.args if shutil.which(name) is None]
            if missing:
                item.add_marker(pytest.mark.skip(reason=f"needs {', '.join(missing)}"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the shared test material; tests that use it carry the mark `shared`."""
    found = shared_directory()
    assert found is not None, "mark the test with pytest.mark.shared"
    return found


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of sample Dockerfiles."""
    return REPOSITORY / "samples"


def _mounts_below(directory: Path) -> list[str]:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return [line.split()[4] for line in file if line.split()[4].startswith(f"{directory}/")]


def empty_control_groups() -> set[str]:
    """Return the control groups of mydocker's containers and build steps in which no process lives."""
    found = set()
    for top in ("*", "*/*"):
        for path in Path("/sys/fs/cgroup").glob(f"{top}/mydocker/*/cgroup.procs"):
            try:
                if not path.read_bytes():
                    found.add(str(path.parent))
            except OSError:
                continue
    return found


@pytest.fixture(scope="session", autouse=True)
def nothing_left_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fail the run when a mount below its folder, or a control group without a process, is there after it.

    Other people's containers on the machine come and go meanwhile: only what stays empty is a leak.
    """
    before = empty_control_groups()
    yield
    deadline = time.monotonic() + 5
    while (left := empty_control_groups() - before) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert sorted(left) == [], "control groups left behind"
    assert _mounts_below(tmp_path_factory.getbasetemp()) == [], "mounts left behind"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if os.environ.get("MYDOCKER_TESTS_MAY_NOT_SKIP") and terminalreporter.stats.get("skipped"):
        terminalreporter.write_line("tests were skipped that had to run", red=True)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("MYDOCKER_TESTS_MAY_NOT_SKIP") and reporter and reporter.stats.get("skipped") and not exitstatus:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
