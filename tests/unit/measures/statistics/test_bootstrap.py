"""The bootstraps against brute force and against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from persona_collapse.measures.cells import Cells, cells_from_moments
from persona_collapse.measures.collapse import collapse_of
from persona_collapse.measures.statistics import bootstrap
from persona_collapse.measures.statistics.bootstrap import (
    alias_tables,
    averages,
    binomial_law,
    influences,
    jackknife,
    persona_weights,
    rerun_items,
    rerun_variances,
    resampled,
    steady_variance,
    weighted,
)
from tests.helpers.measures_data import instrument, moments, simulated_ratings

ITEMS = ["a", "a", "b", "b", "b", "c"]


@pytest.fixture
def cells() -> Cells:
    ratings = simulated_ratings(np.random.default_rng(3), (20, 6, 5))
    return cells_from_moments(moments(ratings, instrument(ITEMS)), instrument(ITEMS))


@pytest.fixture
def by_group(cells: Cells) -> np.ndarray:
    return averages(cells.groups(), 6)


def test_averages_give_the_mean_over_each_group() -> None:
    groups = {"overall": np.arange(3), "x": np.array([1])}
    assert averages(groups, 3).tolist() == [[1 / 3, 0], [1 / 3, 1], [1 / 3, 0]]


def test_weights_equal_repeating_personas(cells: Cells, by_group: np.ndarray) -> None:
    chosen = np.array([0, 0, 0, 5, 7, 7, 19, 2])
    weights = np.bincount(chosen, minlength=20)[None].astype(float)
    S, sigma_bar = weighted(cells, by_group, weights)
    direct = collapse_of(cells.personas(chosen), by_group)
    assert S[0] == pytest.approx(direct.S, abs=1e-12)
    assert sigma_bar[0] == pytest.approx(direct.sigma_bar, abs=1e-12)


def test_jackknife_leaves_one_out(cells: Cells, by_group: np.ndarray) -> None:
    S, sigma_bar = jackknife(cells, by_group)
    direct = collapse_of(cells.personas(np.delete(np.arange(20), 4)), by_group)
    assert S[4] == pytest.approx(direct.S, abs=1e-12)
    assert sigma_bar[4] == pytest.approx(direct.sigma_bar, abs=1e-12)


def test_persona_draws_are_multinomial_and_chunks_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = np.vstack(list(persona_weights(1, "probe", 20, 3000)))
    assert whole.shape == (3000, 20)
    assert (whole.sum(axis=1) == 20).all()
    assert whole.var() == pytest.approx(20 * (1 / 20) * (19 / 20), rel=0.03)
    monkeypatch.setattr(bootstrap, "CHUNK", 999)
    parts = list(persona_weights(1, "probe", 20, 3000))
    assert len(parts) > 10
    assert np.array_equal(np.vstack(parts), whole)
    other = np.vstack(list(persona_weights(1, "another", 20, 3000)))
    assert not np.array_equal(other, whole)


def test_persona_variance_of_a_mean_is_exact(cells: Cells, by_group: np.ndarray) -> None:
    left_out = jackknife(cells, by_group)[1]
    weights = np.vstack(list(persona_weights(1, "probe", 20, 50)))
    draws = weighted(cells, by_group, weights)[1]
    variance = steady_variance(draws, weights @ influences(left_out) / 20, left_out)
    assert variance == pytest.approx((cells.sd @ by_group).var(axis=0) / 20, rel=1e-9)


def test_steady_variance_is_the_bootstrap_variance(cells: Cells, by_group: np.ndarray) -> None:
    left_out = jackknife(cells, by_group)[0]

    def both(draws: int) -> tuple[np.ndarray, np.ndarray]:
        weights = np.vstack(list(persona_weights(1, "probe", 20, draws)))
        values = weighted(cells, by_group, weights)[0]
        linear = weights @ influences(left_out) / 20
        return steady_variance(values, linear, left_out), values.var(axis=0)

    plain = both(100_000)[1]
    assert both(2000)[0] == pytest.approx(plain, rel=0.05)


def test_redrawn_repetitions_follow_the_multinomial() -> None:
    counts = np.array([[0, 2, 0, 3, 0, 0], [1, 1, 2, 0, 0, 6], [4, 3, 3, 0, 0, 0]], dtype=float)
    n = counts.sum(axis=1).astype(int)
    draws = 60_000
    moved, sd = resampled(counts, n, np.random.default_rng(0), draws)
    rng = np.random.default_rng(1)
    for cell in range(3):
        repetitions = np.repeat(np.arange(6), counts[cell].astype(int))
        direct = repetitions[rng.integers(0, n[cell], (draws, n[cell]))]
        shifts = direct.mean(axis=1) - repetitions.mean()
        for drawn, expected in ((moved[cell], shifts), (sd[cell], direct.std(axis=1, ddof=1))):
            assert stats.ks_2samp(drawn.round(9), expected.round(9)).pvalue > 1e-3
            assert drawn.mean() == pytest.approx(expected.mean(), abs=0.01)
            assert drawn.std() == pytest.approx(expected.std(), rel=0.02)


def test_rerun_variances_agree_with_brute_force(cells: Cells, by_group: np.ndarray) -> None:
    rng = np.random.default_rng(5)
    draws = 4000
    drawn = rng.multinomial(cells.n, cells.counts / cells.n[..., None], (draws, *cells.n.shape))
    total = drawn @ np.arange(6)
    mean = total / cells.n
    sd = np.sqrt((drawn @ np.arange(6) ** 2 - total**2 / cells.n) / (cells.n - 1))
    S = mean.std(axis=1, ddof=1) @ by_group
    sigma_bar = sd.mean(axis=1) @ by_group
    found = rerun_variances(cells, by_group, np.random.default_rng(6), 4000)
    assert np.sqrt(found[0]) == pytest.approx(S.std(axis=0), rel=0.06)
    assert np.sqrt(found[1]) == pytest.approx(sigma_bar.std(axis=0), rel=0.06)


def test_rerun_draws_in_chunks_have_the_same_distribution(
    cells: Cells, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = rerun_items(cells, np.random.default_rng(1), 2000)
    monkeypatch.setattr(bootstrap, "CHUNK", 500)
    parts = rerun_items(cells, np.random.default_rng(2), 2000)
    for one, other in zip(whole, parts, strict=True):
        assert one.mean(axis=0) == pytest.approx(other.mean(axis=0), rel=0.01)
        assert one.std(axis=0) == pytest.approx(other.std(axis=0), rel=0.1)


def test_constant_cells_have_no_rerun_variance() -> None:
    ratings = np.tile(np.arange(12).reshape(2, 6, 1) % 6, 4)
    cells = cells_from_moments(moments(ratings, instrument(ITEMS)), instrument(ITEMS))
    found = rerun_variances(cells, averages(cells.groups(), 6), np.random.default_rng(0), 40)
    assert np.array(found) == pytest.approx(np.zeros((2, 4)), abs=1e-30)


def test_alias_tables_reproduce_the_distribution() -> None:
    n, p = np.array([[4], [10], [1]]), np.array([[0.5], [0.03], [0.7]])
    law = binomial_law(n, p, 11)
    for row in range(3):
        assert law[row] == pytest.approx(stats.binom.pmf(np.arange(11), n[row], p[row]), abs=1e-12)
    accept, alias = alias_tables(law)
    assert (alias // 11 == np.arange(3)[:, None]).all()
    drawn = accept.ravel() + np.bincount(alias.ravel(), (1 - accept).ravel(), minlength=33)
    assert drawn.reshape(3, 11) / 11 == pytest.approx(law, abs=1e-12)
