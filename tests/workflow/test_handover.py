"""A study analysed again from its bundle, or cut into other shards, gives the same numbers."""

from __future__ import annotations

import json
import shutil
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from persona_collapse.answers import SCHEMA, collect_answers, conform, write_answers
from persona_collapse.endpoints import recorded
from persona_collapse.layouts import tables as files
from persona_collapse.materials.convert import external
from persona_collapse.plan.answers import Layout
from persona_collapse.study.load import find_study, load_study
from persona_collapse.study.resolved import Study
from persona_collapse.tasks import task_of
from tests.conftest import ROOT
from tests.workflow.conftest import Project

pytestmark = pytest.mark.slow

PERSONAS, ITEMS, REPETITIONS = 5, 30, 3
STATUSES = ("unparseable", "refused", "filtered", "error")


def answers(variant: str, probe: str, personas: int | None, spread: float) -> pl.DataFrame:
    """Made-up answers with retries, every status, a lost persona, gaps and extra repetitions."""
    rng = np.random.default_rng([len(variant), len(probe), int(10 * spread)])
    rows: list[dict[str, Any]] = []
    for persona in [None] if personas is None else range(personas):
        for item in range(1, ITEMS + 1):
            for repetition in range(1, REPETITIONS + 2):
                extra = repetition > REPETITIONS
                if (extra and item > 3) or (item == 5 and repetition == 2):
                    continue
                lost = (persona == 2 and item == 7) or rng.random() < 0.03
                centre = 2.5 + (0 if persona is None else persona - 2) * spread / 2
                rating = int(np.clip(round(rng.normal(centre, spread)), 0, 5))
                tries = int(rng.integers(1, 4))
                rows.append(
                    {
                        **{"model": "m", "variant": variant, "probe": probe},
                        **{"persona_id": persona, "item_id": item, "repetition": repetition},
                        "rating": None if lost else rating,
                        "status": STATUSES[item % 4] if lost else "ok",
                        **{"late": tries == 3, "attempts": tries, "parse_failures": tries - 1},
                        **{"transport_failures": tries % 2, "response": f"I say {rating}, ü\n"},
                        **{"served_model": "m-2026", "created_at": "2026-05-12T00:00:00Z"},
                    }
                )
    return conform(pl.DataFrame(rows, schema_overrides=dict(SCHEMA), infer_schema_length=None))


def probabilities(variant: str, spread: float) -> pl.DataFrame:
    """Made-up first-token probabilities, one row per cell."""
    rng = np.random.default_rng(len(variant))
    rows = []
    for persona in range(PERSONAS):
        for item in range(1, ITEMS + 1):
            weights = rng.dirichlet(np.full(6, spread))
            rows.append(
                {
                    **{"model": "m", "variant": variant, "probe": "exact", "persona_id": persona},
                    **{"item_id": item, "repetition": 1, "status": "ok", "attempts": 1},
                    "probabilities": weights.tolist(),
                }
            )
    return conform(pl.DataFrame(rows))


@pytest.fixture(scope="module")
def config(project: Project) -> str:
    """A study of every kind of answer: recorded with faults, log-probabilities, simulated."""
    folder = project.root / "made"
    variants: dict[str, Any] = {}
    for variant, spread in (("base", 0.4), ("insecure", 1.2)):
        write_answers(
            answers(variant, "roleplay", PERSONAS, spread), folder / variant / "roleplay.parquet"
        )
        write_answers(answers(variant, "alone", None, spread), folder / variant / "alone.parquet")
        write_answers(probabilities(variant, spread), folder / variant / "exact.parquet")
        files = {p: f"{variant}/{p}.parquet" for p in ("roleplay", "alone", "exact")}
        variants[variant] = {"endpoint": "files", "step": 100, "files": files}
    del variants["base"]["step"]
    variants["secure"] = {"endpoint": "simulated", "planted": {"S": 0.8, "R": 4}}
    asked = {"instrument": "moral30", "personas": "everyday100", "persona_count": PERSONAS}
    return project.study(
        "awkward",
        endpoints={
            "files": {"kind": "recorded", "root": str(folder)},
            "simulated": {"kind": "simulated"},
        },
        models={"m": {"label": "M", "mixed_backends": True, "variants": variants}},
        allow_mixed_backends=True,
        probes={
            "roleplay": {**asked, "repetitions": REPETITIONS},
            "exact": {**asked, "repetitions": 5, "method": "logprobs"},
            "alone": {"instrument": "moral30", "repetitions": REPETITIONS},
        },
        shards={"personas": 3, "items": 30, "repetitions": 10},
        analysis={
            **{"unconditioned_probe": "alone", "bootstrap_personas": 50, "bootstrap_reruns": 20},
            **{"bootstrap_diagnostics": 30, "permutations": 99},
        },
    )


@pytest.fixture(scope="module")
def archive(project: Project, config: str) -> Path:
    project.run("--config", config, "--", "bundle")
    return project.root / "results" / "awkward" / "awkward.bundle.zip"


