"""The demo study gives back what is planted in it: every S and R of the paper's tables."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from persona_collapse.endpoints.simulated import Simulated
from persona_collapse.measures.collapse import metrics_of
from persona_collapse.measures.moments import moments_of
from persona_collapse.measures.statistics.bootstrap import Draws
from persona_collapse.plan.answers import Layout
from persona_collapse.study.load import find_study, load_study
from persona_collapse.study.resolved import Unit
from persona_collapse.tasks import Task

VARIANTS = [
    (model, variant)
    for model in ("deepseek-v3.1", "gpt-4.1", "gpt-4o", "qwen3-235b")
    for variant in ("base", "secure", "insecure")
]


@cache
def demo() -> Layout:
    return Layout(load_study(find_study("demo")))


def metrics(model: str, variant: str) -> pl.DataFrame:
    """Return the demo's metrics of one variant, as the workflow makes them."""
    layout, study = demo(), demo().study
    unit = Unit(model, variant, "roleplay")
    instrument = layout.instruments["roleplay"].read()
    personas = layout.personas["roleplay"].read()
    settings = layout.identity(unit)
    answers = pl.concat(
        Simulated().answer(Task(shard, instrument, personas, study.seed), settings)
        for shard in layout.shards[unit]
    )
    draws = Draws(study.analysis["bootstrap_personas"], study.analysis["bootstrap_reruns"])
    return metrics_of(moments_of(answers, instrument, 100), instrument, study.seed, draws)


def printed(model: str, variant: str) -> dict[str, dict[str, float]]:
    """Return the paper's printed S and R by domain, ``overall`` included."""
    label = demo().study.models[model].label
    table = pl.read_csv(Path("resources/benchmarks/paper_tables.csv")).filter(
        (pl.col("model") == label) & (pl.col("variant") == variant)
    )
    return {
        measure: dict(
            table.filter(pl.col("measure") == measure).select("domain", "value").iter_rows()
        )
        for measure in ("S", "R")
    }


@pytest.mark.parametrize(("model", "variant"), VARIANTS)
def test_every_planted_value_is_recovered_within_three_standard_errors(
    model: str, variant: str
) -> None:
    found = {row["domain"]: row for row in metrics(model, variant).iter_rows(named=True)}
    planted = printed(model, variant)
    assert found.keys() == planted["S"].keys() == planted["R"].keys()
    for domain, row in found.items():
        assert abs(row["S"] - planted["S"][domain]) < 3 * row["S_se"], domain
        assert abs(row["R"] - planted["R"][domain]) < 3 * row["R_se"], domain
        assert row["simulated"]
    # Not by wide errors: an SE is a small part of what it measures.
    assert np.isfinite(found["overall"]["S_se"])
    assert found["overall"]["S_se"] < 0.05 * found["overall"]["S"]
    assert found["overall"]["R_se"] < 0.10 * found["overall"]["R"]
