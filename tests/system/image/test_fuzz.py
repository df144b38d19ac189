"""A short run of the fuzzer of layers and image archives, always the same cases; docs/images.md tells of long ones."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

pytestmark = pytest.mark.root


def test_cases_that_a_seed_makes_find_nothing() -> None:
    words = [sys.executable, "-m", "tests.fuzz.image_fuzz", "--cases", "400", "--seed", "7"]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    accepted = int(done.stdout.split()[4])
    assert accepted > 40, "what is refused at once tests little"
