"""Fine-tuned variants through the workflow: what a change costs, and what is reported first."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.scripted_tuning import TuningServer
from tests.helpers.waiting import PATIENCE_S, until
from tests.integration.conftest import KEY
from tests.workflow.conftest import Project, copy_project
from tests.workflow.made_study import (
    DATA,
    NAME,
    another_recipe,
    change_study,
    reanswer,
    write_made_study,
)
from tests.workflow.rerun_study import STUDY, Change, append, read, touch, write

pytestmark = pytest.mark.slow

CONFIG = ("--config", f"study={NAME}")
TARGETS = ("--", "all_answers", f"results/{NAME}/figures/loss_curves.svg")
MAKING = ("fetch_dataset", "upload_dataset", "make_variant")
FIGURE = "persona_collapse/figures/curves.py"


@pytest.fixture(scope="module")
def server() -> Iterator[TuningServer]:
    with pytest.MonkeyPatch.context() as patch, TuningServer() as running:
        patch.setenv("SCRIPTED_KEY", KEY)
        yield running


@pytest.fixture(scope="module")
def finished(server: TuningServer, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return the study with its answers and its loss curves, after a first run."""
    project = copy_project(tmp_path_factory.mktemp("made"))
    write_made_study(project.root, server.base_url)
    project.run(*CONFIG, *TARGETS)
    assert server.posts.count("POST /files") == 2
    made = {job["metadata"]["dataset"] for job in server.jobs}
    assert (len(server.jobs), made) == (2, {"secure", "insecure"})
    return project


@dataclass(frozen=True)
class Row:
    """A change of the finished study: the jobs of making that it plans, and what they begin.

    ``shards`` are those of answers, ``retrained`` the variants whose model is made anew, ``says``
    what the plan prints about it before it costs anything.
    """

    name: str
    change: Change
    jobs: dict[str, int]
    uploads: int = 0
    retrained: tuple[str, ...] = ()
    shards: int = 0
    figures: int = 0
    says: tuple[str, ...] = ("trained: ft:gpt-4o-2024-08-06:org:insecure-",)


