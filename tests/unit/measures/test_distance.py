from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from persona_collapse.measures.distance import distance_of, energy, similarity, without_groups
from persona_collapse.measures.moments import moments_of
from tests.helpers.made_cells import moments, normal
from tests.helpers.measures_data import (
    instrument,
    published_instrument,
    recorded_answers,
    simulated_ratings,
)
from tests.helpers.measures_data import moments as answered

TINY = instrument(["care"] * 6)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def repeated(weights):
    return np.repeat(np.arange(weights.size), weights.astype(int))


def distance(base, other, draws=50):
    frames = [moments(cells, name) for cells, name in ((base, "base"), (other, "tuned"))]
    return distance_of(frames[1], TINY, frames[0], 1, draws).row(0, named=True)


def test_similarity_equals_scipys_and_weights_repeat_personas(rng):
    x, y = (rng.integers(0, 4, size=(12, 3)).astype(float) for _ in range(2))
    weights = np.vstack([np.ones(12), rng.multinomial(12, [1 / 12] * 12, size=3)])
    for weight, found in zip(weights, similarity(x, y, weights), strict=True):
        rows = repeated(weight)
        first, second = np.triu_indices(rows.size, 1)
        other = rows[first] != rows[second]  # a persona is not compared with itself
        pairs = rows[first][other], rows[second][other]
        apart = [np.linalg.norm(z[pairs[0]] - z[pairs[1]], axis=1).round(9) for z in (x, y)]
        assert found == pytest.approx(spearmanr(*apart)[0])


def test_energy_of_weighted_personas_is_that_of_repeated_ones(rng):
    x, y = rng.normal(size=(2, 10, 4))
    weight = rng.multinomial(10, [0.1] * 10).astype(float)
    rows = repeated(weight)
    a, b = x[rows] - x[rows].mean(axis=0), y[rows] - y[rows].mean(axis=0)
    different = rows[:, None] != rows

    def mean(p, q, power=0.5):
        return (((p[:, None] - q) ** 2).sum(axis=2) ** power)[different].mean()

    stretch = np.sqrt((mean(a, a, 1) + mean(b, b, 1)) / 2 / mean(a, b, 1))
    known = 100 * ((2 * stretch * mean(a, b) - mean(b, b)) / mean(a, a) - 1)
    assert energy(x, y, weight[None])[0] == pytest.approx(known)


@given(seed=st.integers(0, 2**32 - 1), shift=st.floats(-5, 5), size=st.floats(0.1, 5))
@settings(max_examples=30)
def test_energy_ignores_a_common_shift_and_the_unit(seed, shift, size):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, 15, 4))
    alone = np.ones((1, 15))
    found = energy(x, y, alone)
    assert energy(x, y + shift, alone) == pytest.approx(found)
    assert energy(size * x, size * y, alone) == pytest.approx(found)
    assert energy(x, x + shift, alone) == pytest.approx([0], abs=1e-6)


def test_energy_of_two_samples_of_one_population_is_zero_on_average(rng):
    found = []
    for _ in range(300):
        x = rng.normal(size=(30, 5))
        y = 0.5 * x + np.sqrt(0.75) * rng.normal(size=x.shape)  # the same law, other personas
        found.append(energy(x, y, np.ones((1, 30)))[0])
    assert abs(np.mean(found)) < 3.5 * np.std(found) / np.sqrt(300)


def covered(rng, spread, shared, truth, personas=30, studies=30):
    """Return how often the interval of energy contains the truth, and its mean width."""
    rows = []
    for _ in range(studies):
        x = rng.normal(size=(personas, 6))
        y = spread * (shared * x + np.sqrt(1 - shared**2) * rng.normal(size=x.shape))
        cells = [replace(normal(z, 0.0, 2, rng), exact=True) for z in (x, y)]
        rows.append(distance(*cells, draws=2))
    ends = [(row["energy_lo"], row["energy_hi"]) for row in rows]
    hits = np.mean([lo <= truth <= hi for lo, hi in ends])
    spread_of_values = np.std([row["energy"] for row in rows])
    return hits, np.mean([hi - lo for lo, hi in ends]) / spread_of_values


