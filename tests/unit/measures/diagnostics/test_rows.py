"""Percentile intervals and quotients of long tables, at their boundaries."""

from math import inf, isnan, nan

import numpy as np
import pytest

from persona_collapse.measures.diagnostics.rows import (
    draws_of_personas,
    frame_of,
    frame_of_draws,
    interval,
    ratio,
)
from tests.helpers.made_cells import from_counts


def test_interval_leaves_out_the_same_share_of_draws_at_both_ends():
    draws = np.random.default_rng(1).permutation(41).astype(float)
    assert interval(draws) == (1, 39)
    assert interval(draws, level=0.9) == (2, 38)
    assert interval(np.array([1.0, 2.0, inf, inf])) == (1, inf)


def test_interval_needs_half_of_the_draws_to_be_defined():
    assert interval(np.array([3.0, nan, 1.0, nan])) == (1, 3)
    assert all(map(isnan, interval(np.array([3.0, nan, 1.0, nan, nan]))))
    assert all(map(isnan, interval(np.array([]))))


@pytest.mark.parametrize(("personas", "rows"), [(1, 1), (2, 6), (3, 6)])
def test_draws_begin_with_the_sample_and_need_two_personas(personas, rows):
    weights = draws_of_personas(from_counts(np.ones((personas, 2, 2))), 1, "roleplay", 5)
    assert weights.shape == (rows, personas)
    assert (weights[0] == 1).all()
    assert (weights.sum(axis=1) == personas).all()


def test_first_value_is_the_samples_and_the_others_are_its_draws():
    found = frame_of_draws({"overall": {"S": np.array([5.0, 1.0, 2.0, 3.0])}})
    assert found.row(0) == ("overall", "S", 5.0, 1.0, 3.0)


def test_undefined_numbers_are_null_and_infinite_ones_stay():
    assert frame_of([("overall", "R", nan, 1.0, inf)]).row(0) == ("overall", "R", None, 1.0, inf)


def test_ratio_is_undefined_unless_the_denominator_is_positive():
    found = ratio(np.array([1.0, 1.0, -1.0]), np.array([0.0, -2.0, 0.5]))
    assert np.isnan(found[:2]).all()
    assert found[2] == -2
