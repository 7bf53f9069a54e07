"""A change to a finished study reruns exactly what depends on it and pays exactly what is new."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.scripted_server import ScriptedServer
from tests.integration.conftest import KEY
from tests.workflow.conftest import Project, copy_project
from tests.workflow.rerun_cases import CASES, EVERYTHING, PAGE, with_table
from tests.workflow.rerun_jobs import UNIT_RULES, Case
from tests.workflow.rerun_study import ITEMS, NAME, PEOPLE, write_study

pytestmark = pytest.mark.slow

CONFIG = ("--config", f"study={NAME}")
CELLS = 6 * (PEOPLE + 1) * ITEMS


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with pytest.MonkeyPatch.context() as patch, ScriptedServer() as running:
        patch.setenv("SCRIPTED_KEY", KEY)
        yield running


@pytest.fixture(scope="module")
def first(server: ScriptedServer, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project with the study in it, nothing run."""
    project = copy_project(tmp_path_factory.mktemp("reruns"))
    write_study(project.root, server.base_url)
    return project


@pytest.fixture(scope="module")
def plan(first: Project) -> dict[str, int]:
    """Return the jobs of the first run."""
    return planned(first)


@pytest.fixture(scope="module")
def finished(first: Project, plan: dict[str, int], server: ScriptedServer) -> Project:
    """Return the study after its first run."""
    first.run(*CONFIG, "--", "all_answers")
    assert (server.count, server.choices) == (CELLS, 3 * CELLS)
    first.run(*CONFIG)
    assert server.count == CELLS
    return first


def planned(project: Project) -> dict[str, int]:
    """Return the planned jobs by rule, without the whole-study target."""
    jobs = project.planned(*CONFIG)
    jobs.pop("all", None)
    return jobs


def test_first_run_plans_every_unit(plan: dict[str, int]) -> None:
    units = dict(zip(UNIT_RULES, EVERYTHING, strict=True))
    assert {rule: count for rule, count in plan.items() if rule in UNIT_RULES} == units


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_change_reruns_and_pays_only_what_depends_on_it(
    case: Case, finished: Project, plan: dict[str, int], server: ScriptedServer, tmp_path: Path
) -> None:
    # Metadata, times of files and the store come along: the copy is the finished study.
    project = Project(shutil.copytree(finished.root, tmp_path / "project"))
    case.change(project.root)
    jobs = planned(project)
    assert jobs == case.jobs(plan)
    before = (server.count, server.choices)
    if "answer_shard" in jobs:
        project.run(*CONFIG, "--until", "answer_shard", "--", "all_answers")
    assert (server.count - before[0], server.choices - before[1]) == (case.requests, case.answers)


def test_documented_table_equals_the_cases() -> None:
    output = "docs/reruns.md is out of date; run python -m tests.workflow.rerun_cases"
    text = PAGE.read_text(encoding="utf-8")
    assert text == with_table(text), output
