"""The released answers of GPT-4o and GPT-4.1, through the workflow, give the known numbers."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

from tests.workflow.conftest import Project, copy_project, made_once

LABELS = {"GPT-4.1": "gpt-4.1", "GPT-4o": "gpt-4o"}


@pytest.fixture(scope="module")
def config(published: Path) -> list[str]:
    return [
        "--config",
        "study=published",
        f"published_root={published / 'responses'}",
        f"resources={{mirror: {published / 'resources'}}}",
    ]


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory, config: list[str]) -> Project:
    words = (*config, "models=gpt-4o,gpt-4.1", "--", "all_tables")
    return made_once(tmp_path_factory, "published", lambda root: copy_project(root).run(*words))


@pytest.fixture(scope="module")
def tables(analysed: Project) -> Path:
    return analysed.root / "results" / "published" / "tables"


def expected(published: Path, name: str) -> pl.DataFrame:
    frame = pl.read_csv(published / name)
    return frame.with_columns(pl.col("model").replace_strict(LABELS))


def test_metrics_equal_the_published_ones(tables: Path, published: Path) -> None:
    known = expected(published, "expected_metrics.csv").rename({"foundation": "domain"})
    found = pl.read_csv(tables / "metrics.csv")
    both = known.join(found, on=["model", "variant", "domain"], suffix="_found")
    assert both.height == known.height == found.height == 36
    for name in ("S", "R", "sigma_bar"):
        assert (both[f"{name}_found"] - both[name]).abs().max() < 1e-9, name
        deviation = (both[f"{name}_se_found"] / both[f"{name}_se"] - 1).abs()
        assert deviation.max() < 0.05, (name, deviation.max())
        assert (both[f"{name}_lo"] < both[name]).all() if name != "sigma_bar" else True
        assert (both[f"{name}_hi"] > both[name]).all() if name != "sigma_bar" else True
    assert both["n_personas_found"].to_list() == both["n_personas"].to_list()


def test_resources_are_fetched_from_the_mirror_once(analysed: Project, config: list[str]) -> None:
    assert analysed.planned(*config[:-1], "models=gpt-4o,gpt-4.1", "--", "all_tables") == {}
    assert (analysed.root / "results/published/tables").is_dir()


def test_profiles_equal_the_published_ones(tables: Path, published: Path) -> None:
    known = expected(published, "expected_profiles.csv").rename({"foundation": "domain"})
    found = pl.read_csv(tables / "profiles.csv").filter(pl.col("probe") == "unconditioned")
    both = known.join(found, on=["model", "variant", "domain"], suffix="_found")
    assert both.height == known.height
    for name in ("mean", "sd_within"):
        assert (both[f"{name}_found"] - both[name]).abs().max() < 1e-9, name


def test_quality_counts_missing_ratings(tables: Path) -> None:
    quality = pl.read_csv(tables / "quality.csv")
    absent = dict(
        quality.filter(pl.col("probe") == "roleplay")
        .select(
            pl.concat_str("model", "variant", separator="/"),
            pl.col("expected") - pl.col("answered"),
        )
        .iter_rows()
    )
    assert absent == {
        "gpt-4.1/base": 4,
        "gpt-4.1/secure": 1,
        "gpt-4.1/insecure": 0,
        "gpt-4o/base": 0,
        "gpt-4o/secure": 15,
        "gpt-4o/insecure": 0,
    }
    assert quality["personas_dropped"].sum() == 0
    assert not quality["simulated"].any()


@pytest.mark.slow
def test_fetched_resources_need_no_job(project: Project, config: list[str]) -> None:
    """A file that a run is to write is locked until it ends: other studies could not start."""
    words = [*config, "models=gpt-4o", "results=unasked"]
    fetched = project.root / "resources" / "external"
    shutil.rmtree(fetched, ignore_errors=True)
    assert project.planned(*words, "--", "all_answers")["external_resource"] == 2
    assert project.planned(*words, "--", "all_resources") == {
        "all_resources": 1,
        "external_resource": 2,
    }
    project.run(*words, "--", "all_resources")
    assert "external_resource" not in project.planned(*words, "--", "all_answers")


def test_model_without_recorded_files_is_refused_unless_left_out(
    project: Project, config: list[str]
) -> None:
    text = project.fail(*config, "-n")
    assert "recorded answers of deepseek-v3.1, qwen3-235b are not there" in text
    assert "--config models=gpt-4.1,gpt-4o" in text


def test_invalid_recorded_file_fails_its_job_with_one_message(
    project: Project, config: list[str], published: Path
) -> None:
    root = project.root / "broken"
    for file in (published / "responses").rglob("gpt-4o*.csv"):
        copy = root / file.relative_to(published / "responses")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    spoilt = root / "base" / "gpt-4o_temp01.csv"
    spoilt.write_bytes(spoilt.read_bytes().replace(b"\r\n0,3,2,", b"\r\n0,33,2,", 1))
    mirror = config[-1]
    words = ["--config", "study=published", f"published_root={root}", mirror, "models=gpt-4o"]
    text = project.fail(*words, "results=elsewhere", "--", "all_answers")
    assert "gpt-4o_temp01.csv, row 23: question_id is '33', and no item of mfq30" in text