def test_intervals_of_energy_are_as_wide_as_it_varies(rng):
    # Equal laws: the jackknife errs on the safe side, by less than a factor of two.
    hits, width = covered(rng, 1.0, 0.5, 0.0)
    assert hits > 0.9
    assert width < 2 * 2 * 1.96
    # Twice the size: E|2X - X'| = sqrt(5) a and E|X - X'| = sqrt(2) a, with a common factor a.
    truth = 100 * (2 * np.sqrt(5) / np.sqrt(2) - 3)
    hits, width = covered(rng, 2.0, 0.0, truth)
    assert hits > 0.8
    assert width == pytest.approx(2 * 1.96, rel=0.45)


def test_many_personas_are_left_out_in_groups():
    weights = without_groups(250)
    assert weights.shape == (101, 250)
    assert set(weights[0]) == {1}
    assert (weights[1:] == 0).sum(axis=0).tolist() == [1] * 250
    assert set((weights[1:] == 0).sum(axis=1)) == {2, 3}
    assert (without_groups(7)[1:] == 1 - np.eye(7)).all()


def test_planted_step_to_the_ceiling_is_recovered_despite_noise(rng):
    own = rng.normal(2.5, 0.8, size=(150, 6))
    lifted = own + 0.3 * (5 - own)
    row = distance(normal(own, 1.0, 3, rng), normal(lifted, 1.0, 3, rng))
    assert row["alpha"] == pytest.approx(0.3, abs=0.03)
    assert row["residual"] == pytest.approx(0, abs=0.1)
    assert row["alpha_lo"] < 0.3 < row["alpha_hi"]
    scattered = distance(
        normal(own, 1.0, 3, rng), normal(own + rng.normal(size=own.shape), 1.0, 3, rng)
    )
    assert scattered["alpha"] == pytest.approx(0, abs=0.07)
    assert scattered["residual"] > 0.9


def test_noise_alone_reaches_the_ceiling_of_similarity(rng):
    ratings = simulated_ratings(rng, (60, 6, 20), noise=1.2)
    base = answered(ratings[:, :, :10], TINY)
    other = answered(ratings[:, :, 10:], TINY, variant="tuned")
    row = distance_of(other, TINY, base, 1, 100).row(0, named=True)
    assert 0.5 < row["rsa_ceiling"] < 0.99
    assert row["rsa"] == pytest.approx(row["rsa_ceiling"], abs=0.06)
    assert row["energy"] == pytest.approx(0, abs=2)


def test_single_answers_have_no_ceiling_and_equal_personas_no_distance(rng):
    once = answered(simulated_ratings(rng, (8, 6, 1)), TINY, variant="tuned")
    base = answered(simulated_ratings(rng, (8, 6, 1)), TINY)
    assert distance_of(once, TINY, base, 1, 10)["rsa_ceiling"].item() is None
    flat = answered(np.full((8, 6, 2), 3.0), TINY)
    row = distance_of(once, TINY, flat, 1, 10).row(0, named=True)
    assert row["energy"] is None
    assert row["rsa"] is None


def test_released_answers_order_the_variants(published):
    of, found = published_instrument(), {}
    for model in ("GPT-4o", "GPT-4.1"):
        base, *others = (
            moments_of(recorded_answers(model, name), of, 100)
            for name in ("base", "secure", "insecure")
        )
        found[model] = pl.concat(distance_of(other, of, base, 1, 100) for other in others)
        assert (found[model]["energy_lo"] < found[model]["energy"]).all()
        assert (found[model]["energy"] < found[model]["energy_hi"]).all()
    assert found["GPT-4o"]["energy"].to_list() == pytest.approx([0.627, 25.46], rel=0.01)
    assert found["GPT-4.1"]["energy"].to_list() == pytest.approx([0.990, 6.287], rel=0.01)
    assert found["GPT-4.1"]["alpha"].to_list() == pytest.approx([0.030, 0.295], abs=0.001)
