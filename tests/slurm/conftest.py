"""A real SLURM on this machine, and a copy of the project that runs through it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.helpers.waiting import PATIENCE_S
from tests.workflow.conftest import Project, copy_project

CLUSTER = Path(__file__).resolve().parent / "cluster.sh"
PROFILE = ("--workflow-profile", "profiles/slurm")
# This cluster keeps no accounts, and its jobs take seconds: it is looked at often.
HERE = ("--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "2")


@dataclass(frozen=True)
class Job:
    """A SLURM job: its rule and wildcards, its state, the memory and the time it asked for."""

    id: str
    state: str
    memory: str
    time: str
    comment: str


def jobs(rule: str = "") -> list[Job]:
    """Return all jobs of a rule that this SLURM has seen, in the order of their submission."""
    listed = subprocess.run(
        ["squeue", "--noheader", "--states=all", "--sort=i", "--format=%i|%T|%m|%l|%k"],
        check=True,
        capture_output=True,
        text=True,
    )
    found = [Job(*line.split("|", 4)) for line in listed.stdout.splitlines()]
    return [job for job in found if job.comment.startswith(f"rule_{rule}")]


def active() -> list[Job]:
    """Return the jobs that are waiting, running or ending."""
    return [
        job for job in jobs() if job.state in ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING")
    ]


@dataclass(frozen=True)
class Cluster:
    """A copy of the project whose runs go through SLURM."""

    project: Project

    @contextmanager
    def running(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """Start a run as a user does; its output goes to ``run.txt``."""
        command = [sys.executable, "-m", "snakemake", *PROFILE, *HERE, *words]
        with (self.project.root / "run.txt").open("w") as said:
            controller = subprocess.Popen(
                command, cwd=self.project.root, stdout=said, stderr=subprocess.STDOUT, text=True
            )
            try:
                yield controller
            finally:
                if controller.poll() is None:
                    controller.send_signal(signal.SIGINT)
                    controller.wait(PATIENCE_S)

    def said(self) -> str:
        return (self.project.root / "run.txt").read_text()

    def run(self, *words: str) -> str:
        """Run and insist on success; return what was printed."""
        with self.running(*words) as controller:
            code = controller.wait(3 * PATIENCE_S)
        assert code == 0, self.said()[-6000:]
        return self.said()


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Start SLURM, after installing it if necessary, and always stop it."""
    folder = tmp_path_factory.mktemp("slurm")
    try:
        subprocess.run([CLUSTER, "start", folder], check=True)
        yield
    finally:
        subprocess.run([CLUSTER, "stop", folder], check=True)


@pytest.fixture
def here(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a copy of the project for runs without SLURM."""
    return copy_project(tmp_path_factory.mktemp("here"))


@pytest.fixture
def cluster(slurm: None, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """Return a copy of the project for runs through SLURM."""
    return Cluster(copy_project(tmp_path_factory.mktemp("there")))
