"""This repository's chores: `doit list` shows them, `doit` builds every sample image."""

from __future__ import annotations

from tasks.bench import task_bench
from tasks.checks import task_format, task_lint, task_test, task_types
from tasks.pictures import task_pictures
from tasks.samples import task_base, task_sample

__all__ = [
    "task_base",
    "task_bench",
    "task_format",
    "task_lint",
    "task_pictures",
    "task_sample",
    "task_test",
    "task_types",
]

DOIT_CONFIG = {"default_tasks": ["sample"], "dep_file": ".doit.db", "backend": "sqlite3", "verbosity": 2}
