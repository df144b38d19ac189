"""Chores about the code itself: format, lint, types, tests."""

from __future__ import annotations

import sys
from typing import Any

Task = dict[str, Any]

_PYTHON = sys.executable
_CODE = "mydocker tasks tests benchmarks dodo.py"


def task_format() -> Task:
    """Rewrite the code in the project's style."""
    return {"actions": [f"{_PYTHON} -m ruff check --fix-only -q {_CODE}", f"{_PYTHON} -m ruff format -q {_CODE}"]}


def task_types() -> Task:
    """Check the types of everything, strictly."""
    return {"actions": [f"{_PYTHON} -m mypy"]}


def task_lint() -> Task:
    """Check style and types; changes nothing."""
    return {
        "actions": [f"{_PYTHON} -m ruff check {_CODE}", f"{_PYTHON} -m ruff format --check -q {_CODE}"],
        "task_dep": ["types"],
    }


def task_test() -> Task:
    """Run the tests: unit tests for everybody, the kernel's and the peers' as root."""
    return {
        "actions": [f"{_PYTHON} -m pytest -q %(arguments)s"],
        "params": [
            {"name": "arguments", "long": "arguments", "default": "", "help": "more words for pytest, as one string"}
        ],
    }
