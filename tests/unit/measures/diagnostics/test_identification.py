"""Identity: certain, impossible and planted identification; halves that keep every answer."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persona_collapse.measures.diagnostics.identification import (
    _drawn,
    _nearest,
    halves_of,
    hits_among,
    identification,
)
from tests.helpers.made_cells import asked, exact, from_counts, logit_cells, normal, value


@pytest.fixture
def rng():
    return np.random.default_rng(6)


def test_equal_personas_are_identified_at_chance_level():
    cells = from_counts(np.tile([3, 0, 3], (8, 5, 1)) * 0 + np.array([6, 0, 0]))
    found = identification(cells, 1, "roleplay", draws=50)
    assert value(found, "identified") == pytest.approx(1 / 8)
    assert value(found, "chance") == 1 / 8


def test_random_answers_are_identified_at_chance_level(rng):
    cells = asked(np.full((40, 20, 6), 1 / 6), 10, rng)
    assert value(identification(cells, 1, "p", splits=50, draws=50), "identified") < 0.08


def test_constant_personas_are_always_identified(rng):
    counts = np.eye(6)[rng.integers(0, 6, size=(30, 20))] * 4
    found = identification(from_counts(counts), 1, "p", draws=50)
    assert value(found, "identified") == pytest.approx(1)
    assert value(found, "identified", column="lo") == pytest.approx(1)


def test_more_noise_identifies_less(rng):
    peaks = [logit_cells((40, 5), rng, spread=s, temperature=t) for s, t in ((1, 0.1), (0.3, 3))]
    steady, noisy = (
        value(identification(asked(p, 6, rng), 1, "p", draws=20), "identified") for p in peaks
    )
    assert steady > noisy + 0.2


def test_two_halves_hold_every_answer_once(rng):
    cells = asked(rng.dirichlet(np.ones(4), size=(6, 5)), 7, rng)
    for first, second in halves_of(cells, rng, 5):
        assert 3 * first + 4 * second == pytest.approx(7 * cells.mean)


def test_half_of_the_answers_is_a_hypergeometric_draw(rng):
    from scipy.stats import multivariate_hypergeom

    counts, size = np.array([5, 2, 3]), np.array([4])
    drawn = np.array([_drawn(counts[None], size, rng)[0] for _ in range(4000)])
    law = multivariate_hypergeom(counts, 4)
    assert (drawn.sum(axis=1) == 4).all()
    assert drawn.mean(axis=0) == pytest.approx(law.mean(), abs=0.06)
    assert np.cov(drawn, rowvar=False) == pytest.approx(law.cov(), abs=0.06)


def test_amplified_persona_is_identified_in_base_and_shuffled_one_is_not(rng):
    own = rng.normal(size=(50, 30))
    base = normal(own, 0.2, 4, rng)
    amplified = normal(3 * own + 1, 0.2, 4, rng)
    shuffled = normal(own[rng.permutation(50)], 0.2, 4, rng)
    scores = [
        value(identification(other, 1, "p", base, splits=0, draws=50), "identified_in_base")
        for other in (amplified, shuffled)
    ]
    assert scores[0] == pytest.approx(1)
    assert scores[1] < 0.15


def test_seeds_repeat_and_personas_are_matched_by_id(rng):
    cells = asked(logit_cells((20, 6), rng, temperature=1), 5, rng)
    first = identification(cells, 3, "p", cells.personas(np.arange(5, 20)), draws=50)
    assert first.equals(identification(cells, 3, "p", cells.personas(np.arange(5, 20)), draws=50))
    assert not first.equals(
        identification(cells, 4, "p", cells.personas(np.arange(5, 20)), draws=50)
    )
    assert value(first, "identified_in_base") == pytest.approx(1)


@pytest.mark.parametrize("n", [1, "exact"])
def test_identified_is_null_without_two_answers_per_cell(n, rng):
    probabilities = rng.dirichlet(np.ones(3), size=(5, 4))
    cells = exact(probabilities) if n == "exact" else asked(probabilities, n, rng)
    assert value(identification(cells, 1, "p", draws=50), "identified") is None


def test_single_persona_is_identified_and_no_persona_gives_no_rows(rng):
    cells = asked(np.full((1, 3, 2), 0.5), 4, rng)
    assert value(identification(cells, 1, "p"), "identified") == 1
    assert identification(cells.personas(np.array([], dtype=int)), 1, "p").height == 0


@given(seed=st.integers(0, 2**32 - 1), personas=st.integers(4, 9))
@settings(max_examples=30)
def test_hits_among_four_are_the_mean_over_all_choices_of_others(seed, personas):
    likeness = np.random.default_rng(seed).integers(0, 4, (personas, personas)).astype(float)
    found = hits_among(likeness, 4)
    for row in range(personas):
        others = [place for place in range(personas) if place != row]
        hits = []
        for drawn in combinations(others, 3):
            shown = likeness[row, [row, *drawn]]
            hits.append((shown[0] == shown.max()) / (shown == shown.max()).sum())
        assert found[row] == pytest.approx(np.mean(hits))


def test_nearest_profile_is_that_of_the_smallest_distance():
    first = np.array([[0.0], [1.0], [10.0]])
    assert _nearest(first, first).tolist() == [1, 1, 1]
    # 4 is nearer to 1 than to 10 and 6 is nearer to 10; equal distances share the hit.
    assert _nearest(first, np.array([[0.4], [4.0], [6.0]])).tolist() == [1, 1, 1]
    assert _nearest(first, np.array([[0.5], [6.0], [4.0]])).tolist() == [0.5, 0, 0]
