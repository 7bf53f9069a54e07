"""A copy of the project to run studies in, and what a dry run plans there."""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.helpers.waiting import PATIENCE_S

PARTS = ("Snakefile", "config", "workflow", "persona_collapse", "resources", "profiles")


@dataclass(frozen=True)
class Project:
    """A checkout in which ``snakemake`` can be run."""

    root: Path

    def snakemake(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "snakemake", "--cores", "2", *words]
        return subprocess.run(
            command,
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=3 * PATIENCE_S,
            check=False,
        )

    def run(self, *words: str) -> str:
        """Run, require success, and return the output."""
        done = self.snakemake(*words)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]
        return done.stdout + done.stderr

    def fail(self, *words: str) -> str:
        """Run, require a failure without a traceback, and return the output."""
        done = self.snakemake(*words)
        text = done.stdout + done.stderr
        assert done.returncode != 0
        assert "Traceback" not in text, text[-6000:]
        return text

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a run and return while it is running."""
        command = [sys.executable, "-m", "snakemake", "--cores", "2", *words]
        return subprocess.Popen(
            command, cwd=self.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def planned(self, *words: str) -> dict[str, int]:
        """Return how many jobs of each rule a dry run plans."""
        table = re.search(r"^job +count\n-[- ]*\n(.*?)\n\n", self.run("-n", *words), re.M | re.S)
        if table is None:
            return {}
        jobs = dict(re.findall(r"^(\w+) +(\d+)$", table.group(1), re.M))
        jobs.pop("total", None)
        return {rule: int(count) for rule, count in jobs.items()}

    def study(self, name: str, **changes: Any) -> str:
        """Write a study made of the shipped quick one with some keys replaced; return its name."""
        quick = ROOT / "config" / "studies" / "quick.yaml"  # a test may have changed this one's
        document = {**yaml.safe_load(quick.read_text(encoding="utf-8")), **changes}
        path = self.root / "config" / "studies" / f"{name}.yaml"
        path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
        return f"study={name}"


def copy_project(target: Path) -> Project:
    """Copy what a run needs, without results, caches and fetched resources."""
    ignore = shutil.ignore_patterns("__pycache__", "external", "*.pyc")
    for part in (*PARTS, "environment.yml"):
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, target / part, ignore=ignore)
        else:
            shutil.copy2(source, target / part)
    return Project(target)


def made_once(
    factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]
) -> Project:
    """Return a copy of what ``make`` put into a folder; of all test processes, one makes it."""
    shared = factory.getbasetemp()
    if shared.name.startswith(
        "popen-gw"
    ):  # a process of pytest-xdist has a folder in the shared one
        shared = shared.parent
    made = shared / f"made-{name}"
    with (shared / f"made-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            unfinished = shared / f"unfinished-{name}"
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(made)
    return Project(Path(shutil.copytree(made, factory.mktemp(name) / "project", symlinks=True)))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return copy_project(tmp_path_factory.mktemp("project"))