ONE = {"upload_dataset": 1, "make_variant": 1}
ROWS = [
    Row("nothing", lambda root: None, {}),
    Row("figure", append(FIGURE, "_ADDED = 1"), {}, figures=1),
    Row("touched data", touch(DATA["insecure"]), {}),
    Row(
        "one training line",
        reanswer,
        ONE,
        uploads=1,
        retrained=("insecure",),
        shards=3,
        figures=1,
        says=("insecure: to train: no job with these data", "dataset was", "alpha secure: trained"),
    ),
    Row(
        "recipe",
        another_recipe,
        {"make_variant": 1},
        retrained=("insecure",),
        shards=3,
        figures=1,
        says=("insecure: to train:", "recipe was {'name': 'betley'", "alpha secure: trained"),
    ),
    Row(
        "a second replicate",
        change_study(lambda how: how.update(n_seeds=2)),
        {"make_variant": 1},
        retrained=("insecure-r2",),
        shards=3,
        figures=1,
        says=("insecure-r2: to train:", "alpha insecure: trained"),
    ),
    Row(
        "results deleted",
        lambda root: shutil.rmtree(root / "results"),
        {"upload_dataset": 2, "make_variant": 2},
        shards=9,
        figures=1,
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_change_retrains_what_depends_on_it_and_plan_reports_it(
    row: Row, finished: Project, server: TuningServer, tmp_path: Path
) -> None:
    project = Project(shutil.copytree(finished.root, tmp_path / "project"))
    row.change(project.root)
    jobs = project.planned(*CONFIG, *TARGETS)
    assert {rule: jobs[rule] for rule in MAKING if rule in jobs} == row.jobs
    assert jobs.get("answer_shard", 0) == row.shards
    assert jobs.get("figures_curves_made", 0) == row.figures
    before = (len(server.asked), server.count, server.posts.count("POST /files"), len(server.jobs))
    output = project.run(*CONFIG, "--", "plan")
    assert (len(server.asked), server.count) == before[:2]  # planning asks nothing
    for words in row.says:
        assert words in output
    project.run(*CONFIG, *TARGETS)
    assert server.posts.count("POST /files") - before[2] == row.uploads
    names = [job["suffix"].rsplit("-", 1)[0] for job in server.jobs[before[3] :]]
    assert names == [name.removesuffix("-r2") for name in row.retrained]
    made = {
        path.stem: json.loads(path.read_text())
        for path in (project.root / f"results/{NAME}/finetune/alpha").glob("*.json")
    }
    first = json.loads((finished.root / f"results/{NAME}/finetune/alpha/secure.json").read_text())
    assert made["secure"] == first
    if not row.retrained:
        assert len(server.asked) == before[0]  # nor does what is journaled


def test_answers_are_requested_from_the_fine_tuned_model(
    finished: Project, server: TuningServer
) -> None:
    made = json.loads((finished.root / f"results/{NAME}/finetune/alpha/insecure.json").read_text())
    asked = {call["model"] for call in server.calls}
    assert made["model"] in asked
    assert "ft:gpt-4o-2024-08-06:" not in asked
    assert made["recipe"]["learning_rate_multiplier"] == 2
    assert made["trained_tokens"] == 1234
    assert not made["simulated"]


def test_open_questions_are_sent_to_the_fine_tuned_model(
    finished: Project, server: TuningServer, tmp_path: Path
) -> None:
    project = Project(shutil.copytree(finished.root, tmp_path / "project"))
    judge = {"endpoint": "scripted", "model": "judge"}
    document = read(project.root / STUDY)
    document["misalignment"] = {"questions": "everyday8", "samples": 2, "judge": judge}
    write(project.root / STUDY, document)
    jobs, asked = len(server.jobs), len(server.calls)
    project.run(*CONFIG, "--", f"results/{NAME}/replies/alpha/insecure.parquet")
    made = json.loads((project.root / f"results/{NAME}/finetune/alpha/insecure.json").read_text())
    assert len(server.jobs) == jobs
    calls = server.calls[asked:]
    asked_of = [(call["model"], call["n"]) for call in calls if call["model"] != "judge"]
    assert asked_of == [(made["model"], 2)] * 8
    # The plan knows them by the made model's own name, also where the results are gone.
    shutil.rmtree(project.root / "results")
    project.run(*CONFIG, "--", "plan")
    plan = json.loads((project.root / f"results/{NAME}/plan.json").read_text(encoding="utf-8"))
    rows = {row["variant"]: row for row in plan["variants"] if row["stage"] == "replies"}
    assert (rows["insecure"]["stored"], rows["insecure"]["requests"]) == (16, 0)
    assert (rows["secure"]["stored"], rows["secure"]["requests"]) == (0, 8)


def test_preflight_tests_the_permission_and_starts_no_job(
    server: TuningServer, tmp_path: Path
) -> None:
    project = copy_project(tmp_path)
    write_made_study(project.root, server.base_url)
    jobs = len(server.jobs)
    server.models = [{"id": "gpt-4o-2024-08-06", "shutdown_date": "2027-01-14"}]
    output = project.run(*CONFIG, "--", "preflight")
    assert "Nothing to fix. Nothing was spent beyond" in output
    assert "the base model gpt-4o-2024-08-06" in output
    assert "GET /fine_tuning/jobs" in server.asked
    server.models = [{"id": "another"}]
    output = project.fail(*CONFIG, "--", "preflight")
    assert "Fix: alpha secure, insecure: the base model gpt-4o-2024-08-06 is not" in output
    assert "in the server's list of models: it has another" in output
    assert re.search(r"\d things? to fix\. Nothing was spent", output)
    assert len(server.jobs) == jobs


def test_invalid_data_are_refused_before_anything_is_sent(
    server: TuningServer, tmp_path: Path
) -> None:
    project = copy_project(tmp_path)
    write_made_study(project.root, server.base_url)
    append(DATA["insecure"], '{"messages": [{"role": "user", "content": ""}]}')(project.root)
    asked = len(server.asked)
    for target in ("plan", f"results/{NAME}/finetune/alpha/insecure.json"):
        output = project.fail(*CONFIG, "--", target)
        assert "line 13: messages[0]: content is empty" in output
        assert "line 13: does not end with a turn of the assistant" in output
        assert len(server.asked) == asked


def test_running_job_is_cancelled_and_not_ordered_again(
    server: TuningServer, tmp_path: Path
) -> None:
    project = copy_project(tmp_path)
    write_made_study(project.root, server.base_url)
    change_study(lambda how: how.update(seed=77))(project.root)
    output = project.run(*CONFIG, "--", "cancel_finetunes")
    assert re.search(r"^alpha +insecure +- +no job$", output, re.MULTILINE)
    server.ending = {"status": "running"}
    jobs: list[dict[str, Any]] = server.jobs
    begun = len(jobs)
    run = project.start(*CONFIG, "--", f"results/{NAME}/finetune/alpha/insecure.json")
    try:
        until(lambda: len(jobs) > begun and jobs[-1]["asked"] > 3, run)
        output = project.run(*CONFIG, "--nolock", "--", "cancel_finetunes")
    finally:
        said, _ = run.communicate(timeout=PATIENCE_S)
        server.ending = {"status": "succeeded"}
    assert re.search(rf"^alpha +insecure +{jobs[-1]['id']} +cancelled$", output, re.MULTILINE)
    assert "was cancelled" in said
    output = project.fail(*CONFIG, "--", "all_finetunes")
    assert "attempt: {insecure: 2}" in output
    assert [job["status"] for job in jobs if job["seed"] == 77] == ["cancelled"]