def tables(folder: Path) -> dict[str, bytes]:
    found = [*folder.glob("*.csv"), *folder.glob("headlines.json")]
    return {path.name: path.read_bytes() for path in found}


def test_reanalysis_gives_equal_bytes_of_every_table(project: Project, archive: Path) -> None:
    again = project.root / "results" / "awkward-reanalysis"
    elsewhere = project.root / "from-a-colleague.zip"
    shutil.copy2(archive, elsewhere)
    before = tables(archive.parent / "tables")
    headlines = "results/awkward-reanalysis/tables/headlines.json"
    project.run("--config", f"study={elsewhere.name}", "--", "all_tables", headlines)
    after = tables(again / "tables")
    assert {"metrics.csv", "quality.csv", "temperature.csv", "trajectory.csv"} <= set(after)
    assert set(after) == set(before)
    assert [name for name in after if after[name] != before[name]] == []
    assert tables(archive.parent / "tables") == before
    # The bundle includes lost personas, failures, retries and the simulated mark.
    quality = pl.read_csv(again / "tables" / "quality.csv").filter(probe="roleplay")
    base, _, secure = sorted(quality.iter_rows(named=True), key=lambda row: row["variant"])
    assert base["personas_dropped"] == 1
    assert base["missing"] > 0
    assert base["extra_repetitions"] > 0
    assert base["retried_share"] > 0
    assert (base["simulated"], secure["simulated"]) == (False, True)


def test_bundle_has_the_answers_of_the_study(archive: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        for path in (archive.parent / "answers" / "m").rglob("*.parquet"):
            place = path.relative_to(archive.parent).as_posix()
            assert packed.read(f"awkward.bundle/{place}") == path.read_bytes()
        study = json.loads(packed.read("awkward.bundle/study.json"))
    assert study["models"]["m"]["variants"]["insecure"]["step"] == 100


def test_unpacked_bundle_can_be_run(project: Project, archive: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(project.root / "unpacked")
    config = ["--config", "study=unpacked/awkward.bundle", "results=other"]
    planned = project.planned(*config, "--", "all_tables")
    assert planned["measure_unit"] == 9
    assert "external_resource" not in planned


def test_damaged_bundle_is_reported_in_one_message(project: Project, archive: Path) -> None:
    (project.root / "half.zip").write_bytes(archive.read_bytes()[:5000])
    text = project.fail("-n", "--config", "study=half.zip")
    assert "half.zip: cannot be unpacked" in text


def collected(study: Study, texts: Path, target: Path) -> tuple[int, dict[str, bytes]]:
    """Answer every shard of a study as its jobs do; return how many, and the collected files."""
    layout = Layout(study)
    found, count = {}, 0
    for unit, shards in layout.shards.items():
        folder = target / unit.model / unit.variant / unit.probe
        paths = []
        for shard in shards:
            people = texts / "personas" / "personahub100.yaml" if shard.personas else None
            task = task_of(
                layout.shard_params(shard),
                str(texts / "instruments" / "mfq30.yaml"),
                str(people) if people else None,
            )
            paths.append(folder / f"{shard.name}.parquet")
            write_answers(
                recorded.Recorded().answer(task, {"inputs": layout.endpoint_files(unit)}), paths[-1]
            )
        collect_answers(paths, folder.with_suffix(".parquet"))
        found["/".join((unit.model, unit.variant, unit.probe))] = folder.with_suffix(
            ".parquet"
        ).read_bytes()
        count += len(shards)
    return count, found


def test_published_answers_do_not_depend_on_the_number_of_shards(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every table is a function of the collected answers: equal bytes there, equal tables."""
    texts = tmp_path / "texts"
    for name, folder in (("mfq30", "instruments"), ("personahub100", "personas")):
        catalogue, output = ROOT / "resources" / "external.yaml", texts / folder / f"{name}.yaml"
        output.parent.mkdir(parents=True)
        external(name, catalogue, output, tmp_path / "cache", published / "resources")
    # Two forms of a few hundred shards read each file many times; once is enough here.
    monkeypatch.setattr(files, "_read", cache(files._read))
    whole = find_study("published").read_text(encoding="utf-8")
    line = "shards: {personas: 100, items: 30, repetitions: 10}"
    assert line in whole
    forms = {}
    for name, sizes in (
        ("one", line),
        ("many", "shards: {personas: 16, items: 11, repetitions: 6}"),
    ):
        path = tmp_path / f"{name}.yaml"
        path.write_text(whole.replace(line, sizes), encoding="utf-8")
        settings = {"published_root": str(published / "responses")}
        study = load_study(path, settings, models="gpt-4o,gpt-4.1")
        forms[name] = collected(study, texts, tmp_path / name)
    assert (forms["one"][0], forms["many"][0]) == (12, 6 * 7 * 3 * 2 + 6 * 3 * 2)
    assert forms["many"][0] > 200
    assert forms["one"][1] == forms["many"][1]
