"""Adjusted p-values and random effects against independent oracles."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats
from statsmodels.stats.meta_analysis import combine_effects
from statsmodels.stats.multitest import multipletests

from persona_collapse.measures.statistics.intervals import benjamini_hochberg, expanded_tail, holm
from persona_collapse.measures.statistics.random_effects import RandomEffects, random_effects

probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=20).map(np.array)


def test_holm_matches_values_computed_by_hand() -> None:
    # 0.01 x 4, then 0.02 x 3, then 0.03 x 2, and 0.9 cannot be below the one before it.
    p = np.array([0.9, 0.01, 0.03, 0.02])
    assert holm(p).tolist() == pytest.approx([0.9, 0.04, 0.06, 0.06])
    assert holm(np.array([0.5, 0.5])).tolist() == [1.0, 1.0]


@given(probabilities)
def test_benjamini_hochberg_agrees_with_scipy(p: np.ndarray) -> None:
    assert benjamini_hochberg(p) == pytest.approx(stats.false_discovery_control(p), abs=1e-12)


@given(probabilities)
def test_both_adjustments_agree_with_statsmodels(p: np.ndarray) -> None:
    with patch("gc.collect"):  # statsmodels collects garbage in every Holm correction: 0.1 s each
        assert holm(p) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-12)
    assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1], abs=1e-12)


@given(probabilities)
def test_holm_is_between_p_and_bonferroni(p: np.ndarray) -> None:
    adjusted = holm(p)
    assert (adjusted >= p).all()
    assert (adjusted <= np.minimum(p * p.size, 1) + 1e-12).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()


def test_undefined_p_is_not_in_the_family() -> None:
    p = np.array([0.02, np.nan, 0.03])
    assert holm(p) == pytest.approx([0.04, np.nan, 0.04], nan_ok=True)
    assert benjamini_hochberg(p) == pytest.approx([0.03, np.nan, 0.03], nan_ok=True)


def test_tail_is_smaller_with_few_units() -> None:
    assert expanded_tail(10**6) == pytest.approx(0.025, abs=1e-6)
    wide = stats.norm.cdf(-np.sqrt(20 / 19) * stats.t.ppf(0.975, 19))
    assert expanded_tail(20) == pytest.approx(wide)


def reml(effects: np.ndarray, errors: np.ndarray) -> float:
    """Maximise the restricted likelihood by brute force."""

    def loss(variance: float) -> float:
        total = errors**2 + variance
        weights = 1 / total
        mean = (weights * effects).sum() / weights.sum()
        terms = np.log(total).sum() + np.log(weights.sum())
        return float(terms + (weights * (effects - mean) ** 2).sum())

    found = optimize.minimize_scalar(
        loss, bounds=(0, 10), method="bounded", options={"xatol": 1e-12}
    )
    return float(found.x)


@pytest.mark.parametrize("seed", range(8))
def test_random_effects_agree_with_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    errors = rng.uniform(0.05, 0.4, 9)
    effects = rng.normal(0.5, 0.3, 9) + rng.normal(0, errors)
    found = random_effects(effects, errors)
    variance = reml(effects, errors)
    assert found.tau**2 == pytest.approx(variance, abs=1e-5)
    weights = 1 / (errors**2 + variance)
    mean = np.average(effects, weights=weights)
    scale = max(1.0, (weights * (effects - mean) ** 2).sum() / 8)
    assert found.mean == pytest.approx(mean, abs=1e-4)
    assert found.se == pytest.approx(np.sqrt(scale / weights.sum()), rel=1e-3)
    oracle = combine_effects(effects, errors**2)
    assert pytest.approx((oracle.q, 100 * max(0.0, oracle.i2))) == (found.Q, found.I2)
    half = stats.t.ppf(0.975, 8) * found.se
    assert found.interval() == pytest.approx((found.mean - half, found.mean + half))
    assert found.p() == pytest.approx(2 * stats.t.sf(abs(found.mean) / found.se, 8))


def test_equal_effects_have_no_spread() -> None:
    found = random_effects(np.full(5, 0.3), np.array([0.1, 0.2, 0.1, 0.3, 0.1]))
    assert (found.tau, found.I2, found.Q) == (0.0, 0.0, pytest.approx(0.0))
    assert found.mean == pytest.approx(0.3)
    assert found.prediction() == pytest.approx(found.interval())


def test_precise_effects_have_the_sample_spread() -> None:
    effects = np.array([1.0, 2.0, 3.0, 6.0])
    found = random_effects(effects, np.full(4, 1e-6))
    assert found.tau == pytest.approx(effects.std(ddof=1), rel=1e-6)
    assert found.se == pytest.approx(stats.sem(effects), rel=1e-6)
    assert 99.99 < found.I2 <= 100
    far = stats.t.sf((6 - 3) / np.hypot(found.tau, found.se), 3) * 2
    assert found.exceedance(6.0, 0.0) == pytest.approx(far)


def test_prediction_intervals_cover_a_new_effect() -> None:
    rng = np.random.default_rng(4)
    hits = 0
    for _ in range(400):
        effects = rng.normal(0.75, 0.05, 13)
        errors = rng.uniform(0.02, 0.04, 13)
        low, high = random_effects(effects + rng.normal(0, errors), errors).prediction()
        hits += low <= rng.normal(0.75, 0.05) <= high
    assert 0.91 < hits / 400 < 0.985


def test_effects_without_spread_or_error_leave_no_other_effect_possible() -> None:
    found = RandomEffects(mean=0.3, se=0.0, tau=0.0, Q=0.0, I2=0.0, count=4)
    assert found.exceedance(0.3, 0.0) == 1
    assert found.exceedance(0.30001, 0.0) == 0
    assert found.exceedance(0.3 + stats.t.ppf(0.975, 3), 1.0) == pytest.approx(0.05)
    assert found.p() == 0
    assert replace(found, mean=0.0).p() == 1
    assert found.interval() == found.prediction() == (0.3, 0.3)
