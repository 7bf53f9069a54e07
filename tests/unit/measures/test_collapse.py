"""S, R and sigma_bar: the published numbers, hand-worked cases, edges and invariances."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persona_collapse.measures.cells import cells_from_moments
from persona_collapse.measures.collapse import Collapse, collapse_of, metrics_of
from persona_collapse.measures.moments import moments_of
from persona_collapse.measures.statistics.bootstrap import Draws, averages
from persona_collapse.measures.statistics.intervals import (
    bca_interval,
    log_t_interval,
)
from persona_collapse.tables.contracts.metrics import TABLE as METRICS
from tests.helpers.measures_data import (
    PUBLISHED,
    RECORDED,
    instrument,
    moments,
    published_instrument,
    recorded_answers,
    simulated_ratings,
)

FEW = Draws(personas=200, reruns=50)
NAN = float("nan")


def estimates(ratings: np.ndarray) -> Collapse:
    questionnaire = instrument(["a"] * ratings.shape[1])
    cells = cells_from_moments(moments(ratings, questionnaire), questionnaire)
    return collapse_of(cells, averages({"overall": np.arange(ratings.shape[1])}, ratings.shape[1]))


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published answers are not here")
def test_published_answers_give_the_published_metrics() -> None:
    expected = pl.read_csv(PUBLISHED / "expected_metrics.csv").rename({"foundation": "domain"})
    of = published_instrument()
    found = pl.concat(
        metrics_of(moments_of(recorded_answers(*key), of, 100), of, 20260512, Draws())
        for key in RECORDED
    )
    both = found.join(expected, on=["model", "variant", "domain"], suffix="_expected")
    assert both.height == 36
    for column in ("S", "R", "sigma_bar"):
        assert both[column].to_numpy() == pytest.approx(
            both[f"{column}_expected"].to_numpy(), abs=1e-9
        )
        error = both[f"{column}_se"].to_numpy()
        assert error == pytest.approx(both[f"{column}_se_expected"].to_numpy(), rel=0.05)


def test_susceptibility_and_robustness_match_values_computed_by_hand() -> None:
    # Item means 1, 3 and 2, 4: SD sqrt(2) each. Cell SDs 0, 0, sqrt(2), 0.
    ratings = np.array([[[1, 1], [1, 3]], [[3, 3], [4, 4]]])
    frame = metrics_of(moments(ratings, instrument()), instrument(), 1, FEW)
    assert frame.schema == pl.Schema(METRICS.schema)
    assert frame["domain"].to_list() == ["overall", "Care", "Fairness"]
    assert frame["S"].to_list() == pytest.approx([math.sqrt(2)] * 3)
    assert frame["sigma_bar"].to_list() == pytest.approx([math.sqrt(2) / 4, 0, math.sqrt(2) / 2])
    assert frame["R"].to_list() == pytest.approx([4 / math.sqrt(2), math.inf, 2 / math.sqrt(2)])
    assert frame["R_se"][1] is None
    assert frame["sigma_bar_se"][1] == 0.0
    assert frame["n_items"].to_list() == [2, 1, 1]
    assert frame["n_answers"].to_list() == [8, 4, 4]
    # Item 2: variance 2, noise mean(2, 0) / 2 = 0.5.
    corrected = [math.sqrt(2), math.sqrt(1.5)]
    assert frame["S_corrected"].to_list() == pytest.approx([sum(corrected) / 2, *corrected])


def test_standard_errors_combine_both_bootstraps() -> None:
    ratings = simulated_ratings(np.random.default_rng(1), (40, 6, 10))
    frame = metrics_of(moments(ratings, instrument(["a"] * 6)), instrument(["a"] * 6), 1, Draws())
    sigma, se = frame["sigma_bar"][0], frame["sigma_bar_se"][0]
    assert frame["R_se"][0] == pytest.approx(se / sigma**2)
    persona = ratings.std(axis=2, ddof=1).mean(axis=1).std() / math.sqrt(40)
    assert persona < se < 1.3 * persona
    assert frame["S_lo"][0] < frame["S"][0] < frame["S_hi"][0]
    assert frame["R_lo"][0] < frame["R"][0] < frame["R_hi"][0]


@pytest.mark.parametrize("shape", [(1, 2, 3), (2, 1, 3), (4, 2, 1), (3, 1, 1), (1, 1, 1)])
def test_metrics_of_small_designs_are_defined(shape: tuple[int, int, int]) -> None:
    ratings = np.arange(math.prod(shape)).reshape(shape) % 6
    of = instrument(["Care", "Fairness"][: shape[1]])
    row = metrics_of(moments(ratings, of), of, 1, FEW).row(0, named=True)
    if shape[0] == 1:
        assert (row["S"], row["S_se"], row["S_lo"], row["S_corrected"]) == (None,) * 4
    else:
        assert row["S"] == pytest.approx(ratings.mean(axis=2).std(axis=0, ddof=1).mean())
    if shape[2] == 1:
        names = ("R", "R_se", "R_lo", "R_hi", "sigma_bar", "sigma_bar_se", "S_corrected")
        assert [row[name] for name in names] == [None] * len(names)
    else:
        assert row["R"] == pytest.approx(1 / ratings.std(axis=2, ddof=1).mean())


def test_equal_answers_give_zero_susceptibility_and_infinite_robustness() -> None:
    of = instrument()
    row = metrics_of(moments(np.full((5, 2, 3), 4), of), of, 1, FEW).row(0, named=True)
    assert (row["S"], row["S_se"], row["sigma_bar"], row["R"]) == (0.0, 0.0, 0.0, math.inf)
    assert (row["R_se"], row["S_lo"], row["R_lo"]) == (None, None, None)


def test_cell_with_one_answer_takes_the_mean_sd_of_its_item() -> None:
    of = instrument()
    ratings = np.array([[[1, 3], [2, NAN]], [[2, 2], [3, 4]], [[5, NAN], [4, 4]]])
    row = metrics_of(moments(ratings, of), of, 1, FEW).row(0, named=True)
    item_sds = [math.sqrt(2) / 2, math.sqrt(2) / 4]  # means over sqrt(2), 0 and sqrt(1/2), 0
    assert row["sigma_bar"] == pytest.approx(sum(item_sds) / 2)


def test_no_persona_left_gives_empty_values() -> None:
    of = instrument()
    ratings = np.full((2, 2, 2), 3.0)
    ratings[:, 0] = NAN
    row = metrics_of(moments(ratings, of), of, 1, FEW).row(0, named=True)
    assert row["n_personas"] == row["n_answers"] == 0
    values = ("S", "S_se", "R", "R_se", "R_hi", "sigma_bar", "sigma_bar_se", "S_corrected")
    assert all(row[name] is None for name in values)


def test_unconditioned_probe_has_robustness_and_no_susceptibility() -> None:
    of = instrument()
    row = metrics_of(moments(np.array([[1, 2], [3, 3]]), of), of, 1, FEW).row(0, named=True)
    assert row["S"] is None
    assert row["R"] == pytest.approx(2 * math.sqrt(2))
    assert row["n_personas"] == 1


def test_rerun_draws_depend_on_the_model() -> None:
    of = instrument(["a"] * 6)
    ratings = simulated_ratings(np.random.default_rng(1))
    one = metrics_of(moments(ratings, of), of, 1, FEW)
    assert metrics_of(moments(ratings, of), of, 1, FEW).equals(one)
    other = metrics_of(moments(ratings, of, model="other"), of, 1, FEW)
    assert other["S"].equals(one["S"])
    assert not other["sigma_bar_se"].equals(one["sigma_bar_se"])


cubes = st.builds(
    lambda seed, personas, items, n: np.random.default_rng(seed).integers(
        1, 5, (personas, items, n)
    ),
    st.integers(0, 10**6),
    st.integers(2, 6),
    st.integers(1, 4),
    st.integers(1, 5),
)


@settings(max_examples=40, deadline=None)
@given(cubes)
def test_susceptibility_ignores_shifts_and_reverse_keying(ratings: np.ndarray) -> None:
    whole = estimates(ratings)
    turned = ratings.copy()
    turned[:, 0] = 5 - turned[:, 0]
    for changed in (estimates(ratings - 1), estimates(turned)):
        for name in ("S", "sigma_bar", "S_corrected"):
            assert getattr(changed, name) == pytest.approx(
                getattr(whole, name), abs=1e-9, nan_ok=True
            )


@settings(max_examples=40, deadline=None)
@given(cubes, st.integers(0, 10**6))
def test_persona_order_changes_nothing_and_correction_only_lowers(
    ratings: np.ndarray, seed: int
) -> None:
    whole = estimates(ratings)
    mixed = estimates(np.random.default_rng(seed).permutation(ratings, axis=0))
    for name in ("S", "sigma_bar", "S_corrected"):
        assert getattr(mixed, name) == pytest.approx(getattr(whole, name), abs=1e-12, nan_ok=True)
    assert not (whole.S_corrected > whole.S + 1e-12).any()


def test_intervals_cover_a_known_truth() -> None:
    rng = np.random.default_rng(11)
    of = instrument(["a"] * 6)
    population = simulated_ratings(rng, (20_000, 6, 5))
    truth = estimates(population)
    hits = np.zeros(2)
    for _ in range(200):
        sample = population[rng.integers(0, 20_000, 40)]
        row = metrics_of(moments(sample, of), of, 1, Draws(400, 10)).row(0, named=True)
        hits += [
            row["S_lo"] <= truth.S[0] <= row["S_hi"],
            row["R_lo"] <= truth.R[0] <= row["R_hi"],
        ]
    assert (hits / 200 > 0.9).all()
    assert (hits / 200 < 0.99).all()


def test_intervals_of_a_mean_agree_with_scipy() -> None:
    from scipy import stats

    rng = np.random.default_rng(2)
    sample = rng.exponential(size=60)
    draws = sample[rng.integers(0, 60, (4000, 60))].mean(axis=1)[:, None]
    left_out = ((sample.sum() - sample) / 59)[:, None]
    estimate = np.array([sample.mean()])
    found = bca_interval(draws, estimate, left_out, 0.025)
    oracle = stats.bootstrap(
        (sample,), np.mean, method="BCa", n_resamples=20_000, rng=rng
    ).confidence_interval
    assert [found[0][0], found[1][0]] == pytest.approx(list(oracle), abs=0.015)
    low, high = log_t_interval(estimate, left_out)
    half = stats.t.ppf(0.975, 59) * stats.sem(sample) / sample.mean()
    assert np.log(high / estimate)[0] == pytest.approx(half)
    assert np.log(estimate / low)[0] == pytest.approx(half)


def test_intervals_of_equal_and_infinite_draws() -> None:
    draws = np.array([[2.0, 1.0], [2.0, np.inf], [2.0, np.inf], [2.0, np.inf]])
    low, high = bca_interval(draws, np.array([2.0, 1.0]), np.full((3, 2), 2.0), 0.025)
    assert (low[0], high[0]) == (2.0, 2.0)
    assert high[1] == np.inf
