"""The band of earlier models: range, its uncertainty, prediction, and where variants lie."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from persona_collapse.measures.verdict.band import band_of, band_sentences, band_values
from persona_collapse.tables.contracts.band import TABLE as BAND
from persona_collapse.tables.contracts.band_models import TABLE as BAND_MODELS
from persona_collapse.tables.contracts.band_values import TABLE as BAND_VALUES
from persona_collapse.tables.contracts.metrics import TABLE as METRICS
from tests.helpers.figures_data import earlier_models


@pytest.fixture
def prior() -> pl.DataFrame:
    return earlier_models()


def metrics(S: float, S_se: float | None, R: float, R_se: float | None) -> pl.DataFrame:
    row = {"model": "m", "variant": "insecure", "probe": "roleplay", "domain": "overall"}
    rows = [
        {**row, "S": S, "S_se": S_se, "R": R, "R_se": R_se, "simulated": False},
        {**row, "domain": "a", "S": 9.0, "simulated": False},
    ]
    return pl.DataFrame(rows, schema=METRICS.schema)


def with_interval(S: float, lo: float, hi: float) -> pl.DataFrame:
    own = metrics(S, 0.03, 10.0, 0.4)
    return own.with_columns(S_lo=pl.lit(lo), S_hi=pl.lit(hi))


def models(
    S: list[float], se: list[float] | float, counts: list[bool] | None = None
) -> pl.DataFrame:
    rows = {
        "model": [f"m{place}" for place in range(len(S))],
        "S": S,
        "S_se": se if isinstance(se, list) else [se] * len(S),
        "in_band": counts or [True] * len(S),
    }
    empty = {name: None for name in BAND_MODELS.schema if name not in rows}
    return pl.DataFrame({**rows, **{n: [v] * len(S) for n, v in empty.items()}}, BAND_MODELS.schema)


def by_metric(frame: pl.DataFrame, metric: str) -> dict[str, object]:
    return frame.row(by_predicate=pl.col("metric") == metric, named=True)


def test_band_matches_the_published_range(prior: pl.DataFrame) -> None:
    found = band_values(prior)
    assert found.schema == pl.Schema(BAND_VALUES.schema)
    S, R = by_metric(found, "S"), by_metric(found, "R")
    assert (S["n_models"], S["lo"], S["hi"]) == (13, 0.663, 0.827)
    assert (R["lo"], R["hi"]) == (3.27, 107.7)
    kept = prior.filter("in_band")
    assert S["centre"] == pytest.approx(kept["S"].mean(), abs=0.01)
    # The models' spread holds their errors; what is left is less.
    assert 0 < S["tau"] < kept["S"].std()
    half = stats.t.ppf(0.975, 12) * S["tau"]
    assert S["prediction_hi"] - S["centre"] == pytest.approx(half, rel=0.1)
    assert R["centre"] == pytest.approx(np.exp(np.log(kept["R"].to_numpy()).mean()), rel=0.02)
    assert R["prediction_lo"] > 0


def test_range_with_the_left_out_models_stands_beside_it(prior: pl.DataFrame) -> None:
    S, R = (by_metric(band_values(prior), metric) for metric in ("S", "R"))
    assert S["left_out"] == "Gemini 2.5 Flash; Grok 4 Fast"
    assert (S["n_all"], S["all_lo"], S["all_hi"]) == (15, 0.663, 1.043)
    assert (R["all_lo"], R["all_hi"]) == (3.27, 107.7)
    everyone = by_metric(band_values(prior.with_columns(in_band=pl.lit(True))), "S")
    assert (everyone["n_models"], everyone["hi"], everyone["left_out"]) == (15, 1.043, None)
    assert everyone["prediction_hi"] > S["prediction_hi"]
    placed = by_metric(band_of(metrics(0.9, 0.04, 10.0, 0.4), prior), "S")
    assert (placed["position"], placed["position_all"]) == ("above", "inside")


def test_interval_of_the_ends_is_that_of_extremes_of_the_models() -> None:
    values, errors = [0.6, 0.8, 0.82], [0.02, 0.05, 0.03]
    found = by_metric(band_values(models(values, errors)), "S")
    draws = np.random.default_rng(1).normal(values, errors, (200_000, 3))
    for name, ends in (("lo", draws.min(axis=1)), ("hi", draws.max(axis=1))):
        low, high = np.quantile(ends, [0.025, 0.975])
        assert found[f"{name}_lo"] == pytest.approx(low, abs=0.002)
        assert found[f"{name}_hi"] == pytest.approx(high, abs=0.002)
    exact = by_metric(band_values(models(values, 1e-9)), "S")
    assert (exact["hi_lo"], exact["hi_hi"]) == pytest.approx((0.82, 0.82), abs=1e-6)


def test_metric_of_fewer_than_two_counted_models_has_no_band() -> None:
    assert band_values(models([0.6, 0.8], 0.03))["metric"].to_list() == ["S"]  # R is unknown
    assert band_values(models([0.6, 0.8], 0.03, [True, False])).is_empty()


def test_band_rows_place_every_variant(prior: pl.DataFrame) -> None:
    found = band_of(metrics(0.9, 0.04, 3.0, 0.15), prior)
    assert found.schema == pl.Schema(BAND.schema)
    assert found.height == 2
    S, R = by_metric(found, "S"), by_metric(found, "R")
    assert S["position"] == "above"
    assert S["beyond"] == pytest.approx(0.073)
    assert S["beyond_percent"] == pytest.approx(100 * 0.073 / 0.827)
    assert R["position"] == "below"
    assert R["beyond"] == pytest.approx(0.27)
    assert 0.05 < R["p_base"] < 1
    assert S["p_base"] < R["p_base"]


def test_probability_of_lying_outside_counts_the_errors_of_both(prior: pl.DataFrame) -> None:
    S = by_metric(band_of(metrics(0.9, 0.04, 3.0, 0.15), prior), "S")
    counted = prior.filter("in_band")
    rng = np.random.default_rng(2)
    own = rng.normal(0.9, 0.04, 200_000)
    others = rng.normal(counted["S"].to_numpy(), counted["S_se"].to_numpy(), (200_000, 13))
    outside = (own > others.max(axis=1)) | (own < others.min(axis=1))
    assert S["p_outside"] == pytest.approx(outside.mean(), abs=0.005)
    # Were the range exact, it would be as good as certain.
    assert S["p_outside"] < stats.norm(0.9, 0.04).sf(0.827) - 0.1


def test_interval_of_beyond_holds_the_uncertainty_of_the_range(prior: pl.DataFrame) -> None:
    found = by_metric(band_of(with_interval(1.0, 0.9, 1.1), prior), "S")
    ends = by_metric(band_values(prior), "S")
    low = 0.173 - np.hypot(0.1, ends["hi_hi"] - 0.827)
    high = 0.173 + np.hypot(0.1, 0.827 - ends["hi_lo"])
    assert (found["beyond_lo"], found["beyond_hi"]) == pytest.approx((low, high))
    low = np.log(1 / 0.827) - np.hypot(np.log(1 / 0.9), np.log(ends["hi_hi"] / 0.827))
    assert found["beyond_percent_lo"] == pytest.approx(100 * (np.exp(low) - 1))
    assert by_metric(band_of(metrics(0.9, 0.04, 3.0, 0.15), prior), "S")["beyond_lo"] is None


@given(
    S=st.floats(0.3, 1.6),
    below=st.floats(0.001, 0.2),
    above=st.floats(0.001, 0.2),
    error=st.floats(0.005, 0.1),
)
def test_interval_of_beyond_holds_the_distance_and_widens_with_the_models_errors(
    S: float, below: float, above: float, error: float
) -> None:
    own = with_interval(S, S - below, S + above)
    exact, wide = (
        by_metric(band_of(own, models([0.7, 0.75, 0.8], se)), "S") for se in (1e-9, error)
    )
    for name in ("beyond", "beyond_percent"):
        assert 0 <= wide[f"{name}_lo"] <= wide[name] <= wide[f"{name}_hi"]
        assert wide[f"{name}_lo"] <= exact[f"{name}_lo"] + 1e-6
        assert wide[f"{name}_hi"] >= exact[f"{name}_hi"] - 1e-6
    # Without errors of the models it is the distance of the variant's own ends from the range.
    assert exact["beyond_lo"] == pytest.approx(max(0, S - below - 0.8, 0.7 - S - above), abs=1e-6)
    assert exact["beyond_hi"] == pytest.approx(max(0, S + above - 0.8, 0.7 - S + below), abs=1e-6)


def test_p_base_is_small_for_a_variant_far_from_the_centre(prior: pl.DataFrame) -> None:
    found = by_metric(band_of(metrics(1.68, 0.03, 10.0, 0.4), prior), "S")
    assert found["p_outside"] == pytest.approx(1.0)
    assert found["p_base"] < 1e-6
    inside = by_metric(band_of(metrics(0.75, 0.03, 10.0, 0.4), prior), "S")
    assert (inside["position"], inside["beyond"], inside["beyond_percent"]) == ("inside", 0.0, 0.0)
    assert inside["p_base"] > 0.9


def test_infinite_robustness_has_a_position_and_no_probability(prior: pl.DataFrame) -> None:
    found = by_metric(band_of(metrics(0.75, 0.03, np.inf, None), prior), "R")
    assert (found["position"], found["beyond"]) == ("above", np.inf)
    assert (found["p_outside"], found["p_base"]) == (None, None)
    without = band_of(metrics(0.75, 0.03, 10.0, 0.4).with_columns(S=None), prior)
    assert without["metric"].to_list() == ["R"]


def rows(*values: float) -> pl.DataFrame:
    """Rows of ``band.csv`` of replicates with these values of S, each with a wider interval."""
    return pl.DataFrame(
        {
            **{"metric": "S", "value": values, "band_lo": 0.5, "band_hi": 1.0, "n_prior": 13},
            "beyond_lo": [max(0.0, value - 1.1) for value in values],
            "beyond_hi": [max(0.0, value - 0.9) for value in values],
            **{"prediction_lo": 0.4, "prediction_hi": 1.1},
        }
    )


def test_band_sentence_gives_the_distance_with_its_interval() -> None:
    (text,) = band_sentences(rows(1.2), "wild")
    assert text == (
        "With S = 1.20, wild is 0.20 [0.10, 0.30] above the range 0.50 to 1.00 of "
        "13 earlier models; 95 % of new base models are predicted between 0.40 and 1.10."
    )
    assert "wild is 0.25 [" in band_sentences(rows(0.25), "wild")[0]
    assert "wild is inside the range" in band_sentences(rows(0.6), "wild")[0]


def test_band_sentence_of_replicates_is_about_their_mean_and_all_their_intervals() -> None:
    (text,) = band_sentences(rows(0.9, 1.5), "wild")
    assert "S = 1.20 on average over 2 replicates, wild is 0.20 [0.00" in text
    assert "is inside the range 0.50 to 1.00 of 13" in band_sentences(rows(0.4, 0.8), "wild")[0]
    assert band_sentences(rows(1).clear(), "wild") == []
