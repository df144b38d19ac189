"""What starts a container may not load slow modules (docs/runtime.md, Where the time goes)."""

from __future__ import annotations

import ast

import pytest

from tests.unit.test_rooms import MODULES, PACKAGE, _at_start, imports, name_of

# What `run`, `exec` and `ps` begin with; everything that these import at their top is on the path, too.
_ENTRANCES = (
    "mydocker.cli.main",
    "mydocker.cli.run",
    "mydocker.cli.containers",
    "mydocker.engine",
    "mydocker.creation.create",
    "mydocker.image.store",
    "mydocker.runtime.containers",
    "mydocker.runtime.foreground",
    "mydocker.runtime.attaching",
    "mydocker.runtime.joining",
    "mydocker.runtime.shim",
    "mydocker.runtime.health",
)
# Milliseconds of CPU to import, where a whole `run` has 40.
_SLOW = {
    "typing": 2.3,
    "dataclasses": 8,
    "pathlib": 4,
    "subprocess": 5,
    "shutil": 2,
    "hashlib": 3,
    "tempfile": 5,
    "socket": 3,
    "inspect": 8,
    "threading": 1,
    "logging": 6,
    "urllib": 5,
    "datetime": 1.5,
}


def _hot() -> list[str]:
    graph = {name_of(module): imports(module, at_start=True) for module in MODULES}
    found: set[str] = set()
    todo = list(_ENTRANCES)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += graph[name]
    return sorted(found)


@pytest.mark.parametrize("name", _hot())
def test_a_module_on_the_path_of_run_imports_nothing_slow(name: str) -> None:
    module = next(each for each in MODULES if name_of(each) == name)
    tree = ast.parse((PACKAGE / module).with_suffix(".py").read_text())
    used = set()
    for node in _at_start(tree):
        if isinstance(node, ast.Import):
            used |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module != "collections.abc":
            used.add(node.module.partition(".")[0])
    if name == "mydocker.values":
        used.discard("typing")
    assert not used & _SLOW.keys(), "import it inside the function that needs it; named tuples: mydocker.values"
