"""``pip install .`` into a fresh virtual environment; fetching setuptools needs a network."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT


def test_installed_package_has_every_file_and_imports_nothing_heavy(tmp_path: Path) -> None:
    source = tmp_path / "source"  # the build leaves files beside its source
    source.mkdir()
    shutil.copytree(ROOT / "persona_collapse", source / "persona_collapse")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for folder in ("workflow", "tests", "resources"):  # a checkout has other folders
        (source / folder).mkdir()
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", source], check=True)
    listing = "print(persona_collapse.__path__[0], *sys.modules, sep='\\n')"
    done = subprocess.run(
        [python, "-c", f"import persona_collapse, sys; {listing}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    folder, *modules = done.stdout.splitlines()
    assert {"matplotlib", "numpy", "openai", "polars", "scipy"}.isdisjoint(modules)
    installed = Path(folder)
    assert tmp_path in installed.parents
    assert files_of(installed) == files_of(ROOT / "persona_collapse")
    assert not (installed.parent / "tests").exists()


def files_of(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
