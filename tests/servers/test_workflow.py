"""A whole study on a third-party server: from the study file to the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.servers.conftest import CELLS, ITEMS, PERSONAS, REPETITIONS, SLOTS, lines
from tests.servers.running import Server
from tests.workflow.conftest import Project, copy_project

NAME = "served"
CONFIG = ("--config", f"study={NAME}")
VARIANTS = ("base", "insecure")


@pytest.fixture
def project(server: Server, tmp_path: Path) -> Project:
    """Return a project with the study in it, nothing run."""
    project = copy_project(tmp_path)
    project.study(NAME, **study(server))
    return project


def study(server: Server) -> dict[str, Any]:
    """Return what the study changes of the shipped quick one."""
    # Two endpoints of one server stand for two models: their answers have keys of their own.
    at = {"kind": "openai", "base_url": server.base_url, "api_key_env": None, "max_in_flight": 4}
    probe = {"instrument": "moral30", "repetitions": REPETITIONS}
    return {
        "title": "A tiny model of random weights",
        "endpoints": {
            name: {**at, "extra_body": {**server.program.plain, "user": name}} for name in VARIANTS
        },
        "models": {
            "tiny": {"variants": {v: {"endpoint": v, "model": server.model} for v in VARIANTS}}
        },
        "probes": {
            "roleplay": {**probe, "personas": "everyday100", "persona_count": PERSONAS},
            "unconditioned": probe,
        },
        "sampling": {"temperature": 1.0, "seed": 5, "max_attempts": 20},
    }


def test_study_gives_a_page_and_a_second_run_sends_no_request(
    project: Project, server: Server
) -> None:
    before = server.requests
    project.run(*CONFIG)
    folder = project.root / "results" / NAME
    assert (folder / "report" / "index.html").is_file()
    asked = server.requests - before
    assert len(lines(project.root / "answer_store")) == asked
    assert asked >= len(VARIANTS) * (SLOTS + ITEMS * REPETITIONS)
    quality = pl.read_csv(folder / "tables" / "quality.csv")
    roleplay = quality.filter(pl.col("probe") == "roleplay")
    assert roleplay["answered"].to_list() == [SLOTS] * len(VARIANTS)
    metrics = pl.read_csv(folder / "tables" / "metrics.csv", infer_schema_length=None)
    assert not metrics["simulated"].any()
    overall = metrics.filter(pl.col("domain") == "overall")
    assert (overall["S"] > 0).all()
    assert overall["R"].is_finite().all()
    for variant in VARIANTS:
        moments = pl.read_parquet(folder / f"moments/tiny/{variant}/roleplay.parquet")
        assert moments["n"].to_list() == [REPETITIONS] * CELLS
    assert project.planned(*CONFIG) == {}
    project.run(*CONFIG, "--forcerun", "answer_shard", "--", "all_answers")
    assert server.requests - before == asked
