"""High stacks: what overlayfs cannot stack at once shows the same after its lower part is merged."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from mydocker.build.request import BuildRequest
from mydocker.engine import Engine
from mydocker.image.merging import folded
from mydocker.runtime.rootfs import overlay_fd

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.root


def test_a_merged_stack_shows_what_the_whole_one_shows(tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    lines = ["FROM scratch"]
    for number in range(12):
        (context / f"f{number}").write_text(str(number))
        lines.append(f"COPY f{number} /d{number % 3}/f{number}")
    lines += ["COPY f0 /d0/f3", "COPY --from=base /bin/busybox /busybox"]
    lines += ['RUN ["/busybox", "rm", "-r", "/d1"]', "COPY f1 /d1/new"]
    (context / "Dockerfile").write_text("\n".join(lines) + "\n")
    engine = Engine(str(tmp_path / "store"))
    image = engine.build(BuildRequest(str(context))).image
    whole = engine.images.snapshot_dirs(image)
    few = folded(engine.layout, engine.images.snapshots, whole, 6)
    assert len(few) <= 6 < len(whole)
    assert few == folded(engine.layout, engine.images.snapshots, whole, 6)
    assert _listing(whole) == _listing(few)
    assert _listing(few)["d1"] == ["new"]


def _listing(directories: tuple[str, ...]) -> dict[str, list[str]]:
    with overlay_fd(directories) as root:
        return {
            os.path.relpath(folder, f"/proc/self/fd/{root}"): sorted([*folders, *files])
            for folder, folders, files in os.walk(f"/proc/self/fd/{root}")
        }
