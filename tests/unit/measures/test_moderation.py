"""The slope of the change on the baseline, without the noise that both share."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from scipy.special import stdtrit

from persona_collapse.measures.moderation import moderation_of
from persona_collapse.tables.contracts.contrasts import TABLE as CONTRASTS
from persona_collapse.tables.contracts.metrics import TABLE as METRICS
from persona_collapse.tables.contracts.moderation import TABLE


def tables(
    base: list[float], after: list[float], se: float = 1e-6, shared: float = 0.0
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return metrics and contrasts of models with log R of baseline and target; S is 1.

    ``se`` is the standard error of each, ``shared`` their correlation.
    """
    metrics, contrasts = [], []
    for place, logs in enumerate(zip(base, after, strict=True)):
        unit = {"model": f"m{place}", "probe": "roleplay", "domain": "overall", "simulated": True}
        for variant, value in zip(("base", "insecure"), logs, strict=True):
            R = math.exp(value)
            row = {"variant": variant, "R": R, "R_se": se * R, "S": 1.0, "S_se": 0.01}
            metrics.append({**unit, **row})
        change = {"contrast": "insecure-base", "metric": "R", "log_ratio": logs[1] - logs[0]}
        spread = max(se * math.sqrt(2 * (1 - shared)), 1e-9)
        contrasts.append({**unit, **change, "log_ratio_se": spread})
    return (
        pl.DataFrame(metrics, schema=METRICS.schema),
        pl.DataFrame(contrasts, schema=CONTRASTS.schema),
    )


def slope_of(*found: pl.DataFrame) -> dict[str, object]:
    table = moderation_of(*found, "roleplay", "base", ["insecure"])
    assert table.schema == pl.Schema(TABLE.schema)
    return table.row(by_predicate=pl.col("change_metric") == "R", named=True)


BASE = [0.5, 1.0, 1.4, 2.0, 2.2, 3.0]


@pytest.mark.parametrize("beta", [0.0, -0.4, -1.0, 0.3])
def test_slope_of_exact_values_is_that_of_the_models(beta: float) -> None:
    found = slope_of(*tables(BASE, [x + 0.2 + beta * x for x in BASE]))
    assert found["slope"] == pytest.approx(beta, abs=1e-6)
    assert found["slope_observed"] == pytest.approx(beta, abs=1e-6)
    assert (found["n_models"], found["note"]) == (6, None)
    assert found["slope_lo"] <= found["slope"] + 1e-9
    assert found["slope"] <= found["slope_hi"] + 1e-9


def test_interval_is_that_of_the_jackknife_over_models() -> None:
    rng = np.random.default_rng(1)
    after = np.array(BASE) + rng.normal(0, 0.5, len(BASE))
    change = after - BASE
    found = slope_of(*tables(BASE, list(after)))
    kept = [np.delete(np.arange(6), place) for place in range(6)]
    slopes = np.array([np.polyfit(np.array(BASE)[k], change[k], 1)[0] for k in kept])
    half = stdtrit(4, 0.975) * np.sqrt(5 / 6 * ((slopes - slopes.mean()) ** 2).sum())
    slope = np.polyfit(BASE, change, 1)[0]
    assert found["slope"] == pytest.approx(slope, abs=1e-5)
    assert (found["slope_lo"], found["slope_hi"]) == pytest.approx(
        (slope - half, slope + half), abs=1e-4
    )


def test_reliability_is_the_share_of_variance_that_is_no_noise() -> None:
    spread = np.var(BASE, ddof=1)
    found = slope_of(*tables(BASE, BASE, se=0.4))
    assert found["reliability"] == pytest.approx(1 - 0.4**2 / spread)
    assert found["slope_observed"] == pytest.approx(0, abs=1e-9)


def test_slope_that_one_model_carries_has_no_interval() -> None:
    found = slope_of(*tables([1, 1, 1, 1, 1, 5], [2, 2, 2, 2, 2, 4]))
    assert found["slope"] == pytest.approx(-0.5, abs=1e-6)
    assert (found["slope_lo"], found["slope_hi"], found["note"]) == (None, None, None)


@pytest.mark.parametrize("shared", [0.0, 0.6])
def test_noise_of_the_baseline_makes_no_slope(shared: float) -> None:
    rng, models, se = np.random.default_rng(4), 12, 0.4
    corrected, observed, covered = [], [], 0
    for _ in range(150):
        true = rng.normal(2, 0.6, models)
        errors = rng.multivariate_normal(
            [0, 0], se**2 * np.array([[1, shared], [shared, 1]]), models
        )
        after = true - 0.5 + rng.normal(0, 0.1, models) + errors[:, 1]
        found = slope_of(*tables(list(true + errors[:, 0]), list(after), se, shared))
        if found["slope_lo"] is None:
            continue
        corrected.append(found["slope"])
        observed.append(found["slope_observed"])
        covered += found["slope_lo"] <= 0 <= found["slope_hi"]
    assert np.median(observed) < -0.1  # regression to the mean
    assert abs(np.median(corrected)) < 0.1
    assert covered / len(corrected) > 0.9


def test_fewer_than_five_models_give_a_sentence_and_no_slope() -> None:
    found = slope_of(*tables(BASE[:4], BASE[:4]))
    assert (found["slope"], found["n_models"]) == (None, 4)
    assert found["note"] == (
        "whether the change depends on the baseline is not analysed with 4 models: it takes 5 or "
        "more"
    )
    assert "with 1 model:" in slope_of(*tables(BASE[:1], BASE[:1]))["note"]
    assert "with 0 models:" in slope_of(*tables([], []))["note"]


def test_baselines_that_differ_by_noise_alone_have_no_slope() -> None:
    found = slope_of(*tables([1.0, 1.1, 0.9, 1.05, 0.95], [0.5] * 5, se=0.2))
    assert found["slope"] is None
    assert "hardly more than their noise" in found["note"]
    same = slope_of(*tables([1.0] * 5, [0.5] * 5))
    assert same["slope"] is None
