"""The law of simulated cells and its calibration, against brute force and Monte Carlo."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persona_collapse.common.errors import UserError
from persona_collapse.endpoints.simulation.calibration import (
    Band,
    Plant,
    calibrate,
    calibrate_bands,
    normal_cdf,
    solve,
)
from persona_collapse.endpoints.simulation.cell_law import MAX_REPETITIONS, expected_sd, rating_law
from persona_collapse.materials.instruments import Scale

SIX = Scale(0, 5)


def brute_force_sd(below: float, above: float, n: int) -> float:
    chances = {-1: below, 0: 1 - below - above, 1: above}
    return sum(
        math.prod(chances[rating] for rating in ratings) * np.std(ratings, ddof=1)
        for ratings in itertools.product(chances, repeat=n)
    )


def monte_carlo(
    plant: Plant, amplitude: float, spread: float, n: int, scale: Scale, people: int = 40_000
) -> tuple[float, float]:
    """S and sigma_bar of a domain from plain random numbers, none of the code's draws."""
    rng = np.random.default_rng(7)
    m = np.array(plant.locations) + amplitude * rng.standard_normal((people, len(plant.locations)))
    middle, below, above = (part[..., None] for part in rating_law(m, spread, scale))
    u = rng.random((*m.shape, n))
    ratings = middle + np.where(u < below, -1, np.where(u < below + above, 1, 0))
    assert scale.minimum <= ratings.min() <= ratings.max() <= scale.maximum
    S = ratings.mean(axis=2).std(axis=0, ddof=1).mean()
    return S, ratings.std(axis=2, ddof=1).mean()


@pytest.mark.parametrize("n", [2, 3, 6])
@pytest.mark.parametrize(
    ("below", "above"), [(0.0, 0.3), (0.2, 0.0), (0.1, 0.25), (0.5, 0.5), (0.0, 0.0), (1e-9, 0.5)]
)
def test_expected_sd_is_the_sum_over_all_samples(n: int, below: float, above: float) -> None:
    found = expected_sd(np.array([below]), np.array([above]), n)
    assert found[0] == pytest.approx(brute_force_sd(below, above, n), abs=1e-12)


@pytest.mark.parametrize("n", [1, 10, 40, MAX_REPETITIONS])
def test_expected_sd_matches_random_samples(n: int) -> None:
    if n == 1:
        assert expected_sd(np.array([0.2]), np.array([0.3]), 1) == 0
        return
    counts = np.random.default_rng(1).multinomial(n, [0.2, 0.5, 0.3], size=100_000)
    total, squares = counts[:, 2] - counts[:, 0], counts[:, 2] + counts[:, 0]
    sample = np.sqrt((squares - total**2 / n) / (n - 1))
    found = expected_sd(np.array([0.2]), np.array([0.3]), n)[0]
    assert found == pytest.approx(sample.mean(), abs=4 * sample.std() / math.sqrt(len(sample)))


@given(st.floats(-8, 12), st.floats(1e-6, 2))
def test_cell_probabilities_are_a_distribution_on_the_scale(m: float, s: float) -> None:
    middle, below, above = rating_law(np.array(m), np.array(s), SIX)
    assert min(below, above) >= 0
    assert below + above <= 1 + 1e-12
    assert below == 0 or middle - 1 >= 0
    assert above == 0 or middle + 1 <= 5


@given(st.floats(-0.499, 0.499))
def test_wide_cells_keep_their_mean_where_the_two_forms_meet(x: float) -> None:
    m = np.full(3, 2 + x)
    _, below, above = rating_law(m, np.array([1 - 1e-12, 1.0, 1.7]), SIX)
    assert above - below == pytest.approx(x, abs=1e-9)
    assert below[0] == pytest.approx(below[1], abs=1e-9)


def test_normal_cdf_and_root_finder_are_accurate() -> None:
    z = np.linspace(-6, 6, 1001)
    exact = [(1 + math.erf(v / math.sqrt(2))) / 2 for v in z]
    np.testing.assert_allclose(normal_cdf(z), exact, atol=2e-7)
    target = np.array([-5.0, 0.0, 8.0, 1e3])
    roots = solve(lambda x: x**3 - target, np.full(4, -3.0), np.full(4, 3.0), 1e-10)
    np.testing.assert_allclose(roots, [-(5 ** (1 / 3)), 0, 2, 3], atol=1e-9)


