"""What is installed: one set of pinned versions, every package and every file the package reads."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import yaml

from tests.conftest import ROOT
from tests.helpers.environments import ASKING, needed

LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGE = ROOT / "persona_collapse"
MODULE_NAMES = {
    "dotenv": "python-dotenv",
    "yaml": "pyyaml",
    "markupsafe": "jinja2",
    "pydantic_core": "pydantic",
}


def canonical(requirement: str) -> str:
    """Return the name of a requirement without version and extras, as PyPI compares names."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~ ]", requirement)[0]).lower()


def test_environment_file_pins_every_version_of_the_lock_file() -> None:
    assert pins_of(ROOT / "environment.yml") == LOCK


def test_environments_of_rules_pin_versions_of_the_lock_file() -> None:
    for path in (ROOT / "workflow").rglob("envs/*.yml"):
        assert set(pins_of(path)) <= set(LOCK), path


def test_environment_of_asking_rules_has_what_their_code_imports() -> None:
    assert pins_of(ASKING) == needed(), "run python -m tests.helpers.environments"
    assert {canonical(pin) for pin in pins_of(ASKING)} >= {"openai", "aiohttp", "polars", "numpy"}
    assert "matplotlib" not in {canonical(pin) for pin in pins_of(ASKING)}


def pins_of(path: Path) -> list[str]:
    """Return the versions that pip installs in a conda environment."""
    pins: list[str] = yaml.safe_load(path.read_text(encoding="utf-8"))["dependencies"][-1]["pip"]
    return pins


def test_lock_file_pins_every_dependency_and_names_no_host() -> None:
    pinned = {canonical(line) for line in LOCK}
    project = PROJECT["project"]
    required = project["dependencies"] + project["optional-dependencies"]["dev"]
    assert {canonical(line) for line in required} <= pinned
    assert all(re.fullmatch(r"[\w.-]+==[\w.+]+", line) for line in LOCK)


def test_package_imports_only_declared_dependencies() -> None:
    declared = {canonical(line) for line in PROJECT["project"]["dependencies"]}
    imported = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.split(".")[0])
    others = imported - sys.stdlib_module_names - {"persona_collapse"}
    assert {canonical(MODULE_NAMES.get(name, name)) for name in others} <= declared


def test_package_data_covers_every_file_that_is_not_code() -> None:
    data = PROJECT["tool"]["setuptools"]["package-data"]
    patterns = [
        f"{name.replace('.', '/')}/{glob}" for name, globs in data.items() for glob in globs
    ]
    for path in PACKAGE.rglob("*"):
        place = path.relative_to(ROOT).as_posix()
        if path.suffix == ".py":
            assert (path.parent / "__init__.py").is_file(), f"{place} is in no package"
        elif path.is_file() and "__pycache__" not in path.parts:
            assert any(fnmatch(place, pattern) for pattern in patterns), place


def test_importing_the_package_loads_no_library() -> None:
    code = "import sys; old = {*sys.modules}; import persona_collapse; print(*{*sys.modules} - old)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert loaded - sys.stdlib_module_names == {"persona_collapse"}
