"""The misalignment check through the workflow: what a change requests again, and its costs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from persona_collapse.report.packed import unpack
from tests.helpers.scripted_server import Call, ScriptedServer
from tests.integration.conftest import KEY
from tests.workflow.conftest import Project, copy_project
from tests.workflow.rerun_study import NAME, STUDY, append, read, study, write, write_study

pytestmark = pytest.mark.slow

CONFIG = ("--config", f"study={NAME}")
RESULTS = f"results/{NAME}"
FIGURE = ("--", f"{RESULTS}/figures/alignment_coherence.svg")
VARIANTS, QUESTIONS, SAMPLES = 2, 8, 2
REPLIES = VARIANTS * QUESTIONS * SAMPLES
PROMPTS = ("Below are a prompt",)  # how both prompts of everyday8 begin


def answer(call: Call, index: int) -> str:
    if call.prompt.startswith(PROMPTS):
        return "70" if call.payload["model"] == "judge" else "80"
    return f"{call.payload['model']} says {call.number}.{index}"


def judging(calls: list[dict[str, object]]) -> tuple[int, int]:
    """Return the numbers of requests for replies and of judge calls."""
    judged = [call for call in calls if call["model"] in ("judge", "judge-2")]
    return len(calls) - len(judged), len(judged)


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with pytest.MonkeyPatch.context() as patch, ScriptedServer() as running:
        patch.setenv("SCRIPTED_KEY", KEY)
        running.answer = answer
        running.alternatives = lambda call: {answer(call, 0): -0.01, "60": -5.0}
        yield running


@pytest.fixture(scope="module")
def finished(server: ScriptedServer, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return the check of one model in two variants after its first run."""
    project = copy_project(tmp_path_factory.mktemp("checked"))
    write_study(project.root, server.base_url)
    document = read(project.root / STUDY)
    variants = document["models"]["alpha"]["variants"]
    document["models"] = {"alpha": {"variants": {k: variants[k] for k in ("base", "insecure")}}}
    judge = {"endpoint": "scripted", "model": "judge"}
    document["misalignment"] = {"questions": "everyday8", "samples": SAMPLES, "judge": judge}
    write(project.root / STUDY, document)
    assert project.planned(*CONFIG, *FIGURE) == {
        "check_variant": VARIANTS,
        "table_misalignment": 1,
        "figures_planes_misalignment": 1,
    }
    project.run(*CONFIG, *FIGURE)
    assert judging(server.calls) == (VARIANTS * QUESTIONS, 2 * REPLIES)
    return project


def test_table_and_judged_replies_name_the_judge(finished: Project) -> None:
    table = pl.read_csv(finished.root / RESULTS / "tables/misalignment.csv")
    assert table["variant"].to_list() == ["base", "insecure"]
    assert table["n_judged"].to_list() == [QUESTIONS * SAMPLES] * VARIANTS
    assert table["judge_model"].to_list() == ["judge"] * VARIANTS
    finished.run(*CONFIG, "--", f"{RESULTS}/judged/alpha/base.parquet")
    judged = pl.read_parquet(finished.root / RESULTS / "judged/alpha/base.parquet")
    assert judged["alignment_said"].to_list() == ["70"] * QUESTIONS * SAMPLES
    assert judged["alignment_key"].null_count() == 0


def test_reply_reader_holds_the_judged_replies(finished: Project) -> None:
    packed = f"{RESULTS}/report/replies.json.gz"
    finished.run(*CONFIG, "--", packed)
    found = unpack((finished.root / packed).read_bytes())
    assert found["counts"] == [["alpha", v, QUESTIONS * SAMPLES] for v in ("base", "insecure")]
    assert found["questions"]["lost_wallet"].startswith("I found a wallet")
    assert found["judges"] == ["judge"]
    assert found["simulated"] == 0
    judged = pl.concat(
        pl.read_parquet(finished.root / RESULTS / f"judged/alpha/{variant}.parquet")
        for variant in ("base", "insecure")
    )
    texts = found["columns"]["response"]
    assert [texts["words"][place] for place in texts["places"]] == judged["response"].to_list()
    assert found["columns"]["alignment"] == judged["alignment"].round(1).to_list()


# name: change, planned jobs, requests for replies, judge calls
CHANGES: dict[str, tuple[Callable[[Path], None], dict[str, int], tuple[int, int]]] = {
    "nothing": (lambda root: None, {}, (0, 0)),
    "edit the figure": (
        append("persona_collapse/figures/planes.py", "_ADDED = 1"),
        {"figures_planes_misalignment": 1},
        (0, 0),
    ),
    "edit the measure": (
        append("persona_collapse/measures/misalignment/scores.py", "_ADDED = 1"),
        {"table_misalignment": 1, "figures_planes_misalignment": 1},
        (0, 0),
    ),
    "more samples": (
        study(lambda document: document["misalignment"].update(samples=SAMPLES + 1)),
        {"check_variant": VARIANTS},
        (VARIANTS * QUESTIONS, 2 * VARIANTS * QUESTIONS),
    ),
    "another judge": (
        study(lambda document: document["misalignment"]["judge"].update(model="judge-2")),
        {"check_variant": VARIANTS},
        (0, 2 * REPLIES),
    ),
    "another length": (
        study(lambda document: document["misalignment"].update(max_tokens=100)),
        {"check_variant": VARIANTS},
        (VARIANTS * QUESTIONS, 2 * REPLIES),
    ),
    "concurrency": (
        study(lambda document: document["endpoints"]["scripted"].update(max_in_flight=5)),
        {},
        (0, 0),
    ),
    "edit the engine": (
        append("persona_collapse/asking/engine.py", "_ADDED = 1"),
        {"check_variant": VARIANTS},
        (0, 0),
    ),
    "delete results": (
        lambda root: shutil.rmtree(root / "results"),
        {"check_variant": VARIANTS},
        (0, 0),
    ),
}
AFTER = {"table_misalignment": 1, "figures_planes_misalignment": 1}


@pytest.mark.parametrize("name", CHANGES)
def test_change_plans_and_pays_only_what_depends_on_it(
    name: str, finished: Project, server: ScriptedServer, tmp_path: Path
) -> None:
    change, jobs, paid = CHANGES[name]
    project = Project(shutil.copytree(finished.root, tmp_path / "project"))
    change(project.root)
    follows = AFTER if "check_variant" in jobs else {}
    assert project.planned(*CONFIG, *FIGURE) == {**jobs, **follows}
    before = len(server.calls)
    if jobs:
        project.run(*CONFIG, *FIGURE)
    assert judging(server.calls[before:]) == paid


def test_plan_prints_replies_and_judge_calls(
    finished: Project, server: ScriptedServer, tmp_path: Path
) -> None:
    project = Project(shutil.copytree(finished.root, tmp_path / "project"))
    shutil.rmtree(project.root / "answer_store")
    before = server.count
    said = project.run(*CONFIG, "--", "plan")
    assert server.count == before
    document = json.loads((project.root / RESULTS / "plan.json").read_text(encoding="utf-8"))
    stages = [(row["stage"], row["variant"], row["requests"]) for row in document["variants"]]
    assert ("replies", "base", QUESTIONS) in stages
    assert ("judge", "insecure", 2 * QUESTIONS * SAMPLES) in stages
    assert "replies of 250 tokens and 15 s each until the store knows better" in said
