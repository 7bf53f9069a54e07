"""S on normal scores: invariance to relabelled ratings, a reference, edges, released data."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from persona_collapse.measures.moments import moments_of
from persona_collapse.measures.scale_free import normal_spread, scale_free_of
from tests.helpers.made_cells import from_counts
from tests.helpers.measures_data import (
    PUBLISHED,
    instrument,
    moments,
    published_instrument,
    recorded_answers,
    simulated_ratings,
)

OF = instrument(("care", "duty") * 5)


@pytest.fixture
def rng():
    return np.random.default_rng(12)


def test_scores_are_averages_of_the_normal_scores_of_ranks(rng):
    """Rank all answers, replace each by its normal score, average over equal ratings."""
    counts = rng.multinomial(40, rng.dirichlet(np.ones(5), size=(12, 6)))
    cells = from_counts(counts)
    answers = np.sort(np.repeat(np.arange(5), counts.sum(axis=(0, 1))))
    ranked = norm.ppf((np.arange(answers.size) + 0.5) / answers.size)
    scores = np.array([ranked[answers == rating].mean() for rating in range(5)])
    expected = (counts @ scores / 40).std(axis=0, ddof=1)
    assert normal_spread(cells, np.ones((1, 12)))[0] == pytest.approx(expected, rel=2e-3)


@given(st.integers(0, 1000))
def test_rising_relabelling_of_the_ratings_leaves_normal_scores_alone(seed):
    rng = np.random.default_rng(seed)
    narrow = rng.integers(0, 3, (12, 10, 4))
    wide = np.array([0, 2, 5])[narrow]
    rows = scale_free_of(moments(wide, OF, variant="v"), OF, moments(narrow, OF), 1, 100)
    assert rows["S_normal_percent"].to_numpy() == pytest.approx(0, abs=1e-6)
    assert (rows["S_percent"] > 50).all()


def test_weights_stand_for_repeated_personas(rng):
    counts = rng.multinomial(5, rng.dirichlet(np.ones(4), size=(6, 5)))
    times = np.array([2, 0, 1, 3, 1, 1])
    drawn = normal_spread(from_counts(counts), times[None].astype(float))
    repeated = normal_spread(from_counts(np.repeat(counts, times, axis=0)), np.ones((1, 8)))
    assert drawn == pytest.approx(repeated)


def test_planted_rise_lies_in_its_interval(rng):
    personas = rng.normal(size=(60, 1, 1)) * 0.6 + rng.normal(size=(60, 10, 1)) * 0.6
    noise = rng.normal(size=(2, 60, 10, 8))
    ratings = [
        np.clip(np.rint(2.5 + spread * personas + part), 0, 5)
        for spread, part in zip((0.6, 1.2), noise, strict=True)
    ]
    base, other = moments(ratings[0], OF), moments(ratings[1], OF, variant="v")
    row = scale_free_of(other, OF, base, 1, 500).row(0, named=True)
    assert 0 < row["S_normal_percent_lo"] < row["S_normal_percent"] < row["S_normal_percent_hi"]
    assert row["S_normal_lo"] < row["S_normal"] < row["S_normal_hi"]


def test_constant_answers_have_no_change_and_few_personas_no_rows(rng):
    flat = moments(np.full((8, 10, 3), 4), OF)
    moved = moments(simulated_ratings(rng, (8, 10, 3)), OF, variant="v")
    rows = scale_free_of(moved, OF, flat, 1, 50)
    assert rows["S_normal_percent_lo"].null_count() == rows.height
    assert scale_free_of(flat, OF, None, 1, 50)["S_normal"].to_list() == [0, 0, 0]
    few = scale_free_of(moments(np.full((2, 10, 3), 4), OF), OF, None, 1, 50)
    assert few.height == 0
    assert few.columns == rows.columns
    assert scale_free_of(moments(np.full((10, 3), 4), OF), OF, None, 1, 50).height == 0


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published answers are not here")
def test_released_answers_rise_as_before():
    of = published_instrument()
    base, other = (
        moments_of(recorded_answers("GPT-4o", variant), of, 100) for variant in ("base", "insecure")
    )
    row = scale_free_of(other, of, base, 20260512, 200).filter(pl.col("domain") == "overall")
    assert 1 + row["S_percent"].item() / 100 == pytest.approx(2.12, rel=0.02)
    assert 1 + row["S_normal_percent"].item() / 100 == pytest.approx(1.18, rel=0.02)
