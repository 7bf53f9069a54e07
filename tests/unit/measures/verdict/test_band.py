"""The band of earlier models: printed range, prediction, and where variants lie."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import stats

from persona_collapse.common.errors import UserError
from persona_collapse.measures.verdict.band import band_of, band_values
from persona_collapse.tables.contracts.band import TABLE as BAND
from persona_collapse.tables.contracts.band_values import TABLE as BAND_VALUES
from persona_collapse.tables.contracts.metrics import TABLE as METRICS
from tests.helpers.measures_data import PRIOR


@pytest.fixture
def prior() -> pl.DataFrame:
    return pl.read_csv(PRIOR)


def metrics(S: float, S_se: float | None, R: float, R_se: float | None) -> pl.DataFrame:
    row = {"model": "m", "variant": "insecure", "probe": "roleplay", "domain": "overall"}
    rows = [
        {**row, "S": S, "S_se": S_se, "R": R, "R_se": R_se, "simulated": False},
        {**row, "domain": "a", "S": 9.0, "simulated": False},
    ]
    return pl.DataFrame(rows, schema=METRICS.schema)


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


def test_inclusion_selects_the_models_of_the_band(prior: pl.DataFrame) -> None:
    everyone = by_metric(band_values(prior, prior["model"].to_list()), "S")
    assert (everyone["n_models"], everyone["hi"]) == (15, 1.043)
    assert everyone["prediction_hi"] > by_metric(band_values(prior), "S")["prediction_hi"]
    with pytest.raises(UserError, match="did you mean 'GPT-4o'"):
        band_values(prior, ["GPT-4.1", "gpt-4o"])
    with pytest.raises(UserError, match="two or more"):
        band_values(prior, ["GPT-4o"])


def test_band_rows_place_every_variant(prior: pl.DataFrame) -> None:
    found = band_of(metrics(0.9, 0.04, 3.0, 0.15), prior)
    assert found.schema == pl.Schema(BAND.schema)
    assert found.height == 2
    S, R = by_metric(found, "S"), by_metric(found, "R")
    assert S["position"] == "above"
    assert S["beyond"] == pytest.approx(0.073)
    assert S["beyond_percent"] == pytest.approx(100 * 0.073 / 0.827)
    normal = stats.norm(0.9, 0.04)
    assert S["p_outside"] == pytest.approx(normal.cdf(0.663) + normal.sf(0.827))
    assert R["position"] == "below"
    assert R["beyond"] == pytest.approx(0.27)
    normal = stats.norm(np.log(3.0), 0.05)
    assert R["p_outside"] == pytest.approx(normal.cdf(np.log(3.27)) + normal.sf(np.log(107.7)))
    assert 0.05 < R["p_base"] < 1
    assert S["p_base"] < R["p_base"]


def test_interval_of_beyond_follows_from_that_of_the_estimate(prior: pl.DataFrame) -> None:
    def span(S: float, lo: float, hi: float) -> tuple[object, ...]:
        row = metrics(S, 0.03, 10.0, 0.4).with_columns(S_lo=pl.lit(lo), S_hi=pl.lit(hi))
        found = by_metric(band_of(row, prior), "S")
        names = ("beyond_lo", "beyond_hi", "beyond_percent_lo", "beyond_percent_hi")
        return tuple(found[name] for name in names)

    # The printed range is 0.663 to 0.827.
    assert span(1.0, 0.9, 1.1) == pytest.approx((0.073, 0.273, 7.3 / 0.827, 27.3 / 0.827))
    assert span(0.6, 0.5, 0.62) == pytest.approx((0.043, 0.163, 4.3 / 0.663, 16.3 / 0.663))
    assert span(0.66, 0.6, 0.7) == pytest.approx((0, 0.063, 0, 6.3 / 0.663))
    assert span(0.75, 0.7, 0.8) == (0, 0, 0, 0)
    assert span(0.75, 0.6, 0.85) == pytest.approx((0, 0.063, 0, 6.3 / 0.663))
    assert by_metric(band_of(metrics(0.9, 0.04, 3.0, 0.15), prior), "S")["beyond_lo"] is None


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
