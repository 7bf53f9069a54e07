"""Simulated studies through the workflow: reruns, growth, and extreme studies."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from tests.conftest import ROOT
from tests.workflow.conftest import Project, copy_project, made_once

QUICK = "study=quick"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return made_once(
        tmp_path_factory, "quick", lambda root: copy_project(root).run("--config", QUICK)
    )


def quick_models() -> dict[str, Any]:
    path = ROOT / "config" / "studies" / "quick.yaml"
    models = yaml.safe_load(path.read_text(encoding="utf-8"))["models"]
    assert isinstance(models, dict)
    return models


def test_second_run_plans_nothing(finished: Project) -> None:
    assert finished.planned("--config", QUICK) == {}


def test_every_table_is_marked_as_simulated(finished: Project) -> None:
    tables = list((finished.root / "results" / "quick" / "tables").glob("*.csv"))
    assert tables
    for table in tables:
        frame = pl.read_csv(table, infer_schema_length=None)
        if "simulated" in frame.columns and frame.height:
            assert frame["simulated"].all(), table.name
    marked = {table.stem for table in tables if "simulated" in table.read_text().splitlines()[0]}
    assert marked >= {"metrics", "profiles", "quality", "contrasts"}


def test_new_model_plans_its_own_units_and_all_tables(finished: Project) -> None:
    models = quick_models()
    models["another"] = models["gpt-4o"]
    config = finished.study("quick", models=models)
    planned = finished.planned("--config", config)
    variants, probes = 3, 2
    assert planned["answer_shard"] == variants * probes
    assert planned["measure_unit"] == variants * probes
    per_unit = {rule for rule in planned if rule.startswith(("answer", "measure"))}
    study_level = {rule: count for rule, count in planned.items() if rule not in per_unit}
    of_a_study = (
        *("join", "table", "figure", "report", "render", "pack", "provenance", "all", "headlines"),
    )
    assert all(rule.startswith(of_a_study) for rule in study_level), study_level


@pytest.mark.slow
def test_metrics_of_a_model_do_not_change_when_one_is_added(project: Project) -> None:
    models = quick_models()
    one = project.study("one", models={"m": models["gpt-4o"]})
    project.run("--config", one, "--", "all_metrics")
    before = (project.root / "results/one/metrics/m/insecure/roleplay.parquet").read_bytes()
    two = project.study("one", models={"n": models["gpt-4o"], "m": models["gpt-4o"]})
    project.run("--config", two, "results=again", "--", "all_metrics")
    after = (project.root / "again/one/metrics/m/insecure/roleplay.parquet").read_bytes()
    assert before == after


@pytest.mark.slow
def test_power_is_planned_from_planted_values_without_answers(project: Project) -> None:
    values = {"power": {"planted": {"S": 0.8, "R": 10}}}
    config = project.study("to-plan", analysis=values)
    assert project.planned("power", "--config", config) == {"power": 1, "table_power": 1}
    text = project.run("power", "--config", config)
    assert "planted: to detect a rise of S of 20 % and a fall of R of 20 %" in text
    assert "Two variants on the same personas" in text
    pilot = project.study("to-plan", analysis={})
    jobs = project.planned("power", "--config", pilot)
    assert jobs["measure_unit"] == 2  # the baseline and the target
    guess = project.planned("power", "--config", pilot, "planted={S: 1, R: 5}", "results=guess")
    assert guess == {"power": 1, "table_power": 1}


def recorded_study(project: Project, name: str, rows: dict[str, pl.DataFrame]) -> str:
    """Write answers as Parquet, one file per variant, and a study that reads them."""
    folder = project.root / "recorded" / name
    folder.mkdir(parents=True)
    instrument = {
        "name": "tiny",
        "title": "One item",
        "licence": "CC0-1.0",
        "source": "a test",
        "scale": {"minimum": 1, "maximum": 5},
        "domains": ["Care"],
        "prompts": {"persona": "{persona} {question}", "sections": {"s": "{item}"}},
        "items": [{"id": 1, "section": "s", "domain": "Care", "text": "Kindness"}],
    }
    (folder / "tiny.yaml").write_text(yaml.safe_dump(instrument), encoding="utf-8")
    variants = {}
    for variant, frame in rows.items():
        frame.write_parquet(folder / f"{variant}.parquet")
        variants[variant] = {"endpoint": "here", "files": {"roleplay": f"{variant}.parquet"}}
    probe = {
        "instrument": str(folder / "tiny.yaml"),
        "personas": "everyday100",
        "persona_count": 3,
        "repetitions": 2,
    }
    return project.study(
        name,
        endpoints={"here": {"kind": "recorded", "root": str(folder)}},
        models={"m": {"variants": variants}},
        probes={"roleplay": probe},
    )


def ratings(values: list[int | None]) -> pl.DataFrame:
    """Return three personas x one item x two repetitions with these ratings."""
    slots = [(p, 1, r) for p in range(3) for r in (1, 2)]
    rows = [(*slot, value) for slot, value in zip(slots, values, strict=True)]
    return pl.DataFrame(
        rows,
        schema={
            "persona_id": pl.Int32,
            "item_id": pl.Int32,
            "repetition": pl.Int32,
            "rating": pl.Int8,
        },
        orient="row",
    )


@pytest.mark.slow
def test_one_item_equal_answers_and_missing_variants_give_a_page(project: Project) -> None:
    steady = ratings([1, 1, 3, 3, 5, 5])
    torn = ratings([1, 2, None, None, 5, None])
    config = recorded_study(project, "edges", {"base": steady, "insecure": torn})
    project.run("--config", config)
    folder = project.root / "results" / "edges"
    metrics = pl.read_csv(folder / "tables" / "metrics.csv", infer_schema_length=None)
    base, insecure = metrics.filter(pl.col("domain") == "overall").iter_rows(named=True)
    assert base["S"] == pytest.approx(2.0)
    assert math.isinf(base["R"])
    assert insecure["n_personas"] == 2  # persona 1 has no valid rating
    # Persona 2 answered once: its cell takes the SD of the item's other cell.
    assert insecure["sigma_bar"] == pytest.approx(math.sqrt(0.5))
    quality = pl.read_csv(folder / "tables" / "quality.csv").filter(pl.col("variant") == "insecure")
    assert quality["personas_dropped"].item() == 1
    assert quality["answered"].item() == 3
    assert (folder / "report" / "index.html").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["study=qick"], "did you mean 'quick'"),
        (["study=quick", "models=gpt-4"], "did you mean 'gpt-4o'"),
        (["study=quick", "modles=gpt-4o"], "modles: unknown key (did you mean 'models'?)"),
        (["study=no/such.yaml"], "no/such.yaml: there is no such file"),
        (["study=published"], "are not there"),
    ],
)
def test_invalid_setting_is_reported_in_one_message(
    project: Project, words: list[str], message: str
) -> None:
    text = project.fail("-n", "--config", *words)
    assert message in text
    assert "common.smk" not in text  # where in the workflow it was noticed helps nobody


def test_errors_are_printed_under_quiet_all(project: Project) -> None:
    planning = project.snakemake("-n", "--quiet", "all", "--config", "study=qick")
    assert planning.returncode == 1
    assert "study=qick: no such study (did you mean 'quick'?)" in planning.stderr
    config = recorded_study(project, "twice", {"base": ratings([1, 1, 3, 3, 5, 5])})
    torn = project.root / "recorded" / "twice" / "base.parquet"
    torn.write_bytes(torn.read_bytes()[:40])
    in_a_job = project.snakemake("--quiet", "all", "--config", config)
    assert in_a_job.returncode == 1
    assert f"  {torn}: cannot be read as Parquet" in in_a_job.stderr


def test_run_from_another_folder_is_reported_in_one_message(
    project: Project, tmp_path: Path
) -> None:
    shutil.copytree(project.root / "config", tmp_path / "config")
    text = project.fail("-n", "--directory", str(tmp_path), "--config", QUICK)
    assert f"run snakemake in the project's own folder, {project.root}" in text


def test_workflow_snakefile_plans_the_same_jobs(project: Project) -> None:
    config = ["--config", QUICK, "results=catalogue"]
    assert project.planned("-s", "workflow/Snakefile", *config) == project.planned(*config)


def test_results_are_in_the_documented_places(finished: Project) -> None:
    folder = finished.root / "results" / "quick"
    for path in (
        "shards/gpt-4o/insecure/roleplay/p000-039_i01-30_r01-05.parquet",
        "answers/gpt-4o/insecure/roleplay.parquet",
        "moments/gpt-4o/insecure/roleplay.parquet",
        "metrics/gpt-4o/insecure/roleplay.parquet",
        "tables/metrics.csv",
        "tables/metrics.md",
        "tables/metrics.tex",
        "tables/headlines.json",
        "report/index.html",
        "provenance.json",
    ):
        assert (folder / path).is_file(), path


def test_folder_of_answers_holds_every_answer_once(finished: Project) -> None:
    folder = finished.root / "results" / "quick" / "answers"
    answers = pl.read_parquet(folder / "**" / "*.parquet")
    slots = ["model", "variant", "probe", "persona_id", "item_id", "repetition"]
    assert answers.height == 3 * (40 * 30 * 5 + 30 * 5)
    assert not answers.select(slots).is_duplicated().any()


def test_study_of_other_items_than_earlier_models_shows_no_band(finished: Project) -> None:
    folder = finished.root / "results" / "quick"
    assert list((folder / "tables").glob("band*")) == []
    assert list((folder / "figures").glob("*band*")) == []
    page = (folder / "report" / "index.html").read_text(encoding="utf-8")
    assert "earlier models" not in page
    assert "new base model" not in page
    assert json.loads((folder / "tables" / "headlines.json").read_text())["band"] == {}


def test_page_of_tables_lists_every_table(finished: Project) -> None:
    page = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
    for table in (finished.root / "results" / "quick" / "tables").glob("*.csv"):
        assert f"`{table.name}`" in page, table.name


def test_page_is_marked_as_simulated(finished: Project) -> None:
    page = Path(finished.root / "results/quick/report/index.html").read_text(encoding="utf-8")
    assert "simulated" in page.lower()
