"""The floors of the package: a module imports only from rooms on the same floor or below."""

from __future__ import annotations

import ast
from pathlib import Path

from persona_collapse.plan.code import PACKAGE, ROOT

FLOORS = [
    {"common", "answers"},
    {"tables", "materials", "store", "layouts"},
    {"figures"},
    {"asking", "tasks", "measures", "report"},
    {"endpoints", "misalignment"},
    {"study"},
    {"finetuning"},
    {"plan", "commands", "terminal"},
    {"handover"},
]
FLOOR = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}
# Imports that run upwards today; each goes when its modules are rebuilt.
EXCEPTIONS: set[tuple[str, str]] = set()
# Rooms that read data alone, and what they may not know.
FORBIDDEN = {
    "measures": {"endpoints", "asking", "store"},
    "figures": {"endpoints", "asking", "store", "answers", "measures"},
    "report": {"endpoints", "asking", "store", "measures"},
}


def modules() -> dict[str, Path]:
    """Return every module of the package by its dotted name without the package's own."""
    files = (ROOT / PACKAGE).rglob("*.py")
    named = {path.relative_to(ROOT / PACKAGE).with_suffix("").parts: path for path in files}
    return {
        ".".join(parts[:-1] if parts[-1] == "__init__" else parts): path
        for parts, path in named.items()
    }


def imports() -> dict[str, set[str]]:
    """Return what each module imports of the package, also inside functions and for types."""
    known = modules()
    found: dict[str, set[str]] = {}
    for name, path in known.items():
        targets: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                targets |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                targets |= {full for full in inner if full.removeprefix(f"{PACKAGE}.") in known}
                targets.add(node.module)
        prefix = f"{PACKAGE}."
        found[name] = {
            target.removeprefix(prefix) for target in targets if target.startswith(prefix)
        }
    return found


def room(module: str) -> str:
    return module.split(".")[0]


def test_every_room_has_a_floor() -> None:
    assert {room(name) for name in modules() if name} <= set(FLOOR)


def test_imports_never_run_upwards() -> None:
    upward = {
        (name, target)
        for name, targets in imports().items()
        for target in targets
        if name and FLOOR[room(target)] > FLOOR[room(name)]
    }
    assert upward == EXCEPTIONS


def circle(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return what is left of a graph when every node without a way on has been taken out."""
    while leaves := {node for node, targets in graph.items() if not targets & set(graph)}:
        graph = {node: targets for node, targets in graph.items() if node not in leaves}
    return {node: targets & set(graph) for node, targets in graph.items()}


def test_rooms_do_not_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for name, targets in imports().items():
        for target in targets:
            if name and room(name) != room(target) and (name, target) not in EXCEPTIONS:
                graph.setdefault(room(name), set()).add(room(target))
    assert not circle(graph)


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    graph = {
        name: {t for t in targets if t != name and (name, t) not in EXCEPTIONS}
        for name, targets in imports().items()
    }
    assert not circle(graph)


def test_rooms_that_read_data_know_no_endpoint_and_no_store() -> None:
    known = {
        (name, target)
        for name, targets in imports().items()
        for target in targets
        if room(target) in FORBIDDEN.get(room(name), set())
    }
    assert not known
