"""Reliability against plain formulas, parallel items, Feldt's interval and degenerate designs."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import f

from persona_collapse.measures.diagnostics.reliability import half_splits, reliability
from tests.helpers.made_cells import asked, from_counts, normal, value


@pytest.fixture
def rng():
    return np.random.default_rng(9)


def parallel(personas, items, share, rng, n=4):
    """Items that correlate by ``share`` over personas."""
    trait = rng.normal(size=(personas, 1)) * np.sqrt(share)
    own = rng.normal(size=(personas, items)) * np.sqrt(1 - share)
    return normal(trait + own, 0.0, n, rng)


def plain_alpha(scores):
    items = scores.shape[1]
    return items / (items - 1) * (1 - scores.var(axis=0, ddof=1).sum() / scores.sum(1).var(ddof=1))


def plain_split_half(scores):
    found, items = [], set(range(scores.shape[1]))
    for half in combinations(sorted(items), len(items) // 2):
        others = sorted(items - set(half))
        r = np.corrcoef(scores[:, half].sum(axis=1), scores[:, others].sum(axis=1))[0, 1]
        found.append(2 * r / (1 + r))
    return np.mean(found)


@pytest.mark.parametrize("items", [2, 5, 6])
def test_both_coefficients_agree_with_plain_formulas(items, rng):
    cells = parallel(25, items, 0.5, rng)
    found = reliability(cells, 1, "p", draws=20)
    assert value(found, "alpha") == pytest.approx(plain_alpha(cells.mean))
    assert value(found, "split_half") == pytest.approx(plain_split_half(cells.mean))


def test_alpha_matches_value_computed_by_hand():
    """Item variances 2.5 and 2.7, variance of the sums 9.2: alpha = 2 (1 - 5.2 / 9.2)."""
    means = np.array([[0, 1], [2, 1], [1, 2], [3, 2], [4, 5]])
    counts = np.eye(6)[means] * 3
    found = reliability(from_counts(counts), 1, "p", draws=20)
    assert value(found, "alpha") == pytest.approx(2 * (1 - 5.2 / 9.2))


def test_split_half_of_parallel_items_follows_spearman_brown(rng):
    found = reliability(parallel(4000, 10, 0.3, rng), 1, "p", draws=2)
    expected = 10 * 0.3 / (1 + 9 * 0.3)
    assert value(found, "alpha") == pytest.approx(expected, abs=0.02)
    assert value(found, "split_half") == pytest.approx(expected, abs=0.02)


def test_interval_is_near_feldts_on_normal_data(rng):
    P, Q = 100, 6
    found = reliability(parallel(P, Q, 0.4, rng), 1, "p", draws=1000)
    estimate = value(found, "alpha")
    ends = [1 - (1 - estimate) * f.ppf(q, P - 1, (P - 1) * (Q - 1)) for q in (0.975, 0.025)]
    assert value(found, "alpha", column="lo") == pytest.approx(ends[0], abs=0.05)
    assert value(found, "alpha", column="hi") == pytest.approx(ends[1], abs=0.03)


def test_interval_covers_the_truth(rng):
    truth, covered = 6 * 0.4 / (1 + 5 * 0.4), 0
    for seed in range(80):
        found = reliability(parallel(80, 6, 0.4, rng), seed, "p", draws=300)
        covered += value(found, "alpha", column="lo") <= truth <= value(found, "alpha", column="hi")
    assert covered >= 70


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 7))
def test_splits_are_distinct_halves(seed, items):
    halves = half_splits(items, 200, np.random.default_rng(seed))
    assert (halves.sum(axis=1) == items // 2).all()
    pairs = {frozenset([tuple(half), tuple(1 - half)]) for half in halves}
    assert len(pairs) == len(halves)


def test_many_items_are_split_at_random(rng):
    halves = half_splits(30, 200, rng)
    assert halves.shape == (200, 30)
    assert (halves.sum(axis=1) == 15).all()
    assert halves.mean() == 0.5


def test_domains_are_computed_on_their_own_items(rng):
    own = parallel(200, 8, 0.6, rng).mean
    own[:, 4:] = rng.normal(size=(200, 4))
    cells = normal(own, 0.0, 3, rng, domains=["a"] * 4 + ["b"] * 4)
    found = reliability(cells, 1, "p", draws=20)
    assert value(found, "alpha", "a") > 0.8
    assert value(found, "alpha", "b") == pytest.approx(plain_alpha(own[:, 4:]))


@pytest.mark.parametrize("shape", [(1, 4), (6, 1)])
def test_one_persona_or_one_item_gives_nulls(shape, rng):
    found = reliability(asked(rng.dirichlet(np.ones(3), size=shape), 4, rng), 1, "p", draws=20)
    assert set(found["value"]) == {None}


def test_equal_personas_give_nulls_and_constant_halves_are_left_out(rng):
    equal = from_counts(np.tile([0, 4, 0], (5, 4, 1)))
    assert set(reliability(equal, 1, "p", draws=20)["value"]) == {None}
    own = np.hstack([np.zeros((30, 2)), rng.normal(size=(30, 2))])
    found = reliability(normal(own, 0.0, 3, rng), 1, "p", draws=20)
    # Of the three splits one has a constant half; the others have the same two items.
    r = np.corrcoef(own[:, 2:].T)[0, 1]
    assert value(found, "split_half") == pytest.approx(2 * r / (1 + r))


def test_no_personas_left_gives_nulls(rng):
    cells = asked(np.full((3, 2, 2), 0.5), 4, rng).personas(np.array([], dtype=int))
    assert set(reliability(cells, 1, "p", draws=20)["value"]) == {None}
