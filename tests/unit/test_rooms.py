"""Imports run one way, as docs/architecture.md draws it: no room knows those above it, and there are no rings."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "mydocker"
_BOTTOM = {"errors", "events", "values"}
_ROOMS = {
    "errors": set(),
    "events": {"values"},
    "values": set(),
    "linux": {"errors", "values"},
    "dockerfile": _BOTTOM,
    "image": {"linux", *_BOTTOM},
    "runtime": {"linux", *_BOTTOM},
    "network": {"linux", *_BOTTOM},
    "build": {"dockerfile", "image", "runtime", "linux", *_BOTTOM},
    "creation": {"image", "runtime", "linux", *_BOTTOM},
}
_ROOMS["engine"] = {*_ROOMS, "engine"}
_DOORS = {"cli", "shell", "pipeline", "__main__"}

MODULES = sorted(path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("*.py"))


def name_of(module: Path) -> str:
    return ".".join(("mydocker", *module.parts)).removesuffix(".__init__")


def imports(module: Path, *, at_start: bool = False) -> set[str]:
    """Return the modules of ours that a module imports: anywhere in it, or only when it is itself imported."""
    tree = ast.parse((PACKAGE / module).with_suffix(".py").read_text())
    found: set[str] = set()
    nodes = _at_start(tree) if at_start else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    known = {name_of(each) for each in MODULES}
    return {name for name in found if name in known}


def _at_start(tree: ast.Module) -> list[ast.stmt]:
    found: list[ast.stmt] = []
    todo = list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        found.append(node)
        if isinstance(node, ast.If | ast.Try | ast.With):
            todo += node.body
    return found


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_imports_run_one_way(module: Path) -> None:
    room = module.parts[0]
    if room in _DOORS or room == "__init__":
        return
    used = {name.split(".")[1] for name in imports(module) if "." in name} - {room}
    assert used <= _ROOMS[room], f"{name_of(module)} knows {sorted(used - _ROOMS[room])}"


def test_there_are_no_rings() -> None:
    graph = {name_of(module): imports(module, at_start=True) - {name_of(module)} for module in MODULES}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"a ring: {' -> '.join((*path[path.index(name) :], name))}"
        if name not in done:
            for other in sorted(graph[name]):
                # A package's own __init__ is loaded with each of its modules; only real uses count.
                if not name.startswith(f"{other}."):
                    visit(other, (*path, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())


def test_foreign_packages_live_in_one_room_each() -> None:
    homes = {
        "ctypes": {"linux"},
        "lark": {"dockerfile"},
        "doit": {"build", "pipeline"},
        "cmd2": {"shell"},
        "pyroute2": {"network"},
        "dnslib": {"network"},
        "zstandard": {"image"},
        "elftools": {"build"},
        "rich": {"cli"},
    }
    for module in MODULES:
        tree = ast.parse((PACKAGE / module).with_suffix(".py").read_text())
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for name in names:
                home = homes.get(name.partition(".")[0])
                assert home is None or module.parts[0] in home, f"{name_of(module)} imports {name}"