@pytest.mark.parametrize(
    ("S", "R", "n", "scale"),
    [
        (0.16, 43.1, 10, SIX),
        (1.83, 2.7, 10, SIX),
        (1.40, 1.8, 10, SIX),
        (0.79, 9.75, 2, SIX),
        (0.79, 9.75, 40, SIX),
        (0.90, 4.0, 10, Scale(1, 5)),
        (1.20, 3.0, 5, Scale(1, 7)),
        (0.30, 8.0, 10, Scale(0, 1)),
        (0.60, 3.0, 10, Scale(0, 2)),
    ],
)
def test_calibration_reproduces_planted_values(S: float, R: float, n: int, scale: Scale) -> None:
    centre = (scale.minimum + scale.maximum) // 2
    plant = Plant("Harm", S, R, (centre - 0.1, centre, centre + 0.15))
    (amplitude,), (spread,) = calibrate((plant,), n, scale)
    found, found_sigma = monte_carlo(plant, amplitude, spread, n, scale)
    assert found == pytest.approx(S, rel=0.02)
    assert found_sigma == pytest.approx(1 / R, rel=0.03)


def test_infinite_r_gives_constant_cells() -> None:
    plant = Plant("Harm", 1.0, math.inf, (2.4, 2.7))
    (amplitude,), (spread,) = calibrate((plant,), 10, SIX)
    found, sigma = monte_carlo(plant, amplitude, spread, 10, SIX)
    assert found == pytest.approx(1.0, rel=0.02)
    assert sigma < 1e-4


def test_one_repetition_reproduces_s_with_the_spread_of_two() -> None:
    plant = Plant("Harm", 1.2, 2.2, (2.4, 2.7))
    (amplitude,), (spread,) = calibrate((plant,), 1, SIX)
    assert monte_carlo(plant, amplitude, spread, 2, SIX)[1] == pytest.approx(1 / 2.2, rel=0.02)
    people = 2.5 + amplitude * np.random.default_rng(2).standard_normal((40_000, 1))
    middle, below, above = rating_law(people + np.array([-0.1, 0.2]), spread, SIX)
    u = np.random.default_rng(3).random(middle.shape)
    ratings = middle - (u < below) + (u >= 1 - above)
    assert ratings.std(axis=0).mean() == pytest.approx(1.2, rel=0.02)


@pytest.mark.parametrize(
    ("S", "R", "words"),
    [
        (2.6, 5.0, "Harm: S = 2.6 .* S is at most 2.[45]"),
        (1.0, 0.9, "Harm: R = 0.9 .* R is at least 1.[0-9]"),
        (0.05, 2.0, "Harm: S = 0.05 .* S is at least 0.1"),
    ],
)
def test_unreachable_values_are_refused_with_the_reachable_range(
    S: float, R: float, words: str
) -> None:
    with pytest.raises(UserError, match=words):
        calibrate((Plant("Harm", S, R, (2.0, 2.1)),), 10, SIX)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.6, 1.9), st.floats(3.0, 60.0), st.integers(2, 30))
def test_calibration_of_a_domain_does_not_depend_on_others(S: float, R: float, n: int) -> None:
    alone = Plant("Harm", S, R, (2.3, 2.6))
    other = Plant("Purity", 1.1, 7.0, (2.0, 2.2, 2.9))
    (a,), (s,) = calibrate((alone,), n, SIX)
    (_, a_too), (_, s_too) = calibrate((other, alone), n, SIX)
    assert (a_too, s_too) == pytest.approx((a, s), rel=1e-3, abs=1e-5)


def test_bands_are_reproduced_in_the_population() -> None:
    offsets = (-0.2, 0.0, 0.1, 0.25)
    bands = (Band("Harm", 0.2, 0.31, 0.1, offsets), Band("Purity", 3.1, 2.0, 0.5, offsets[:2]))
    centres, amplitudes = calibrate_bands(bands, 10, SIX)
    rng = np.random.default_rng(4)
    for band, centre, amplitude in zip(bands, centres, amplitudes, strict=True):
        m = centre + amplitude * rng.standard_normal((40_000, 1)) + np.array(band.offsets)
        middle, below, above = (part[..., None] for part in rating_law(m, band.spread, SIX))
        u = rng.random((*m.shape, 10))
        means = (middle - (u < below) + (u >= 1 - above)).mean(axis=(1, 2))
        assert means.mean() == pytest.approx(band.mean, abs=0.03)
        assert means.std() == pytest.approx(band.sd, abs=0.03)


def test_unreachable_band_is_refused() -> None:
    with pytest.raises(UserError, match=r"Harm: a mean of 0.2 with SD 2 .* nearest"):
        calibrate_bands((Band("Harm", 0.2, 2.0, 0.1, (0.0,)),), 10, SIX)
